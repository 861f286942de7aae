"""Attacks from inside a cell, each with a control that shows it works where nothing confines.

The oracle is the host's: was the canary's text seen, did the file change, is the victim alive.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_local.config import SandboxPolicy
from rlm_local.errors import SandboxUnavailable
from tests.sandbox.conftest import OpenPool, OpenRepl

CONFINED: list[SandboxPolicy] = ["auto", "sealed", "require-full"]
SECRET = "the canary sings"

SOCKETS = "import _socket as s\n"
ATTACKS = {
    "read": "x = open(CANARY).read()",
    "read by symlink": "x = open(LINK).read()",
    "read by dots": "x = open('/usr/lib/../..' + CANARY).read()",
    "read by proc": "x = open('/proc/self/root' + CANARY).read()",
    "list": "import os; x = os.listdir(FOLDER)",
    "append": "open(CANARY, 'a').write('changed')",
    "create": "open(FOLDER + '/new', 'w').close()",
    "truncate": "import os; os.truncate(CANARY, 0)",
    "chmod": "import os; os.chmod(CANARY, 0o777)",
    "utime": "import os; os.utime(CANARY, (1, 1))",
    "unlink": "import os; os.unlink(LINK)",
    "rename": "import os; os.rename(LINK, LINK + '2')",
    "mkdir": "import os; os.mkdir(FOLDER + '/made')",
    "mkfifo": "import os; os.mkfifo(FOLDER + '/fifo')",
    "parent environment": "import os; x = open(f'/proc/{HOST}/environ').read()",
    "own memory file": "x = open('/proc/self/mem', 'rb').read(0)",
    "tcp": SOCKETS + "s.socket(s.AF_INET, s.SOCK_STREAM).connect(('127.0.0.1', PORT))",
    "udp": SOCKETS + "s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
    "unix socket": SOCKETS + "s.socket(s.AF_UNIX, s.SOCK_STREAM).connect(UNIX)",
    "datagram pair": SOCKETS
    + "a, b = s.socketpair(s.AF_UNIX, s.SOCK_DGRAM)\na.sendto(b'x', UNIX_DATAGRAM)",
    "netlink": SOCKETS + "s.socket(s.AF_NETLINK, s.SOCK_RAW, 0)",
    "fork": "import os\nif os.fork() == 0: os._exit(0)",
    "spawn": "import subprocess; subprocess.run(['/bin/true'], check=True)",
    "exec": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "signal host": "import os; os.kill(HOST, 0)",
    "kill victim": "import os; os.kill(VICTIM, 9)",
    "signal by fcntl": "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, VICTIM)",
    "memfd": "import os; os.memfd_create('x')",
    "raise limits": "import resource as r; r.prlimit(HOST, r.RLIMIT_NOFILE)",
    "renice": "import os; os.setpriority(os.PRIO_PROCESS, VICTIM, 15)",
    "affinity": "import os; os.sched_setaffinity(VICTIM, {0})",
}
RAW_CALLS = {  # x86-64 and aarch64 numbers; without arguments they fail otherwise than by EPERM
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "seccomp": (317, 277),
    "pidfd_open": (434, 434),
    "shmget": (29, 194),
    "personality": (135, 92),
    "recvmsg": (47, 212),
    "setsockopt": (54, 208),
    "inotify_init1": (294, 26),
    "flock": (73, 32),
}


class Surroundings:
    """A folder with a canary, listeners and a process to attack."""

    def __init__(self, folder: Path) -> None:
        self.canary = folder / "canary"
        self.canary.write_text(SECRET)
        self.canary.chmod(0o600)
        self.link = folder / "link"
        self.link.symlink_to(self.canary)
        self.stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.stream.bind(str(folder / "s"))
        self.datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagram.bind(str(folder / "d"))
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.stream.listen()
        self.victim = subprocess.Popen(["/bin/sleep", "600"])
        self.folder = folder
        self._before = self.canary.stat()

    def names(self) -> str:
        values = {
            "CANARY": str(self.canary),
            "LINK": str(self.link),
            "FOLDER": str(self.folder),
            "UNIX": str(self.folder / "s"),
            "UNIX_DATAGRAM": str(self.folder / "d"),
            "PORT": self.tcp.getsockname()[1],
            "HOST": os.getpid(),
            "VICTIM": self.victim.pid,
        }
        return "\n".join(f"{name} = {value!r}" for name, value in values.items())

    def check_untouched(self) -> None:
        after = self.canary.stat()
        assert self.canary.read_text() == SECRET
        assert (after.st_mode, after.st_mtime) == (self._before.st_mode, self._before.st_mtime)
        assert sorted(path.name for path in self.folder.iterdir()) == ["canary", "d", "link", "s"]
        assert self.victim.poll() is None
        for listener in (self.stream, self.datagram, self.tcp):
            listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.tcp.accept()
        with pytest.raises(BlockingIOError):
            self.stream.accept()
        with pytest.raises(BlockingIOError):
            self.datagram.recv(1)

    def close(self) -> None:
        self.victim.kill()
        self.victim.wait()
        for listener in (self.stream, self.datagram, self.tcp):
            listener.close()


@pytest.mark.parametrize("policy", CONFINED)
async def test_no_attack_succeeds_from_a_confined_cell(
    open_repl: OpenRepl, tmp_path: Path, policy: SandboxPolicy
) -> None:
    around = Surroundings(tmp_path)
    try:
        repl = await open_repl(policy=policy)
        await repl(around.names())
        for name, code in ATTACKS.items():
            result = await repl(f"x = None\n{code}")
            assert result.error_type in {"PermissionError", "OSError"}, (name, result)
            assert not result.restarted, name
            assert SECRET not in str(result), name
        around.check_untouched()
    finally:
        around.close()


@pytest.mark.parametrize("name", ATTACKS)
async def test_every_attack_works_where_nothing_confines(
    open_repl: OpenRepl, tmp_path: Path, name: str
) -> None:
    around = Surroundings(tmp_path)
    try:
        repl = await open_repl(policy="off")
        await repl(around.names())
        result = await repl(f"x = None\n{ATTACKS[name]}")
        assert result.error is None, result.error
    finally:
        around.close()


@pytest.mark.parametrize("policy", CONFINED)
async def test_calls_that_widen_the_kernel_surface_are_denied(
    open_repl: OpenRepl, policy: SandboxPolicy
) -> None:
    repl = await open_repl(policy=policy)
    await repl("import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)")
    column = 0 if os.uname().machine == "x86_64" else 1
    for name, numbers in RAW_CALLS.items():
        code = f"libc.syscall({numbers[column]}, -1, -1, -1, -1), ctypes.get_errno()"
        assert (await repl(code)).result == "(-1, 1)", name


async def test_a_32_bit_call_kills_and_is_told(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39)")
    if os.uname().machine == "x86_64":
        assert result.restarted
        assert "SIGSYS" in (result.error or "")
    else:  # no such numbers elsewhere: the call is just not on the list
        assert result.error is None


async def test_the_environment_of_the_host_is_not_there(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("import os; sorted(os.environ)")
    expected = {
        "HOME", "LANG", "MALLOC_ARENA_MAX", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH",
        "PYTHONHASHSEED",
    }  # fmt: skip
    assert result.result is not None
    assert set(eval(result.result)) - {"LD_LIBRARY_PATH"} == expected


async def test_no_descriptor_of_the_host_is_there(open_repl: OpenRepl) -> None:
    descriptor = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        repl = await open_repl()
        code = (
            "import fcntl\ndef is_open(n):\n    try: fcntl.fcntl(n, 1)\n"
            "    except OSError: return False\n    return True\n"
            "[n for n in range(256) if is_open(n)]"
        )
        assert (await repl(code)).result == "[0, 1, 2, 3]"
    finally:
        os.close(descriptor)


async def test_threads_are_bounded_by_memory_and_the_next_cell_works(open_repl: OpenRepl) -> None:
    repl = await open_repl(memory_bytes=600 << 20)
    code = (
        "import threading\nstop = threading.Event()\n"
        "for i in range(5000): threading.Thread(target=stop.wait, daemon=True).start()"
    )
    assert (await repl(code)).error_type == "RuntimeError"
    assert (await repl("stop.set(); 1")).result == "1"


async def test_descriptors_are_bounded(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("import os\nfds = []\nwhile True: fds += os.pipe()")
    assert result.error_type == "OSError"
    assert (await repl("len(fds) < 256")).result == "True"


async def test_the_report_names_every_layer(open_pool: OpenPool) -> None:
    pool = await open_pool()
    assert pool.report["seccomp"] == "active"
    assert pool.report["landlock"] == "active"
    assert pool.report["sealed"] == "off"
    off = await open_pool(policy="off")
    assert set(off.report.values()) == {"off"}


async def test_too_little_memory_for_the_repl_itself_is_told(open_pool: OpenPool) -> None:
    with pytest.raises(SandboxUnavailable, match="cell_memory_bytes is"):
        await open_pool(memory_bytes=1 << 20)


# An outer filter stands in for kernels without a feature; it cannot be taken off again, so it
# goes on in a process of its own.
_SIMULATED = """
import asyncio, errno, sys
from rlm_local.errors import SandboxUnavailable
from rlm_local.sandbox.child import seccomp, syscalls
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from tests.fakes.memory_context import EchoHost, MemoryContext

