"""The host's handle on the template process: start it, have it fork REPLs, learn of their ends.

Started from the event loop's own thread, because the kernel ties its parent-death signal to the
thread that forked. What a REPL says is not read here.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rlm_local.errors import SandboxError, SandboxUnavailable
from rlm_local.types import ContextSlice

__all__ = ["ForkRequest", "ForkedProcess", "ZygoteProcess", "package_folders"]

_START_TIMEOUT_S = 300.0
_FORK_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 10.0
_MESSAGE_BYTES = 1 << 17
_STDERR_SHOWN_BYTES = 2000
_Forked: TypeAlias = "tuple[int, asyncio.Future[int | None]]"
_CHILD_FOLDER = Path(__file__).parent / "child"
# Its own package, without running the __init__ of those above it: they are the host's.
_BOOT = """
import sys, types
folder, control_fd, host_pid = sys.argv[1:]
parts = folder.rsplit("/", 2)
for name, path in zip(
    ("rlm_local", "rlm_local.sandbox", "rlm_local.sandbox.child"),
    (parts[0], "/".join(parts[:2]), folder),
):
    package = types.ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package
from rlm_local.sandbox.child.launcher import main
main(int(control_fd), int(host_pid))
"""


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """Which text a REPL sees: the whole, a part, or one of its own that is sent later."""

    canary: str
    """A file for the process to try to read."""
    part: ContextSlice | None = None
    own_text_bytes: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ForkedProcess:
    """A REPL that was just forked. The descriptors are the receiver's to close.

    `exited` gets the status of waitpid, or None when the zygote died first.
    """

    pid: int
    pidfd: int
    sock: socket.socket
    output_fd: int
    exited: "asyncio.Future[int | None]"


class ZygoteProcess:
    """A running template process; `launch` starts one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = _spawn(theirs)
        # The launcher's, and the template process's own where that is another one.
        self._pidfds = [os.pidfd_open(self._process.pid)]
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._on_message)
        self._started: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._forks: dict[int, asyncio.Future[_Forked]] = {}
        self._exits: dict[int, asyncio.Future[int | None]] = {}
        self._n_forks = 0
        self.is_alive = True

    @classmethod
    async def launch(cls, facts: dict[str, object], *fds: int) -> "ZygoteProcess":
        """Start one and wait until it has decoded the context.

        `facts` is the `init` message of `child.zygote`; `fds` are context and document table.

        Raises:
            SandboxUnavailable: this machine cannot confine REPLs as the policy asks.
            SandboxError: the process ended or did not answer.
        """
        zygote = cls()
        answer = None
        try:
            answer = await zygote._start(facts, fds)
        finally:
            if answer is None:
                await zygote.aclose()
        if answer["op"] == "refused":
            await zygote.aclose()
            raise SandboxUnavailable(f"cells cannot be confined here: {answer['reason']}")
        return zygote

    async def fork(self, request: ForkRequest) -> ForkedProcess:
        """A new REPL process, which will lock itself down and say `ready`.

        Raises:
            SandboxError: it cannot be forked, or the zygote is gone.
        """
        if not self.is_alive:
            raise SandboxError("the template process is gone")
        self._n_forks += 1
        number = self._n_forks
        answer = self._forks[number] = self._loop.create_future()
        message = {
            "op": "fork",
            "number": number,
            "canary": request.canary,
            "slice": request.part and [request.part.start_char, request.part.end_char],
            "own_text_bytes": request.own_text_bytes,
            "memory_bytes": request.memory_bytes,
        }
        with contextlib.ExitStack() as unless_forked:
            unless_forked.callback(self._forks.pop, number, None)
            ours, theirs = socket.socketpair()
            unless_forked.callback(ours.close)
            output, their_output = os.pipe2(os.O_CLOEXEC)
            unless_forked.callback(os.close, output)
            try:
                self._send(message, theirs.fileno(), their_output)
            finally:
                theirs.close()
                os.close(their_output)
            pidfd, exited = await asyncio.wait_for(answer, _FORK_TIMEOUT_S)
            unless_forked.pop_all()
        del self._forks[number]
        return ForkedProcess(_pid_of(pidfd), pidfd, ours, output, exited)

    async def aclose(self) -> None:
        """Kill it, which kills every REPL it forked, and wait. Safe to call twice."""
        pidfds, self._pidfds = self._pidfds, []
        if not pidfds:
            return
        try:
            for pidfd in pidfds:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            for pidfd in pidfds:
                await _wait_for_end(pidfd)
            # One that was not ready yet has told no pidfd; it holds its end of the socket.
            await asyncio.wait([self._gone], timeout=_END_TIMEOUT_S)
        finally:
            self._hang_up()
            for pidfd in pidfds:
                os.close(pidfd)
            self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()

    async def _start(self, facts: dict[str, object], fds: tuple[int, ...]) -> dict[str, Any]:
        self._send({"op": "init", **facts}, *fds)
        try:
            return await asyncio.wait_for(self._started, _START_TIMEOUT_S)
        except TimeoutError:
            raise SandboxError(
                f"the template process did not decode the context in {_START_TIMEOUT_S:g} s"
            ) from None

    def _send(self, message: dict[str, object], *fds: int) -> None:
        try:
            socket.send_fds(self._control, [json.dumps(message).encode("ascii")], fds)
        except OSError as error:
            raise SandboxError(f"the template process does not listen: {error}") from None

    def _on_message(self) -> None:
        flags = socket.MSG_CMSG_CLOEXEC
        try:
            data, fds, _, _ = socket.recv_fds(self._control, _MESSAGE_BYTES, 1, flags)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self._hang_up()
            return
        message = json.loads(data)
        match message["op"]:
            case "forked":
                self._on_forked(message["number"], message["id"], fds[0])
            case "failed":
                _fail(self._forks.get(message["number"]), f"cannot fork: {message['reason']}")
            case "exited":
                _resolve(self._exits.pop(message["id"], None), message["status"])
            case _:
                self._pidfds += fds
                _resolve(self._started, message)

    def _on_forked(self, number: int, name: int, pidfd: int) -> None:
        waiting = self._forks.get(number)
        if waiting is None or waiting.done():  # who asked gave up meanwhile
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
            return
        exited = self._exits[name] = self._loop.create_future()
        waiting.set_result((pidfd, exited))

    def _hang_up(self) -> None:
        if not self.is_alive:
            return
        self.is_alive = False
        self._gone.set_result(None)
        self._loop.remove_reader(self._control)
        self._control.close()
        reason = f"the template process ended: {self._last_words() or 'no message'}"
        _fail(self._started, reason)
        for waiting in self._forks.values():
            _fail(waiting, reason)
        for exited in self._exits.values():
            _resolve(exited, None)

    def _last_words(self) -> str:
        if self._process.stderr is None:
            return ""
        os.set_blocking(self._process.stderr.fileno(), False)
        try:
            data = os.read(self._process.stderr.fileno(), 1 << 16)
        except BlockingIOError:
            return ""
        return data[-_STDERR_SHOWN_BYTES:].decode("utf-8", "replace").strip()


