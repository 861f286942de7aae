import asyncio
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typing_extensions import Buffer

from rlm_local import RLM, Limits
from rlm_local.cell_limits import CellLimits
from rlm_local.context.sources import StreamInput, TextInput
from rlm_local.errors import ConfigError, ContextError, ModelUnavailable, UserError
from rlm_local.events import RunEnded, RunStarted
from rlm_local.session.rlm import as_inputs, question_of
from rlm_local.session.settings import Settings
from rlm_local.trace.jsonl import read_trace
from tests.fakes.openai_process import cell, running_server
from tests.fakes.openai_server import OpenAIServer
from tests.session.conftest import OpenRLM, Watcher

TEXT = "a first line\nthe code word is plum-7\nan end\n" * 40
LOOK = cell('print(grep("code word")[:1])')
FINISH = cell('FINAL(context.split("code word is ")[1].split()[0])')
QUESTION = "What is the code word?"
RLM_MODE = Settings(mode="rlm")


def test_a_session_blocks_and_answers(open_rlm: OpenRLM) -> None:
    with running_server(LOOK, FINISH) as running:
        with open_rlm(running.base_url, settings=RLM_MODE) as rlm:
            answer = rlm.complete(TEXT, QUESTION)
        assert (answer.text, answer.stop_reason, answer.turns) == ("plum-7", "answered", 2)
        assert answer.usage.root.prompt_tokens > 0
        assert answer.context.chars == len(TEXT)


async def test_it_answers_where_a_loop_already_runs(open_rlm: OpenRLM) -> None:
    with running_server(LOOK, FINISH) as running:
        rlm = open_rlm(running.base_url, settings=RLM_MODE)
        assert rlm.complete(TEXT, QUESTION).text == "plum-7"
        rlm.close()


async def test_acomplete_leaves_the_callers_loop_free(
    open_rlm: OpenRLM, server: OpenAIServer
) -> None:
    server.options.replies = [LOOK, FINISH]
    answer = await open_rlm(server.base_url, settings=RLM_MODE).acomplete(TEXT, QUESTION)
    assert answer.text == "plum-7"


async def test_several_questions_at_once_share_the_models(
    open_rlm: OpenRLM, server: OpenAIServer
) -> None:
    server.options.replies = [LOOK, LOOK, LOOK, FINISH]
    rlm = open_rlm(server.base_url, settings=RLM_MODE)
    questions = [f"{QUESTION} ({number})" for number in range(3)]
    answers = await asyncio.gather(*(rlm.acomplete(TEXT, asked) for asked in questions))
    assert [answer.text for answer in answers] == ["plum-7"] * 3
    assert len({answer.trace for answer in answers}) == 3


async def test_one_string_alone_behaves_like_a_prompt(
    open_rlm: OpenRLM, server: OpenAIServer
) -> None:
    server.options.replies = ["plum-7"]
    answer = await open_rlm(server.base_url).acomplete(f"{TEXT}\n\n{QUESTION}")
    assert (answer.text, answer.mode) == ("plum-7", "direct")
    assert server.requests[0]["messages"][-1]["content"].endswith(f"Question: {QUESTION}")


