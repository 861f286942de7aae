"""Runaways, crashes, broken protocol, failing hosts: what becomes of the REPL."""

import asyncio
import contextlib

import pytest

from rlm_local.cell_limits import CellLimits
from rlm_local.errors import LimitExceeded, SandboxError
from rlm_local.sandbox.worker_process import WorkerProcess
from rlm_local.types import CellCall, CellReply, Passage, SubcallOutcome
from tests.fakes.memory_context import EchoHost
from tests.sandbox.conftest import OpenPool, OpenRepl, Repl

VIOLATIONS = {
    "a length of 4 GiB": "b'\\xff' * 12",
    "garbage": "b'garbage ' * 100",
    "no JSON": "struct.pack('>III', 11, 3, 0) + b'abc'",
    "deep JSON": "struct.pack('>III', 100008, 100000, 0) + b'[' * 100000",
    "no object": "struct.pack('>III', 10, 2, 0) + b'[]'",
    "no operation": "struct.pack('>III', 10, 2, 0) + b'{}'",
    "a forged ready": "frame({'op': 'ready', 'report': {'seccomp': 'active'}})",
    "a call without id": "frame({'op': 'call', 'cell': 2, 'fn': 'llm_query', 'args': {}})",
    "an unknown function": "frame({'op': 'call', 'cell': 2, 'id': 1, 'fn': 'eval', 'args': {}})",
    "a cell that is no number": "frame({'op': 'done', 'cell': True, 'texts': [], 'vars': []})",
    "texts without names": "frame({'op': 'done', 'cell': 2, 'texts': ['stdout'], 'vars': []})",
}
FORGE = (
    "import os, json, struct\n"
    "def frame(h):\n"
    "    h = json.dumps(h).encode()\n"
    "    return struct.pack('>III', 8 + len(h), len(h), 0) + h\n"
)


async def test_a_stopped_cell_is_told_where_it_was(open_repl: OpenRepl) -> None:
    result = await (await open_repl())("x = 1\nwhile True: x += 1", timeout_s=0.3)
    assert result.error is not None
    assert result.error.startswith("Stopped after 0.3 s. Variables are kept.")
    assert "line 2" in result.error
    assert result.error_type == "KeyboardInterrupt"


async def test_the_names_that_went_with_a_process_are_told(open_repl: OpenRepl) -> None:
    repl = await open_repl("the text")
    await repl("hits = [1]\ndef helper(): pass")
    result = await repl("import os; os._exit(3)")
    assert result.restarted
    assert result.lost_names == ("hits", "helper")
    assert "Lost: hits, helper." in (result.error or "")
    assert not (await repl("1")).restarted


@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS)
async def test_a_broken_protocol_ends_the_process_not_the_host(
    open_repl: OpenRepl, data: str
) -> None:
    repl = await open_repl()
    await repl(FORGE)
    result = await repl(f"import time\nos.write(3, {data})\ntime.sleep(60)")
    assert result.restarted
    assert "broke the protocol" in (result.error or "")
    assert (await repl("1 + 1")).result == "2"


class _LongAnswers:
    """A host that finds a long passage for every search."""

    def __init__(self) -> None:
        self.found = (Passage("doc", 0, 8 << 20, "x" * (8 << 20), 1.0),)
        self.answers = 0

    async def call(self, call: CellCall) -> CellReply:
        self.answers += 1
        return CellReply(passages=self.found)


async def test_a_cell_that_calls_and_never_reads_does_not_fill_the_hosts_memory(
    open_repl: OpenRepl,
) -> None:
    host = _LongAnswers()
    repl = await open_repl(host=host)
    await repl(FORGE)
    call = (
        "def ask(n):\n"
        "    h = {'op': 'call', 'cell': 2, 'id': n, 'fn': 'search', 'args': {'k': 1}}\n"
        "    h = json.dumps(h).encode()\n"
        "    os.write(3, struct.pack('>IIII', 13 + len(h), len(h), 1, 1) + h + b'q')\n"
        "import time\n"
        "for n in range(10_000, 10_060): ask(n)\n"
        "time.sleep(60)"
    )
    result = await repl(call, timeout_s=30)
    assert result.restarted
    assert "replies that it did not read" in (result.error or "")
    assert not result.interrupted
    assert host.answers == 60
    assert (await repl("1 + 1")).result == "2"