def package_folders() -> list[str]:
    """Where this interpreter's installed packages are; cells may import from there."""
    found = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    return [str(Path(path).resolve()) for path in found if Path(path).is_dir()]


def _spawn(control: socket.socket) -> "subprocess.Popen[bytes]":
    arguments = [str(_CHILD_FOLDER), str(control.fileno()), str(os.getpid())]
    # Not -I: the environment is ours to the letter, and a fixed hash seed makes sets print in the
    # same order each time, so that a repeated run asks the same prompts.
    options = ["-s", "-P", "-S", "-X", "utf8", "-c", _BOOT]
    return subprocess.Popen(
        [sys.executable, *options, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=(control.fileno(),),
        cwd="/",
        env=_environment(),
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
    libraries = os.environ.get("LD_LIBRARY_PATH")
    if libraries:  # some interpreters do not start without
        environment["LD_LIBRARY_PATH"] = libraries
    return environment


def _pid_of(pidfd: int) -> int:
    """Its number here; the one who forked it may live in another PID namespace. -1: it ended."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "Pid":
            return int(value)
    raise SandboxError("the kernel does not tell which process a pidfd stands for")


async def _wait_for_end(pidfd: int) -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(pidfd, _resolve, ended, None)
    try:
        await ended
    finally:
        loop.remove_reader(pidfd)


def _resolve(future: "asyncio.Future[Any] | None", value: object) -> None:
    if future is not None and not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any] | None", reason: str) -> None:
    if future is not None and not future.done():
        future.set_exception(SandboxError(reason))
        future.exception()  # it may be that nobody waits: that is no leak
