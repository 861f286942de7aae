"""`kill -9` of `rlm-local ask` at several moments, then `--resume`: nothing is sent twice."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rlm_local.events import CellRan, Event, Notice, RootReplied, RunStarted, SubcallDone
from tests.e2e.commands import PrivateHome, events_of, eventually
from tests.e2e.texts import haystack
from tests.fakes.openai_process import cell
from tests.fakes.openai_server import Body, OpenAIServer, ServerOptions

WITHIN_S = 60.0
SETTLED_S = 0.3
"""After this, what the killed process had sent by then has arrived."""
N_PROMPTS = 60
BATCH = cell(
    f"asked = [f'Item {{n}} of {{len(context)}}' for n in range({N_PROMPTS})]\n"
    "first = llm_query_batched(asked)\nprint(len(first), first[-1])"
)
CHILDREN = cell(
    "parts = [context[n * 9000 : n * 9000 + 40000] for n in range(3)]\n"
    "print(rlm_query_batched(['Which child is this?'] * 3, parts))"
)
OF_A_CHILD = (
    cell("print(llm_query_batched([f'{n}: {context[:60]}' for n in range(4)]))"),
    cell("FINAL(context[:5])"),
)
FINISH = cell("FINAL(str(len(first)))")
SCRIPT = (BATCH, CHILDREN, FINISH)


def answer(body: Body) -> str:
    """By what is asked, so that it does not matter which process asks."""
    if body["model"] == "worker":
        return f"re: {body['messages'][-1]['content'][:20]}"
    texts = [str(message["content"]) for message in body["messages"]]
    start = next(n for n, text in enumerate(texts) if QUESTION in text or "Which child" in text)
    replies = SCRIPT if QUESTION in texts[start] else OF_A_CHILD
    return replies[(len(texts) - start) // 2]


QUESTION = "How many items are there?"


def ask(server: OpenAIServer, text: Path, *options: str | Path) -> tuple[str, ...]:
    """The command line, at the fake server."""
    endpoint = ("--base-url", server.base_url, "--root", "root", "--worker", "worker")
    return ("ask", "--context", str(text), *endpoint, "--json", *map(str, options))


def n_of(events: Sequence[Event], kind: type[Event]) -> int:
    return sum(isinstance(event, kind) for event in events)


MOMENTS: dict[str, Callable[[Sequence[Event]], bool]] = {
    "before the root replied": lambda events: n_of(events, RunStarted) == 1,
    "some of the batch are done": lambda events: n_of(events, SubcallDone) >= 5,
    "most of the batch are done": lambda events: n_of(events, SubcallDone) >= N_PROMPTS - 10,
    "between two turns": lambda events: n_of(events, CellRan) >= 1,
    "children are under way": lambda events: n_of(events, RunStarted) >= 3,
    "children ask the worker": lambda events: n_of(events, SubcallDone) >= N_PROMPTS + 5,
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_killed_run_goes_on_and_no_finished_prompt_is_sent_again(
    bare_home: PrivateHome, hay: Path, moment: str
) -> None:
    trace, second = bare_home.folder / "one.jsonl", bare_home.folder / "two.jsonl"
    options = ServerOptions(replies=[answer], latency_s=0.05, capacity=8)
    async with OpenAIServer(options) as server:
        started = ask(server, hay, QUESTION, "--mode", "rlm", "--trace", trace, "--max-turns", "9")
        process = bare_home.start(*started)
        was_reached = await asyncio.to_thread(
            eventually, lambda: MOMENTS[moment](events_of(trace)), within_s=WITHIN_S
        )
        process.kill()
        _, stderr = process.communicate()
        assert was_reached, stderr
        await asyncio.sleep(SETTLED_S)
        before = list(server.requests)
        server.requests.clear()
        server.options.latency_s = 0.0
        done = await asyncio.to_thread(
            bare_home.run, *ask(server, hay, "--resume", trace, "--trace", second)
        )
        after = list(server.requests)
    assert done.code == 0, done.stderr
    assert done.json["answer"] == str(N_PROMPTS)
    known = events_of(trace)
    finished = {event.prompt for event in known if isinstance(event, SubcallDone) and event.reply}
    asked = [body["messages"][-1]["content"] for body in after if body["model"] == "worker"]
    assert len(asked) == len(set(asked))
    assert not finished & set(asked)
    assert len(finished) + len(asked) == N_PROMPTS + 3 * 4
    replied = n_of(known, RootReplied)
    roots = [json.dumps(body["messages"]) for body in after if body["model"] == "root"]
    sent_before = [json.dumps(body["messages"]) for body in before if body["model"] == "root"]
    assert replied + len(roots) == 3 + 3 * 2
    assert len(set(roots) & set(sent_before)) <= len(sent_before) - replied
    start = events_of(second)[0]
    assert isinstance(start, RunStarted)
    assert start.resumed_from == str(trace)
    assert start.limits["max_turns"] == 9
    told = [event.text for event in events_of(second) if isinstance(event, Notice)]
    assert not any("otherwise" in text for text in told), told


async def test_a_trace_that_the_kill_cut_in_the_middle_of_a_line_is_resumed(
    bare_home: PrivateHome, hay: Path
) -> None:
    trace = bare_home.folder / "one.jsonl"
    async with OpenAIServer(ServerOptions(replies=[answer])) as server:
        whole = await asyncio.to_thread(
            bare_home.run, *ask(server, hay, QUESTION, "--mode", "rlm", "--trace", trace)
        )
        assert whole.code == 0, whole.stderr
        lines = trace.read_bytes().splitlines(keepends=True)
        trace.write_bytes(b"".join(lines[:40]) + lines[40][: len(lines[40]) // 2])
        server.requests.clear()
        done = await asyncio.to_thread(bare_home.run, *ask(server, hay, "--resume", trace))
        finished = n_of(events_of(trace), SubcallDone)
        asked = [body for body in server.requests if body["model"] == "worker"]
    assert done.json["answer"] == str(N_PROMPTS)
    assert len(asked) == N_PROMPTS + 12 - finished


async def test_what_cannot_be_resumed_is_refused_with_the_reason(
    bare_home: PrivateHome, hay: Path, tmp_path: Path
) -> None:
    trace = bare_home.folder / "one.jsonl"
    other = tmp_path / "other.txt"
    other.write_text(haystack() + "!")
    async with OpenAIServer(ServerOptions(replies=[answer])) as server:
        command = ask(server, hay, QUESTION, "--mode", "rlm", "--trace", trace)
        await asyncio.to_thread(bare_home.run, *command)
        ended = await asyncio.to_thread(bare_home.run, *ask(server, hay, "--resume", trace))
        lines = trace.read_bytes().splitlines(keepends=True)
        trace.write_bytes(b"".join(lines[:40]))
        text = await asyncio.to_thread(bare_home.run, *ask(server, other, "--resume", trace))
        asked = await asyncio.to_thread(
            bare_home.run, *ask(server, hay, "Another question?", "--resume", trace)
        )
        same = await asyncio.to_thread(
            bare_home.run, *ask(server, hay, "--resume", trace, "--trace", trace)
        )
    start = events_of(trace)[0]
    assert isinstance(start, RunStarted)
    assert [done.code for done in (ended, text, asked, same)] == [2, 2, 2, 2]
    assert "ended with an answer" in ended.stderr
    assert start.context.sha256 in text.stderr
    assert "another text" in text.stderr
    assert "Another question?" in asked.stderr
    assert "elsewhere" in same.stderr


async def test_a_second_ask_finds_the_replies_on_disk_unless_told_not_to(
    bare_home: PrivateHome, hay: Path
) -> None:
    async with OpenAIServer(ServerOptions(replies=[answer])) as server:
        command = ask(server, hay, QUESTION, "--mode", "rlm")
        sent = []
        for option in ("--cache", "--cache", "--no-cache"):
            server.requests.clear()
            done = await asyncio.to_thread(bare_home.run, *command, option)
            assert done.json["answer"] == str(N_PROMPTS), done.stderr
            sent.append(sum(body["model"] == "worker" for body in server.requests))
        assert sent == [N_PROMPTS + 12, 0, N_PROMPTS + 12]
        info = await asyncio.to_thread(bare_home.run, "cache", "info", "--json")
        assert info.json["entries"] == N_PROMPTS + 12
