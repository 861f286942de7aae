"""`up`, then everything that one kept-up server can show, then `down`: real vLLM, real weights.

The tests share one server, because a start takes a minute; the last one stops it.
"""

import asyncio
import itertools
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_local.config import Home
from rlm_local.events import RootReplied, SubcallDone
from rlm_local.planner.hardware import probe
from rlm_local.planner.hardware_file import with_memory
from rlm_local.planner.knowledge import Knowledge, installed_vllm
from rlm_local.planner.model_files import read_facts
from rlm_local.planner.placement import plan
from rlm_local.planner.reconcile import Reported, reconcile
from rlm_local.registry import load_registry
from rlm_local.serving.process_tree import named_descendants
from rlm_local.serving.server_records import ServerRecords, StackRecord
from tests.e2e.commands import PrivateHome, events_of, eventually, own_home
from tests.e2e.leftovers import Leftovers, descendant_names
from tests.e2e.offline import cut_off
from tests.e2e.served import STACK, ask_served, steered_root
from tests.e2e.texts import NEEDLE_ANSWER, NEEDLE_QUESTION

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

STARTED_WITHIN_S = 300.0


@pytest.fixture(scope="module")
def kept_up(tiny_weights: Path) -> Iterator[PrivateHome]:
    """A home folder where `up` has been called."""
    del tiny_weights
    with own_home(Home.from_environment().folder("weights")) as home:
        left = Leftovers(home)
        try:
            started = home.run("up", "--stack", STACK)
            assert started.code == 0, started.stderr
            assert "ready" in started.stderr
            yield home
        finally:
            home.run("down")
        assert left.wait() == []


def record_of(home: PrivateHome) -> StackRecord:
    record = ServerRecords(home.folder / "servers").read(STACK)
    assert record is not None
    return record


def test_status_says_what_is_up_and_that_it_answers(kept_up: PrivateHome) -> None:
    shown = kept_up.run("status", "--json")
    (stack,) = shown.json["stacks"]
    (server,) = stack["servers"]
    assert (stack["stack"], server["state"]) == (STACK, "answers")
    assert server["roles"] == ["root", "worker"]
    assert "answers" in kept_up.run("status").stdout


def test_the_pool_is_as_large_as_planned(kept_up: PrivateHome, tiny_weights: Path) -> None:
    server = record_of(kept_up).server("root")
    known = Knowledge(files={server.model: read_facts(tiny_weights)})
    # memory is imagined, as the server now has its share of the real
    (placed,) = plan(load_registry(), STACK, with_memory(probe(), 64 << 30), known).servers
    said = re.search(r"KV cache size: ([\d,]+) tokens", server.log_path.read_text())
    assert said is not None
    n_tokens = int(said[1].replace(",", ""))

    found = reconcile(placed, Reported(vllm_version=installed_vllm(), kv_cache_tokens=n_tokens))

    assert [difference.what for difference in found.differences] == ["KV cache tokens"]
    assert found.is_close, list(map(str, found.differences))


def test_up_again_keeps_the_server_that_is_there(kept_up: PrivateHome) -> None:
    before = record_of(kept_up)
    assert kept_up.run("up", "--stack", STACK).code == 0
    assert record_of(kept_up) == before


def test_a_needle_in_megabytes_is_found_and_the_run_is_on_record(
    kept_up: PrivateHome, hay: Path
) -> None:
    asked = kept_up.run("ask", NEEDLE_QUESTION, "--context", hay, "--stack", STACK, "--json")
    assert asked.code == 0, asked.stderr
    told = asked.json
    assert NEEDLE_ANSWER in told["answer"]
    assert (told["stop_reason"], told["mode"], told["stack"]) == ("answered", "rlm", STACK)
    assert told["context"]["chars"] == hay.stat().st_size
    assert told["turns"] >= 1
    trace = Path(told["trace"])
    assert kept_up.folder in trace.parents
    replies = [event.usage for event in events_of(trace) if isinstance(event, RootReplied)]
    spent = told["usage"]["root"]
    assert spent["prompt_tokens"] == sum(usage.prompt_tokens for usage in replies) > 0
    assert spent["cached_tokens"] == sum(usage.cached_tokens for usage in replies)
    assert spent["completion_tokens"] == sum(usage.completion_tokens for usage in replies) > 0
    shown = kept_up.run("trace", "show", trace)
    assert shown.code == 0
    assert NEEDLE_QUESTION in shown.stdout
    assert NEEDLE_ANSWER in shown.stdout