policy, *missing = sys.argv[1:]
syscalls.prctl("PR_SET_NO_NEW_PRIVS", 38, 1)
calls = {"landlock": dict.fromkeys((444, 445, 446), errno.ENOSYS),
         "seccomp": dict.fromkeys((317, 277), errno.EINVAL)}
refused = {number: code for name in missing for number, code in calls[name].items()}
seccomp.install(seccomp.refuse_list(refused))

async def main():
    context = MemoryContext("text")
    try:
        pool = await ZygotePool.open(context, ReplFacts(1000, 100), policy=policy)
    except SandboxUnavailable as error:
        print("REFUSED", error)
        return
    repl = await pool.start()
    read = await repl.run("open('/etc/passwd').read()", EchoHost(), timeout_s=10)
    code = "import _socket; _socket.socket()"
    net = await repl.run(code, EchoHost(), timeout_s=10)
    print(pool.report["landlock"], "|", pool.report["sealed"], read.error_type, net.error_type)
    await pool.aclose()
    context.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["auto"], "active | off PermissionError PermissionError"),
        (["auto", "landlock"], "| active PermissionError PermissionError"),
        (["auto", "landlock"], "degraded: landlock_create_ruleset: ENOSYS"),
        (["sealed", "landlock"], "| active PermissionError PermissionError"),
        (["require-full", "landlock"], "REFUSED"),
        (["auto", "seccomp"], "seccomp is not available: seccomp: EINVAL"),
        (["auto", "seccomp", "landlock"], "REFUSED"),
    ],
)
def test_missing_kernel_features_degrade_or_refuse_and_say_so(
    arguments: list[str], told: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _SIMULATED, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told in ran.stdout, ran.stderr