async def test_a_forged_result_of_another_cell_is_dropped(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    await repl(FORGE)
    header = "{'op': 'done', 'cell': 99, 'texts': [], 'vars': [], 'stdout_chars': 0}"
    result = await repl(f"os.write(3, frame({header}))\n'real'")
    assert result.result == "'real'"
    assert not result.restarted


async def test_the_restarts_in_a_row_are_limited(open_repl: OpenRepl) -> None:
    repl = await open_repl(cells=CellLimits(restarts=1))
    assert (await repl("import os; os._exit(1)")).restarted
    with pytest.raises(SandboxError, match="2 times in a row"):
        await repl("import os; os._exit(1)")


async def test_four_restarts_in_a_row_end_the_session(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    for _ in range(3):
        assert (await repl("import os; os._exit(1)")).restarted
    with pytest.raises(SandboxError, match="4 times in a row"):
        await repl("import os; os._exit(1)")


async def test_a_good_cell_forgives_earlier_restarts(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    for _ in range(5):
        assert (await repl("import os; os._exit(1)")).restarted
        assert (await repl("1")).result == "1"


async def test_what_is_written_past_python_is_shown_and_capped(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("import os\nos.write(1, b'low level\\n')\nprint('high level')")
    assert result.stdout == "high level\nlow level\n"
    flood = await repl("for i in range(2000): os.write(2, b'x' * 65536)\n'alive'")
    assert flood.result == "'alive'"
    assert len(flood.stdout) < 70_000
    assert "bytes left out]" in flood.stdout


async def test_the_cap_of_the_output_can_be_set(open_repl: OpenRepl) -> None:
    repl = await open_repl(cells=CellLimits(output_chars=1000))
    result = await repl("import os\nos.write(1, b'x' * 5000)\nprint('y' * 5000)\n'z' * 5000")
    assert result.stdout_chars > 5000
    assert len(result.stdout) < 2500
    assert "of 5,001 characters left out" in result.stdout
    assert "[4,000 bytes left out]" in result.stdout
    assert result.result is not None
    assert len(result.result) < 1300


async def test_the_time_limit_does_not_run_while_the_host_works(open_repl: OpenRepl) -> None:
    class SlowHost(EchoHost):
        async def call(self, call: CellCall) -> CellReply:
            await asyncio.sleep(1.0)
            return await super().call(call)

    repl = await open_repl(host=SlowHost())
    result = await repl("llm_query('x')", timeout_s=0.5)
    assert result.error is None
    assert result.host_wait_s >= 1.0


async def test_a_cell_that_computes_while_it_waits_is_charged(open_repl: OpenRepl) -> None:
    class NeverHost(EchoHost):
        async def call(self, call: CellCall) -> CellReply:
            await asyncio.Event().wait()
            return await super().call(call)

    repl = await open_repl(host=NeverHost())
    code = (
        "import threading\nthreading.Thread(target=llm_query, args=('x',), daemon=True).start()\n"
        "while True: pass"
    )
    assert (await repl(code, timeout_s=0.5)).interrupted


async def test_an_interrupted_pool_of_threads_is_let_go(open_repl: OpenRepl) -> None:
    cancelled, all_under_way = asyncio.Event(), asyncio.Barrier(5)

    class StuckHost(EchoHost):
        async def call(self, call: CellCall) -> CellReply:
            try:
                await all_under_way.wait()
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return await super().call(call)

    repl = await open_repl(host=StuckHost())
    code = (
        "from concurrent.futures import ThreadPoolExecutor\nkept = 1\n"
        "with ThreadPoolExecutor(4) as pool:\n    list(pool.map(llm_query, 'abcd'))"
    )
    running = asyncio.create_task(repl(code))
    await all_under_way.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await cancelled.wait()
    assert (await repl("kept")).result == "1"


async def test_a_call_of_a_cancelled_cell_may_end_what_it_began(open_repl: OpenRepl) -> None:
    reached, tidied = asyncio.Event(), asyncio.Event()

    class TidyHost(EchoHost):
        async def call(self, call: CellCall) -> CellReply:
            try:
                reached.set()
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.3)  # as a child run takes that ends its own cell
                tidied.set()
            return await super().call(call)

    repl = await open_repl(host=TidyHost())
    running = asyncio.create_task(repl("llm_query('x')"))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert tidied.is_set()


async def test_cancelling_stops_the_cell_and_keeps_the_variables(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    await repl("kept = 1")
    running = asyncio.create_task(repl("while True: pass"))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await repl("kept")).result == "1"


async def test_after_cancelling_what_cannot_be_stopped_the_next_cell_is_told(
    open_repl: OpenRepl,
) -> None:
    repl = await open_repl("the text")
    await repl("gone = 1")
    running = asyncio.create_task(repl("sum(range(10**12))"))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    result = await repl("context")
    assert result.result == "'the text'"
    assert result.restarted
    assert result.lost_names == ("gone",)
    assert result.stdout.startswith("[note] the REPL was restarted before this cell.")


async def test_what_the_host_raises_ends_the_cell_and_comes_out(open_repl: OpenRepl) -> None:
    class SpentHost(EchoHost):
        async def call(self, call: CellCall) -> CellReply:
            raise LimitExceeded("max_tokens", "run-1", "the budget is spent")

    repl = await open_repl(host=SpentHost())
    with pytest.raises(LimitExceeded, match="the budget is spent"):
        await repl("kept = 1\nwhile True:\n    try: llm_query('x')\n    except Exception: pass")
    good = Repl(repl.worker, EchoHost())
    assert (await good("kept")).result == "1"


async def test_a_thread_left_behind_does_not_run_between_cells(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    code = (
        "import threading\nn = 0\n"
        "def spin():\n    global n\n    while True: n += 1\n"
        "threading.Thread(target=spin, daemon=True).start()\nimport time\nn"
    )
    await repl(code)
    first = await repl("c = time.process_time(); c")
    await asyncio.sleep(0.5)
    second = await repl("time.process_time() - c < 0.4")
    assert first.error is None
    assert second.result == "True"


async def test_a_wait_for_a_slow_answer_computes_nothing_even_after_quick_ones(
    open_repl: OpenRepl,
) -> None:
    class Host:
        async def call(self, call: CellCall) -> CellReply:
            if call.texts == ("slow",):
                await asyncio.sleep(0.5)
            return CellReply((SubcallOutcome("answer"),))

    repl = await open_repl(host=Host())
    code = (
        "import time\nfor _ in range(100): llm_query('quick')\n"
        "before = time.process_time(); llm_query('slow'); time.process_time() - before < 0.1"
    )
    assert (await repl(code)).result == "True"


async def test_brief_cells_one_after_the_other_leave_others_their_turns(
    open_repl: OpenRepl,
) -> None:
    repl = await open_repl()
    n_turns = 0

    async def take_turns() -> None:
        nonlocal n_turns
        while True:
            n_turns += 1
            await asyncio.sleep(0)

    others = asyncio.ensure_future(take_turns())
    for _ in range(1000):
        assert (await repl("1")).result == "1"
    others.cancel()
    assert n_turns > 5


async def test_cells_of_many_repls_at_once_all_come_back(open_pool: OpenPool) -> None:
    pool = await open_pool()
    repls = [await pool.start() for _ in range(8)]

    async def run_all(repl: WorkerProcess) -> list[str | None]:
        code = "llm_query('q')"
        return [
            (await repl.run(code if n % 10 == 0 else str(n), EchoHost(), timeout_s=30)).result
            for n in range(1, 60)
        ]

    for results in await asyncio.gather(*map(run_all, repls)):
        assert [r for r in results if r and r.isdigit()] == [str(n) for n in range(60) if n % 10]


async def test_one_cell_at_a_time_and_none_when_closed(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    running = asyncio.create_task(repl("import time; time.sleep(0.3)"))
    await asyncio.sleep(0.05)
    with pytest.raises(SandboxError, match="runs a cell already"):
        await repl("1")
    await running
    await repl.worker.aclose()
    await repl.worker.aclose()
    with pytest.raises(SandboxError, match="is closed"):
        await repl("1")


async def test_repls_of_one_pool_share_nothing_but_the_text(open_pool: OpenPool) -> None:
    pool = await open_pool("shared text " * 1000)
    one = Repl(await pool.start(), EchoHost())
    two = Repl(await pool.start(), EchoHost())
    await one("mine = 1")
    memset = (
        "import ctypes, hashlib\n"
        "ctypes.memset(id(context) + 64, 65, 100)\nhashlib.md5(context.encode()).hexdigest()"
    )
    changed = (await one(memset)).result
    fresh = (await two("import hashlib; hashlib.md5(context.encode()).hexdigest()")).result
    assert changed != fresh
    assert (
        await two("'mine' in globals(), context.startswith('shared')")
    ).result == "(False, True)"
