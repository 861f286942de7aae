"""What this machine's kernel does with each call under the real filter, in processes of their own.

A call that is let pass is not made blindly; one that is not, is made with zeros.
"""

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_local.sandbox.child import seccomp
from rlm_local.sandbox.child.syscalls import MACHINE
from tests.sandbox.bpf import ALLOW, Program
from tests.sandbox.test_seccomp import NUMBERS, number_of

# x86-64 kernels from 6.14 on run these two past every filter. They are for code that the kernel
# itself placed (uretprobes, uprobes), and good for nothing elsewhere: see the test below.
_UNFILTERED = (335, 336) if MACHINE == "x86_64" else ()
_ROOT = Path(__file__).resolve().parents[2]
_PRELUDE = """
import ctypes, errno, json, os, sys
from rlm_local.sandbox.child import seccomp
from rlm_local.sandbox.child.syscalls import prctl
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *arguments):
    ctypes.set_errno(0)
    six = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    given = [a if isinstance(a, bytes) else ctypes.c_ulong(a) for a in six]
    result = libc.syscall(ctypes.c_long(number), *given)
    return ctypes.get_errno() if result == -1 else 0
def confine(**options):
    prctl("no_new_privs", 38, 1)
    seccomp.install(seccomp.allow_list(os.getpid(), **options))
"""


