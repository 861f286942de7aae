"""Cells that use up what there is: threads, processes, memory, descriptors (cases 31-33)."""

from pathlib import Path

import pytest

from rlm_local.cell_limits import CellLimits
from rlm_local.config import SandboxPolicy
from tests.fakes.memory_context import EchoHost
from tests.sandbox.conftest import OpenPool, OpenRepl, Repl

MEMORY_BYTES = 500 << 20
POLICIES: list[SandboxPolicy] = ["auto", "sealed"]
both = pytest.mark.parametrize("policy", POLICIES)

BOMBS = {
    "one text": "kept = 'x' * (4 << 30)",
    "a list": "kept = []\nwhile True: kept.append('x' * 1_000_000)",
    "a list that doubles": "kept = [0]\nwhile True: kept += kept",
    "small objects": "kept = []\nwhile True: kept.append([len(kept)])",
    "shared mappings": """
import mmap
kept = []
while True:
    kept.append(mmap.mmap(-1, 16 << 20))
    for at in range(0, 16 << 20, 4096): kept[-1][at] = 1
""",
    "a big number": "kept = 1 << (8 << 32)",
    "an array": "import array\nkept = array.array('Q', bytes(4 << 30))",
    "numpy": "import numpy\nkept = []\nwhile True: kept.append(numpy.ones(4_000_000))",
}


@both
async def test_memory_that_runs_out_is_an_error_and_variables_are_kept(
    open_pool: OpenPool, policy: SandboxPolicy
) -> None:
    pool = await open_pool("text", policy=policy, memory_bytes=MEMORY_BYTES)
    for name, code in BOMBS.items():
        repl = Repl(await pool.start(), EchoHost())
        await repl("before = 1")
        result = await repl(code, timeout_s=60)
        if result.restarted:  # what little is left may not do for telling
            assert "memory" in (result.error or ""), (name, result.error)
            assert (await repl("context")).result == "'text'", name
        else:
            kinds = {"MemoryError", "_ArrayMemoryError", "OSError"}  # the last: of mmap, ENOMEM
            assert result.error_type in kinds, (name, result.error)
            assert "emory" in (result.error or ""), (name, result.error)
            assert (await repl("kept = None; before")).result == "1", name
            assert _peak_bytes(repl) <= MEMORY_BYTES * 1.1, name
        await repl.worker.aclose()


def _peak_bytes(repl: Repl) -> int:
    """The most memory the process ever held, as the kernel tells the host."""
    pid = repl.worker.pid
    assert pid is not None
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


THREADS = """
import threading
stop = threading.Event()
started = []
try:
    while len(started) < 5000:
        thread = threading.Thread(target=stop.wait, daemon=True)
        thread.start()
        started.append(thread)
except RuntimeError as error:
    print(error)
"""


@both
async def test_threads_are_bounded_and_the_next_cell_works(
    open_repl: OpenRepl, policy: SandboxPolicy
) -> None:
    repl = await open_repl(policy=policy, memory_bytes=MEMORY_BYTES, cells=CellLimits(threads=20))
    result = await repl(THREADS)
    assert result.stdout.startswith("can't start new thread")
    assert (await repl("len(started) < 5000")).result == "True"
    assert (await repl("stop.set(); [t.join() for t in started]; 1")).result == "1"
    assert (await repl("threading.active_count()")).result == "1"


async def test_the_count_of_threads_is_the_limit_where_the_kernel_counts_them(
    open_pool: OpenPool,
) -> None:
    pool = await open_pool(cells=CellLimits(threads=20))
    repl = Repl(await pool.start(), EchoHost())
    await repl(THREADS)
    n_started = int((await repl("len(started)")).result or 0)
    if pool.report["threads"].startswith("active"):
        assert n_started == 19
    else:
        assert pool.report["threads"].startswith("degraded: bounded by the address space only")
        assert n_started < 5000
    await repl.worker.aclose()


@both
async def test_a_bomb_of_processes_does_not_start(
    open_repl: OpenRepl, policy: SandboxPolicy
) -> None:
    repl = await open_repl(policy=policy)
    assert (await repl("import os\nwhile True: os.fork()")).error_type == "PermissionError"
    assert (await repl("1 + 1")).result == "2"


@both
@pytest.mark.parametrize(
    "opens",
    ["fds += os.pipe()", "fds.append(os.dup(0))", "fds.append(select.epoll())"],
    ids=["pipes", "copies", "polls"],
)
async def test_descriptors_are_bounded_and_the_next_cell_works(
    open_repl: OpenRepl, policy: SandboxPolicy, opens: str
) -> None:
    repl = await open_repl(policy=policy, cells=CellLimits(descriptors=100))
    result = await repl(f"import os, select\nfds = []\nwhile True: {opens}")
    assert result.error_type == "OSError"
    assert "Too many open files" in (result.error or "")
    assert (await repl("len(fds) < 100")).result == "True"


async def test_what_pipes_hold_is_bounded(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    code = """
import os
held = 0
try:
    while True:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        held += os.write(writer, bytes(1 << 20))
except OSError as error:
    print(error.errno)
held
"""
    result = await repl(code)
    assert result.stdout == "24\n"
    assert int(result.result or 0) <= 128 * 65536