async def test_a_path_is_read_and_a_string_is_text(
    open_rlm: OpenRLM, server: OpenAIServer, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    server.options.replies = [cell("print([d.name for d in documents])"), FINISH]
    rlm = open_rlm(server.base_url, settings=RLM_MODE)
    answer = await rlm.acomplete([tmp_path / "a.txt", str(tmp_path / "a.txt")], QUESTION)
    assert (answer.text, answer.context.documents) == ("plum-7", 2)


async def test_cancelling_ends_the_run_and_its_processes(
    open_rlm: OpenRLM, server: OpenAIServer, watcher: Watcher
) -> None:
    server.options.fault = "hang"
    rlm = open_rlm(server.base_url, settings=RLM_MODE, progress=watcher)
    waiting = asyncio.ensure_future(rlm.acomplete(TEXT, QUESTION))
    await server.arrived.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(server.dropped.wait(), 20)
    await asyncio.to_thread(rlm.close)
    (ended,) = [event for event in watcher.events if isinstance(event, RunEnded)]
    assert ended.stop_reason == "interrupted"


async def test_cancelling_while_the_context_is_read_leaves_no_file_open(
    open_rlm: OpenRLM, server: OpenAIServer
) -> None:
    rlm = open_rlm(server.base_url, settings=RLM_MODE)
    stream = SlowStream(b"text " * 1000)
    await asyncio.to_thread(rlm.open)
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    waiting = asyncio.ensure_future(rlm.acomplete(StreamInput("slow", stream), QUESTION))
    await asyncio.to_thread(stream.reached.wait)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    stream.go_on.set()
    await asyncio.to_thread(rlm.close)
    assert set(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


class SlowStream(io.BytesIO):
    """Waits in its first read until it may go on."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        self.reached.set()
        self.go_on.wait(20)
        return super().read(size)

    def readinto(self, buffer: Buffer, /) -> int:
        self.reached.set()
        self.go_on.wait(20)
        return super().readinto(buffer)


async def test_the_trace_tells_the_run_and_is_named(
    open_rlm: OpenRLM, server: OpenAIServer, watcher: Watcher, tmp_path: Path
) -> None:
    server.options.replies = [LOOK, FINISH]
    settings = Settings(mode="rlm", trace=tmp_path / "run.jsonl", seed=7)
    rlm = open_rlm(server.base_url, settings=settings, progress=watcher)
    answer = await rlm.acomplete(TEXT, QUESTION)
    assert answer.trace == str(tmp_path / "run.jsonl")
    events = list(read_trace(tmp_path / "run.jsonl"))
    assert events == watcher.events
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert (events[0].seed, events[0].question) == (7, QUESTION)
    assert events[0].context.sha256 == answer.context.sha256


async def test_a_trace_that_cannot_be_written_costs_a_warning(
    open_rlm: OpenRLM, server: OpenAIServer, watcher: Watcher
) -> None:
    settings = Settings(trace=Path("/dev/full"))
    answer = await open_rlm(server.base_url, settings=settings, progress=watcher).acomplete(
        TEXT, QUESTION
    )
    assert (answer.text, answer.trace) == ("ok", None)
    assert watcher.warnings == ["the trace /dev/full is incomplete: No space left on device"]


async def test_limits_and_sandbox_are_those_given(
    open_rlm: OpenRLM, server: OpenAIServer, watcher: Watcher
) -> None:
    server.options.replies = [cell("x = 1"), cell("y = 2"), "plum"]
    rlm = open_rlm(
        server.base_url,
        limits=Limits(max_turns=2),
        sandbox="off",
        settings=RLM_MODE,
        progress=watcher,
    )
    answer = await rlm.acomplete(TEXT, QUESTION)
    assert (answer.stop_reason, answer.turns, answer.sandbox) == ("forced", 2, "off")


async def test_tokens_are_counted_on_request(open_rlm: OpenRLM, server: OpenAIServer) -> None:
    rlm = open_rlm(server.base_url, settings=Settings(count_tokens=True))
    answer = await rlm.acomplete(TEXT, QUESTION)
    assert not answer.context.tokens.exact  # an endpoint's tokenizer is not known


async def test_a_failing_start_leaves_no_thread(home_here: Path) -> None:
    rlm = RLM(base_url="http://127.0.0.1:9/v1", root="root")
    with pytest.raises(ModelUnavailable, match="Connection refused"):
        rlm.__enter__()
    assert "rlm_local" not in {thread.name for thread in threading.enumerate()}


async def test_a_failed_start_can_be_tried_again(open_rlm: OpenRLM, server: OpenAIServer) -> None:
    server.options.models = ["other"]
    rlm = open_rlm(server.base_url)
    with pytest.raises(UserError, match="does not serve 'root'"):
        await rlm.acomplete(TEXT, QUESTION)
    server.options.models = ["root", "worker"]
    assert (await rlm.acomplete(TEXT, QUESTION)).text == "ok"


async def test_a_failed_question_leaves_the_session_usable(
    open_rlm: OpenRLM, server: OpenAIServer, tmp_path: Path
) -> None:
    rlm = open_rlm(server.base_url)
    with pytest.raises(ContextError, match="no such file or folder"):
        await rlm.acomplete(tmp_path / "none.txt", QUESTION)
    with pytest.raises(ContextError, match="the context is empty"):
        await rlm.acomplete("", QUESTION)
    with pytest.raises(UserError, match="the question is empty"):
        await rlm.acomplete(TEXT, "  ")
    assert (await rlm.acomplete(TEXT, QUESTION)).text == "ok"


async def test_closing_twice_is_once(open_rlm: OpenRLM, server: OpenAIServer) -> None:
    rlm = open_rlm(server.base_url, settings=RLM_MODE)
    server.options.replies = [FINISH]
    await rlm.acomplete(TEXT, QUESTION)
    await asyncio.to_thread(rlm.close)
    await asyncio.to_thread(rlm.close)
    with pytest.raises(ConfigError, match="this RLM is closed"):
        rlm.complete(TEXT, QUESTION)
    with pytest.raises(ConfigError, match="this RLM is closed"):
        await rlm.acomplete(TEXT, QUESTION)


def test_closing_one_never_opened_is_no_work(home_here: Path) -> None:
    RLM(base_url="http://127.0.0.1:9/v1", root="root").close()


async def test_closing_while_a_question_is_under_way_ends_it(
    open_rlm: OpenRLM, server: OpenAIServer
) -> None:
    server.options.fault = "hang"
    rlm = open_rlm(server.base_url, settings=RLM_MODE)
    asked = asyncio.ensure_future(asyncio.to_thread(rlm.complete, TEXT, QUESTION))
    await server.arrived.wait()
    await asyncio.to_thread(rlm.close)
    with pytest.raises(Exception, match=r"closed while a question was under way"):
        await asked


async def test_a_server_that_dies_leaves_what_was_found(open_rlm: OpenRLM) -> None:
    replies = [LOOK, cell('print(llm_query("wait"))')]
    with running_server(*replies, arguments=["--latency-ms", "200"]) as running:
        rlm = open_rlm(running.base_url, settings=RLM_MODE, limits=Limits(max_seconds=3))
        asked = asyncio.ensure_future(rlm.acomplete(TEXT, QUESTION))
        await asyncio.sleep(0.5)
        running.process.kill()
        answer = await asked
    assert answer.stop_reason in ("error", "max_seconds")
    assert answer.error


def test_a_wrong_sandbox_policy_is_told_at_once(home_here: Path) -> None:
    with pytest.raises(ConfigError, match="no sandbox policy 'nonsense'; use one of auto"):
        RLM(base_url="http://127.0.0.1:9/v1", root="root", sandbox="nonsense")


def test_texts_are_named_so_that_they_can_be_told_apart() -> None:
    assert as_inputs("only") == [TextInput("text", "only")]
    assert as_inputs(["a", Path("b"), "c"]) == [
        TextInput("text 1", "a"),
        Path("b"),
        TextInput("text 3", "c"),
    ]
    stream = StreamInput("stdin", io.BytesIO())
    assert as_inputs(stream) == [stream]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("long text\n\nWhat is it?", "What is it?"),
        ("What is it?", "What is it?"),
        ("text\n\nWhat is it?\n\n", "What is it?"),
        ("", "Answer what the text asks."),
    ],
)
def test_the_last_paragraph_of_a_prompt_is_its_question(text: str, question: str) -> None:
    assert question_of(as_inputs(text), None) == question


@pytest.mark.parametrize(
    "ask",
    [
        lambda: question_of(as_inputs(["a", "b"]), None),
        lambda: question_of(as_inputs(Path("a")), None),
        lambda: question_of(as_inputs("a"), " \n"),
    ],
)
def test_no_question_is_told(ask: Callable[[], str]) -> None:
    with pytest.raises(UserError, match="question"):
        ask()


def test_a_context_without_text_is_told_before_any_model_is_opened(home_here: Path) -> None:
    rlm = RLM(base_url="http://127.0.0.1:9/v1", root="root")  # nobody listens there
    try:
        with pytest.raises(ContextError):
            rlm.complete("", "What is in it?")
    finally:
        rlm.close()


def test_cell_limits_out_of_range_are_refused_before_anything_starts() -> None:
    settings = Settings(cells=CellLimits(grace_s=-1))
    with pytest.raises(ConfigError, match="cell limit grace_s must be from"):
        RLM(base_url="http://127.0.0.1:9/v1", root="root", settings=settings)


async def test_cell_limits_reach_the_cells(open_rlm: OpenRLM, server: OpenAIServer) -> None:
    server.options.replies = [cell("print('x' * 100_000)"), FINISH]
    settings = Settings(mode="rlm", cells=CellLimits(output_chars=300))
    await open_rlm(server.base_url, settings=settings).acomplete(TEXT, QUESTION)
    told = str(server.requests[-1]["messages"])
    assert "of 100,001 characters left out" in told
    assert "x" * 400 not in told


@pytest.mark.parametrize(("key", "sent"), [(None, None), ("two", "Bearer two"), ("", None)])
async def test_a_worker_elsewhere_is_shown_its_own_key_and_never_the_roots(
    open_rlm: OpenRLM, server: OpenAIServer, key: str | None, sent: str | None
) -> None:
    server.options.replies = [cell('print(llm_query("a"))'), FINISH]
    async with OpenAIServer() as elsewhere:
        rlm = open_rlm(
            server.base_url,
            api_key="one",
            worker_base_url=elsewhere.base_url,
            worker_api_key=key,
            settings=RLM_MODE,
        )
        assert (await rlm.acomplete(TEXT, QUESTION)).text == "plum-7"
        rlm.close()
    assert [one["Authorization"] for one in server.headers] == ["Bearer one"] * 2
    assert [one.get("Authorization") for one in elsewhere.headers] == [sent]


def test_no_endpoint_at_all_is_told_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="no base URL for the model 'root'"):
        RLM(base_url=[], root="root")


def test_a_salt_no_server_takes_is_told_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="a cache salt has"):
        RLM(base_url="http://127.0.0.1:9/v1", root="root", settings=Settings(cache_salt=""))
