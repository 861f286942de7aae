"""What a confined process is like, and what keeps one from starting that is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_local.errors import SandboxUnavailable
from tests.sandbox.conftest import OpenPool, OpenRepl

LAYERS = {
    "namespaces", "private_root", "uid", "no_new_privs", "landlock", "capabilities", "rlimits",
    "threads", "seccomp", "sealed", "scratch",
}  # fmt: skip
ENVIRONMENT = {
    "HOME", "LANG", "MALLOC_ARENA_MAX", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH",
    "PYTHONHASHSEED",
}  # fmt: skip


async def test_the_report_names_every_layer(open_pool: OpenPool) -> None:
    pool = await open_pool()
    assert set(pool.report) == LAYERS
    assert pool.report["seccomp"] == "active"
    assert pool.report["no_new_privs"] == "active"
    off = await open_pool(policy="off")
    assert set(off.report.values()) == {"off"}


async def test_the_environment_has_nothing_of_the_hosts(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    told = (await repl("import os; ' '.join(sorted(os.environ))")).result or ""
    assert set(told.strip("'").split()) - {"LD_LIBRARY_PATH"} == ENVIRONMENT


async def test_the_kernel_shows_four_descriptors_and_nothing_that_was_inheritable(
    open_repl: OpenRepl,
) -> None:
    inheritable = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    event = os.eventfd(0, 0)  # as a C library opens one: without CLOEXEC
    try:
        repl = await open_repl()
        await repl("1")
        pid = repl.worker.pid
        assert pid is not None
        assert _descriptors(pid) == ["0", "1", "2", "3"]
    finally:
        os.close(inheritable)
        os.close(event)


def _descriptors(pid: int) -> list[str]:
    return sorted(path.name for path in Path(f"/proc/{pid}/fd").iterdir())


async def test_a_32_bit_call_kills_and_is_told(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39)")
    if os.uname().machine == "x86_64":
        assert result.restarted
        assert "SIGSYS" in (result.error or "")
    else:  # no such numbers elsewhere: the call is just not on the list
        assert result.error is None
    assert (await repl("1 + 1")).result == "2"


async def test_a_crash_leaves_no_core_file(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    code = "import resource; resource.getrlimit(resource.RLIMIT_CORE)"
    assert (await repl(code)).result in {"(0, 0)", "(1, 1)"}  # bytes: nothing fits


async def test_too_little_memory_for_the_repl_itself_is_told(open_pool: OpenPool) -> None:
    with pytest.raises(SandboxUnavailable, match="cell_memory_bytes is"):
        await open_pool(memory_bytes=1 << 20)


@pytest.mark.parametrize("checks", [set(), {"self_probe"}, {"outside_check"}])
@pytest.mark.parametrize("layer", ["seccomp", "closed_descriptors"])
async def test_each_of_the_two_checks_is_enough_to_stop_a_half_confined_process(
    open_pool: OpenPool, layer: str, checks: set[str]
) -> None:
    with pytest.raises(SandboxUnavailable):
        await open_pool(without=frozenset({layer, *checks}))


_TWO_THREADS = """
import threading, time
from rlm_local.sandbox.child import lockdown, namespaces
from rlm_local.sandbox.child.confinement import Confinement, NotConfined

threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
around = lockdown.Surroundings(proc_fd=namespaces.open_proc(), readable=())
try:
    lockdown.confine(Confinement("auto", uid=None, without=frozenset()), around)
except NotConfined as error:
    print(error)
"""


def test_a_second_thread_keeps_a_process_from_being_confined() -> None:
    """Landlock and namespaces cover the calling thread only."""
    ran = subprocess.run(
        [sys.executable, "-c", _TWO_THREADS], capture_output=True, text=True, check=False
    )
    assert "thread" in ran.stdout, ran.stderr
