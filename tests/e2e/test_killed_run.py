"""`kill -9` of `rlm-local ask` in the middle of a run: nothing may be left (issue 2, row j)."""

import asyncio
from pathlib import Path

import pytest

from rlm_local.events import CellStarted, SubcallsStarted
from tests.e2e.commands import PrivateHome, events_of, eventually
from tests.e2e.leftovers import Leftovers
from tests.fakes.openai_process import cell
from tests.fakes.openai_server import Body, OpenAIServer, ServerOptions

STARTED_WITHIN_S = 60.0
N_PROMPTS = 300
SOME_PROMPTS = 10
"""Fewer than the engine begins with at a server whose size it does not know."""
ENDLESS = "peek()\nwhile True:\n    pass\n"
STUBBORN = (
    "while True:\n    try:\n        while True: len(context)\n    except BaseException: pass\n"
)
BATCH = f"llm_query_batched([f'{{n}}: {{context[:50]}}' for n in range({N_PROMPTS})])\n"


def ask(home: PrivateHome, server: OpenAIServer, text: Path, trace: Path) -> tuple[str, ...]:
    """A question for which the REPL is needed, with as much time as it wants."""
    endpoint = ("--base-url", server.base_url, "--root", "root", "--worker", "worker")
    options = ("--mode", "rlm", "--cell-timeout-s", "3600", "--trace", str(trace))
    return ("ask", "How many lines are there?", "--context", str(text), *endpoint, *options)


@pytest.mark.parametrize("code", [ENDLESS, STUBBORN], ids=["endless", "stubborn"])
async def test_nothing_is_left_of_an_ask_killed_while_a_cell_runs(
    bare_home: PrivateHome, hay: Path, code: str
) -> None:
    trace = bare_home.folder / "trace.jsonl"
    left = Leftovers(bare_home)
    async with OpenAIServer(ServerOptions(replies=[cell(code)])) as server:
        process = bare_home.start(*ask(bare_home, server, hay, trace))
        is_running = await asyncio.to_thread(
            eventually,
            lambda: any(isinstance(event, CellStarted) for event in events_of(trace)),
            within_s=STARTED_WITHIN_S,
        )
        below = left.kill(process.pid)
        _, stderr = process.communicate()
        assert is_running, stderr
        assert len(below) >= 2  # zygote and REPL
        assert await asyncio.to_thread(left.wait) == []


async def test_nothing_is_left_of_an_ask_killed_while_a_batch_runs(
    bare_home: PrivateHome, hay: Path
) -> None:
    trace = bare_home.folder / "trace.jsonl"
    left = Leftovers(bare_home)

    def then_hang(body: Body) -> str:
        server.options.fault = "hang"
        return cell(BATCH)

    async with OpenAIServer(ServerOptions(replies=[then_hang])) as server:
        process = bare_home.start(*ask(bare_home, server, hay, trace))
        is_running = await asyncio.to_thread(
            eventually, lambda: server.in_flight >= SOME_PROMPTS, within_s=STARTED_WITHIN_S
        )
        below = left.kill(process.pid)
        _, stderr = process.communicate()
        assert is_running, stderr
        assert len(below) >= 2
        assert any(isinstance(event, SubcallsStarted) for event in events_of(trace))
        assert await asyncio.to_thread(left.wait) == []
        assert await asyncio.to_thread(
            eventually, lambda: server.in_flight == 0, within_s=STARTED_WITHIN_S
        )