def test_the_stack_that_is_up_is_the_one_taken(kept_up: PrivateHome, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("The gate of the harbour opens at seven.\n")
    told = kept_up.run("ask", "When does the gate open?", "--context", note, "--json").json
    assert (told["stack"], told["mode"]) == (STACK, "direct")
    assert told["answer"]  # of one short line the small model makes what it likes


def test_without_any_network_not_even_loopback_a_kept_up_server_answers(
    kept_up: PrivateHome, hay: Path
) -> None:
    cut = cut_off(loopback=False)
    asked = kept_up.run("ask", NEEDLE_QUESTION, "--context", hay, "--stack", STACK, prefix=cut)
    assert asked.code == 0, asked.stderr
    assert NEEDLE_ANSWER in asked.stdout


TYPED_CELL = """
rows = [line for line in context.splitlines() if line]
colours = classify(rows, ["warm", "cold"])
print(colours)
numbers = llm_query_batched(
    [f"Pick a number for this. Reply with digits only. {row}" for row in rows], regex="[0-9]{2}"
)
print(numbers)
schema = {
    "type": "object", "additionalProperties": False, "required": ["season"],
    "properties": {"season": {"enum": ["summer", "winter"]}},
}
seasons = llm_query_batched([f"Which season is it? {row}" for row in rows], schema=schema)
print(seasons)
plain = llm_query_batched(["Say hello."] * 3, max_tokens=8)
import json
FINAL(json.dumps([list(colours), numbers, seasons, plain]))
"""
ROWS = ("The sun burns.", "Ice covers the pond.", "Snow fell at night.", "The desert is hot.")


async def test_typed_subcalls_are_of_their_types_and_all_tokens_are_counted(
    kept_up: PrivateHome,
) -> None:
    server = record_of(kept_up).server("worker")
    trace = kept_up.folder / "typed.jsonl"
    answer = await ask_served(server, "\n".join(ROWS) + "\n", trace, cells=[TYPED_CELL])
    assert answer.stop_reason == "answered", answer.error
    colours, numbers, seasons, plain = json.loads(answer.text)
    assert len(colours) == len(numbers) == len(seasons) == len(ROWS)
    assert set(colours) <= {"warm", "cold"}
    assert all(number.isdigit() and len(number) == 2 for number in numbers)
    assert all(season in ({"season": "summer"}, {"season": "winter"}) for season in seasons)
    assert plain[0] == plain[1] == plain[2] != ""
    done = [event for event in events_of(trace) if isinstance(event, SubcallDone)]
    assert [event.error for event in done] == [None] * (3 * len(ROWS) + 3)
    assert (answer.subcalls, answer.cached_subcalls) == (len(done), 2)
    worker = answer.usage.worker
    assert worker.prompt_tokens == sum(event.usage.prompt_tokens for event in done) > 0
    assert worker.cached_tokens == sum(event.usage.cached_tokens for event in done)
    assert worker.completion_tokens == sum(event.usage.completion_tokens for event in done) > 0
    shown = kept_up.run("trace", "show", trace)
    assert (shown.code, "classify(rows" in shown.stdout) == (0, True)


TURNS = (
    'print(grep("pond"))',
    'print(grep("desert")); print(len(context))',
    "print(peek(300))",
    'FINAL("Ice covers it")',
)


async def test_later_root_turns_find_what_was_sent_before_in_the_prefix_cache(
    kept_up: PrivateHome,
) -> None:
    """Issue 2, row i: at least 90 % from the second turn on, with worked examples and prefill."""
    server = record_of(kept_up).server("root")
    trace = kept_up.folder / "turns.jsonl"
    text = "\n".join(ROWS * 40) + "\n"
    answer = await ask_served(server, text, trace, cells=TURNS, root=steered_root)
    assert answer.stop_reason == "answered", answer.error
    usages = [event.usage for event in events_of(trace) if isinstance(event, RootReplied)]
    assert len(usages) == len(TURNS)
    for before, now in itertools.pairwise(usages):
        assert now.prompt_tokens > before.prompt_tokens
        assert now.cached_tokens >= 0.9 * before.prompt_tokens


@pytest.mark.parametrize(("moment", "n_below"), [("serving.guardian", 1), ("VLLM::EngineCore", 3)])
def test_nothing_is_left_of_an_ask_killed_while_its_own_server_starts(
    kept_up: PrivateHome, stocked_home: PrivateHome, hay: Path, moment: str, n_below: int
) -> None:
    """Issue 2, row j; the server that another home keeps up stays as it is."""
    left = Leftovers(stocked_home)
    process = stocked_home.start("ask", NEEDLE_QUESTION, "--context", hay, "--stack", STACK)
    is_starting = eventually(
        lambda: (
            any(moment in name for name in descendant_names(process.pid))
            and bool(stocked_home.scratch_folders())
        ),
        within_s=STARTED_WITHIN_S,
    )
    folders = stocked_home.scratch_folders()
    below = left.kill(process.pid)
    _, stderr = process.communicate()
    assert is_starting, stderr
    assert "ready" not in stderr
    assert len(folders) == 1
    assert len(below) >= n_below
    assert left.wait() == []
    assert stocked_home.scratch_folders() == []
    assert kept_up.run("status", "--json").json["stacks"][0]["servers"][0]["state"] == "answers"


BATCH = """
prompts = [f"Write the number {n} and nothing else." for n in range(200)]
replies = llm_query_batched(prompts, max_tokens=6)
import json
FINAL(json.dumps([reply or None for reply in replies]))
"""
KILLED_AFTER = 40


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("victim", ["api server", "engine"])
async def test_a_batch_completes_although_its_server_is_killed_in_the_middle(
    kept_up: PrivateHome, victim: str
) -> None:
    """Issue 4: 0 items lost or doubled, after a restart at the same socket."""
    server = record_of(kept_up).server("worker")
    before = server.state()
    assert before is not None
    trace = kept_up.folder / f"killed-{victim}.jsonl"
    asking = asyncio.create_task(ask_served(server, "\n".join(ROWS), trace, cells=[BATCH]))
    is_under_way = await asyncio.to_thread(
        eventually, lambda: len(subcalls_of(trace)) >= KILLED_AFTER, within_s=STARTED_WITHIN_S
    )
    n_done = len(subcalls_of(trace))
    (engine,) = named_descendants(server.guardian_pid, "VLLM::EngineCore")
    os.kill(before.server_pid if victim == "api server" else engine, signal.SIGKILL)
    answer = await asking
    assert is_under_way
    assert n_done < 200
    assert answer.stop_reason == "answered", answer.error
    done = subcalls_of(trace)
    assert sorted(event.item for event in done) == list(range(200))
    assert [event.error for event in done if event.error] == []
    assert None not in json.loads(answer.text)
    after = server.state()
    assert after is not None
    assert (after.phase, after.restarts) == ("ready", before.restarts + 1)
    assert "killed" in after.cause


def test_status_tells_of_restarts_memory_and_caches(kept_up: PrivateHome) -> None:
    (stack,) = kept_up.run("status", "--json").json["stacks"]
    (server,) = stack["servers"]
    assert server["restarts"] == 2
    assert server["ram_bytes"] > 1 << 30
    assert (server["requests_running"], server["requests_waiting"]) == (0, 0)
    assert 0 <= server["prefix_hit_rate"] < 1
    assert "restarts 2 (" in kept_up.run("status").stdout
    shown = kept_up.run("logs", "-n", "5000").stdout
    assert shown.count("[rlm-local] starting the server") == 3


def subcalls_of(trace: Path) -> list[SubcallDone]:
    return [event for event in events_of(trace) if isinstance(event, SubcallDone)]


def test_logs_shows_the_end_of_the_log_and_no_key(kept_up: PrivateHome) -> None:
    shown = kept_up.run("logs", "--stack", STACK, "--lines", "400")
    assert shown.code == 0
    assert "Application startup complete" in shown.stdout
    assert record_of(kept_up).server("root").api_key not in shown.stdout
    assert len(kept_up.run("logs", "-n", "2").stdout.splitlines()) == 2


def test_down_leaves_no_process_no_socket_and_no_record(kept_up: PrivateHome) -> None:
    server = record_of(kept_up).server("root")
    assert server.uds is not None
    assert server.uds.is_socket()
    left = Leftovers(kept_up)
    family = left.note(server.guardian_pid)
    assert len(family) >= 4  # guardian, API server, engine, worker
    stopped = kept_up.run("down", "--json")
    assert (stopped.code, stopped.json) == (0, {"stopped": [STACK], "in_use": []})
    assert left.running() == []
    assert not server.uds.parent.exists()
    assert kept_up.run("status", "--json").json == {"stacks": [], "ended": []}
    assert kept_up.run("logs").code == 2