def _run(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", _PRELUDE + code, *arguments],
        cwd=_ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def _told(code: str, *arguments: str) -> dict[str, object]:
    done = _run(code, *arguments)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("sealed", [False, True])
def test_every_call_that_is_not_listed_is_refused(sealed: bool) -> None:
    program = Program(seccomp.allow_list(1, sealed=sealed))
    numbers = set(NUMBERS) - set(_UNFILTERED)
    denied = [n for n in sorted(numbers) if ALLOW not in program.possible_verdicts(MACHINE, n)]
    assert len(denied) > 480
    code = """
sealed, *denied = json.loads(sys.argv[1])
confine(sealed=bool(sealed))
pid = os.getpid()
found = {}
for number in denied:
    found[number] = call(number)
    if os.getpid() != pid:
        os._exit(9)
print(json.dumps(found))
"""
    found = _told(code, json.dumps([int(sealed), *denied]))
    clone3 = number_of("clone3", MACHINE)
    expected = {str(n): errno.ENOSYS if n == clone3 else errno.EPERM for n in denied}
    assert found == expected


@pytest.mark.parametrize("number", _UNFILTERED)
def test_what_the_kernel_does_not_filter_is_refused_or_kills(number: int) -> None:
    done = _run("confine(sealed=False)\nprint(json.dumps(call(int(sys.argv[1]))))", str(number))
    if done.returncode == 0:
        assert json.loads(done.stdout) in (errno.EPERM, errno.ENXIO)
    else:
        assert done.returncode == -signal.SIGILL


def test_the_kernel_reads_arguments_as_the_program_does() -> None:
    """One call for each rule of arguments that would do something here without the filter."""
    cases: dict[str, tuple[str, list[int]]] = {
        "fork": ("clone", [17, 0, 0, 0, 0]),
        "signal of the process group": ("kill", [0, 0]),
        "signal of init": ("kill", [1, 0]),
        "limit set": ("prlimit64", [0, 7, 1, 0]),
        "dumpable regained": ("prctl", [4, 1]),
        "parent-death signal unset": ("prctl", [1, 0]),
        "owner of a descriptor": ("fcntl", [0, 8, 1]),
        "asynchronous descriptor": ("fcntl", [0, 4, 0x2000]),
        "terminal input": ("ioctl", [0, 0x5412, 0]),
        "datagram pair": ("socketpair", [1, 2, 0, 0]),
        "internet pair": ("socketpair", [2, 1, 0, 0]),
        "sending to an address": ("sendto", [0, 0, 0, 0, 1, 16]),
        "sending out of band": ("sendto", [0, 0, 0, 1, 0, 0]),
        "receiving out of band": ("recvfrom", [0, 0, 0, 1, 0, 0]),
        "credentials of the peer": ("getsockopt", [0, 1, 17, 0, 0]),
        "pidfd of the peer": ("getsockopt", [0, 1, 77, 0, 0]),
        "priority inheritance": ("futex", [0, 6, 0, 0, 0, 0]),
        "shared pages": ("madvise", [0, 0, 12]),
        "barrier on every core": ("membarrier", [1, 0, 0]),
        "session of init": ("getsid", [1]),
    }
    code = """
confine(sealed=False)
print(json.dumps({name: call(*numbers) for name, numbers in json.loads(sys.argv[1]).items()}))
"""
    given = {name: [number_of(call, MACHINE), *args] for name, (call, args) in cases.items()}
    assert _told(code, json.dumps(given)) == dict.fromkeys(cases, errno.EPERM)


def test_without_landlock_files_can_still_not_be_changed(tmp_path: Path) -> None:
    """A second layer under Landlock: nothing is opened for writing."""
    (tmp_path / "kept").write_text("kept")
    code = """
confine(sealed=False)
kept, made = sys.argv[1] + "/kept", sys.argv[1] + "/made"
tries = {"read": (kept, os.O_RDONLY), "write": (kept, os.O_WRONLY), "both": (kept, os.O_RDWR),
    "append": (kept, os.O_WRONLY | os.O_APPEND), "truncate": (kept, os.O_RDONLY | os.O_TRUNC),
    "create": (made, os.O_RDONLY | os.O_CREAT), "temporary": (sys.argv[1], os.O_TMPFILE | 2)}
found = {}
for name, (path, flags) in tries.items():
    try:
        os.close(os.open(path, flags))
        found[name] = 0
    except OSError as error:
        found[name] = error.errno
print(json.dumps(found))
"""
    found = _told(code, str(tmp_path))
    assert found.pop("read") == 0
    assert set(found.values()) == {errno.EPERM}
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_text() == "kept"


def test_scratch_is_enough_for_sqlite_and_temporary_files(tmp_path: Path) -> None:
    code = """
import sqlite3, tempfile, pathlib, shutil
confine(sealed=False, scratch=True)
folder = pathlib.Path(sys.argv[1])
for journal in ("delete", "wal", "truncate"):
    base = sqlite3.connect(folder / f"{journal}.db")
    base.execute(f"pragma journal_mode={journal}")
    base.execute("create table t(x)")
    base.executemany("insert into t values(?)", [(i,) for i in range(1000)])
    base.commit()
    base.execute("vacuum")
    assert base.execute("select count(*) from t").fetchone() == (1000,)
    base.close()
with tempfile.NamedTemporaryFile(dir=folder) as file:
    file.write(b"x")
    file.flush()
    os.fsync(file.fileno())
    file.truncate(0)
(folder / "a/b").mkdir(parents=True)
(folder / "a/b/c.txt").write_text("c")
(folder / "a/b/c.txt").rename(folder / "a/d.txt")
shutil.copyfile(folder / "a/d.txt", folder / "a/e.txt")
shutil.rmtree(folder / "a")
print(json.dumps({"left": sorted(p.name for p in folder.iterdir())}))
"""
    assert _told(code, str(tmp_path)) == {
        "left": ["delete.db", "truncate.db", "truncate.db-journal", "wal.db"]
    }


def test_what_analysis_needs_is_allowed() -> None:
    """Threads, timers, event loops, databases in memory, time zones, in one process."""
    code = """
pages = os.sysconf("SC_PHYS_PAGES")
confine(sealed=False)
assert os.sysconf("SC_PHYS_PAGES") == pages
import asyncio, concurrent.futures, datetime, mmap, select, signal, sqlite3, threading, time
import hashlib, importlib, inspect, platform, random, uuid, zoneinfo
import numpy
async def main():
    await asyncio.sleep(0)
    return await asyncio.gather(*(asyncio.to_thread(abs, n) for n in range(9)))
assert asyncio.run(main()) == list(range(9))
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    assert list(pool.map(abs, range(50))) == list(range(50))
with concurrent.futures.ThreadPoolExecutor() as p:
    assert p.submit(time.sleep, 0.001).result() is None
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
assert datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Berlin"))
assert numpy.linalg.svd(numpy.random.default_rng(1).normal(size=(200, 200)))[1].size == 200
with mmap.mmap(-1, 1 << 24) as pages:
    pages.madvise(mmap.MADV_HUGEPAGE)
    pages[5] = 1
rung = []
signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.001)
while not rung:
    time.sleep(0.001)
done = threading.Event()
threading.Thread(target=done.set, name="named").start()
assert done.wait(20)
assert not done.clear() and not done.wait(0.001)
assert platform.machine() and uuid.uuid4() and hashlib.sha256(b"").digest() and os.cpu_count()
assert inspect.getmodule(main) is not None and os.getcwd() and os.urandom(3)
print("{}")
"""
    assert _told(code) == {}


def test_a_thread_can_ask_for_its_own_attributes() -> None:
    """glibc does by thread id: libraries in Rust and CPython from 3.14 on call this."""
    code = """
confine(sealed=False)
import threading
attributes = ctypes.create_string_buffer(256)
found = []
def ask():
    libc.pthread_self.restype = ctypes.c_ulong
    found.append(libc.pthread_getattr_np(ctypes.c_ulong(libc.pthread_self()), attributes))
thread = threading.Thread(target=ask)
thread.start()
thread.join()
print(json.dumps({"result": found}))
"""
    assert _told(code) == {"result": [0]}


def test_the_filter_covers_threads_that_were_there_before() -> None:
    code = """
import threading
go, found = threading.Event(), []
def late():
    go.wait()
    found.append(call(int(sys.argv[1]), b"/nonexistent", 0o600))
thread = threading.Thread(target=late)
thread.start()
confine(sealed=False)
go.set()
thread.join()
print(json.dumps({"late": found}))
"""
    mkdirat = str(number_of("mkdirat", MACHINE))
    assert _told(code, mkdirat) == {"late": [errno.EPERM]}


def test_the_filter_can_be_neither_relaxed_nor_replaced() -> None:
    code = """
confine(sealed=False)
allow_all = seccomp.refuse_list({})
try:
    seccomp.install(allow_all)
    found = 0
except OSError as error:
    found = error.errno
print(json.dumps({"again": found, "prctl": call(int(sys.argv[1]), 22, 0)}))
"""
    prctl = str(number_of("prctl", MACHINE))
    assert _told(code, prctl) == {"again": errno.EPERM, "prctl": errno.EPERM}


if MACHINE == "x86_64":

    def test_an_x32_call_kills() -> None:
        done = _run("confine(sealed=False)\ncall(0x40000000 | 39)\nprint('alive')")
        assert (done.returncode, done.stdout) == (-signal.SIGSYS, "")

    def test_a_32_bit_entry_kills() -> None:
        """getpid by `int 0x80`, whose number is that of writev in 64 bits."""
        code = """
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000 cd80 c3"))
entry = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
confine(sealed=False)
entry()
print("alive")
"""
        done = _run(code)
        assert (done.returncode, done.stdout) == (-signal.SIGSYS, "")
