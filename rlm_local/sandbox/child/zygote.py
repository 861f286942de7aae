"""The template process: decodes the context once and forks REPLs that share it copy-on-write.

Brought up by `launcher`, single-threaded, runs trusted code only and never reads from a REPL's
socket. Speaks JSON messages over a SOCK_SEQPACKET socket, descriptors beside them:

- host: `init` (+ context, document table), then `fork` (`number`, `canary`, `slice`,
  `own_text_bytes`, `memory_bytes`; + protocol socket, output pipe)
- zygote: `ready` (`chars`; + its own pidfd) or `refused` (`reason`); `forked` (`number`, `id`;
  + pidfd) or `failed` (`number`, `reason`); `exited` (`id`, `status` of waitpid)

Ends when the host does: parent-death signal, and end of file on the socket.
"""

import gc
import json
import mmap
import os
import select
import socket
import sys
from typing import Any, TextIO

from rlm_local.sandbox.child import preload
from rlm_local.sandbox.child.confinement import Confinement
from rlm_local.sandbox.child.lockdown import Surroundings
from rlm_local.sandbox.child.namespaces import PidNamespaces
from rlm_local.sandbox.child.worker import PROTOCOL_FD, WorkerTask, run_worker

__all__ = ["Zygote", "receive", "send"]

_MESSAGE_BYTES = 1 << 17
_OUT_OF_MEMORY = b"MemoryError\n"


class Zygote:
    """One context, and the REPLs forked over it; `load`, then `serve`."""

    def __init__(
        self,
        control: socket.socket,
        facts: dict[str, Any],
        plan: Confinement,
        around: Surroundings,
        statm: TextIO,
    ) -> None:
        """`statm` is this process's /proc/self/statm."""
        self.top_names: frozenset[str] | None = None  # of a private root
        self._plan = plan
        self._around = around
        self._control = control
        self._facts = facts
        self._statm = statm
        self._packages = tuple(facts["packages"])
        self._pids = PidNamespaces(around.proc_fd) if plan.has("namespaces") else None
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._workers: dict[int, int] = {}  # pidfd -> pid
        self._context = ""
        self._spans: list[tuple[str, int, int]] = []

    def load(self, context_fd: int, table_fd: int) -> None:
        """Decode the context and say `ready`."""
        if self._plan.sealed:
            preload.import_allowed_modules(self._packages)
        self._context = _decode(context_fd)
        with os.fdopen(table_fd, "rb") as table:
            self._spans = [(str(n), int(s), int(e)) for n, s, e in json.loads(table.read())]
        gc.collect()
        gc.freeze()
        own = os.pidfd_open(os.getpid())
        send(self._control, {"op": "ready", "chars": len(self._context)}, own)
        os.close(own)

    def serve(self) -> None:
        """Fork on request and report exits, until the host hangs up."""
        while True:
            for fd, _ in self._poll.poll():
                if fd in self._workers:
                    self._reap(fd)
                else:
                    message, fds = receive(self._control)
                    if len(fds) != 2:
                        os._exit(0)  # end of file: the host is gone
                    self._fork(message, *fds)

    def _fork(self, message: dict[str, Any], socket_fd: int, output_fd: int) -> None:
        parent_pid = os.getpid()
        task = self._task(message)
        try:
            pid = self._pids.fork() if self._pids else os.fork()
        except OSError as error:
            send(self._control, {"op": "failed", "number": message["number"], "reason": str(error)})
            pid = -1
        if pid == 0:
            self._around.parent_pid = None if self._pids else parent_pid
            self._become_worker(task, socket_fd, output_fd)
        os.close(socket_fd)
        os.close(output_fd)
        if pid > 0:
            pidfd = os.pidfd_open(pid)
            self._workers[pidfd] = pid
            self._poll.register(pidfd, select.POLLIN)
            send(self._control, {"op": "forked", "number": message["number"], "id": pid}, pidfd)

    def _become_worker(self, task: WorkerTask, socket_fd: int, output_fd: int) -> None:
        try:
            # Else kill(0, ...) would reach its siblings, across PID namespaces.
            os.setsid()
            self._control.detach()
            os.dup2(output_fd, 1)
            os.dup2(output_fd, 2)
            os.dup2(socket_fd, PROTOCOL_FD)
            self._close_what_it_must_not_have()
            self._cut(task)
            run_worker(task)
        finally:
            # Not by returning: what a cell registered at exit, or its threads, would go on.
            _say_last_words(sys.exc_info()[1])
            os._exit(1)

    def _close_what_it_must_not_have(self) -> None:
        """All but /proc, which the lock-down closes."""
        if "closed_descriptors" in self._facts["without"]:
            os.open("/", os.O_RDONLY | os.O_DIRECTORY)
            return
        os.closerange(PROTOCOL_FD + 1, self._around.proc_fd)
        os.closerange(self._around.proc_fd + 1, os.sysconf("SC_OPEN_MAX"))

    def _task(self, message: dict[str, Any]) -> WorkerTask:
        task = WorkerTask(self._plan, self._around, frozenset(os.environ))
        task.canary = str(message["canary"])
        task.facts = self._facts["facts"]
        task.cells = self._facts["cells"]
        task.has_self_probe = "self_probe" not in self._facts["without"]
        task.top_names = self.top_names
        task.packages = self._packages
        task.memory_bytes = message["memory_bytes"]
        task.context_bytes = sys.getsizeof(self._context)
        self._statm.seek(0)
        task.address_space_bytes = int(self._statm.read().split()[0]) * mmap.PAGESIZE
        part = message["slice"]
        if message["own_text_bytes"] is not None:
            task.mapped_start = None
            task.own_text_bytes = int(message["own_text_bytes"])
        elif part is not None:
            task.mapped_start, task.end = max(0, int(part[0])), int(part[1])
        return task

    def _cut(self, task: WorkerTask) -> None:
        """Give the REPL its part of the text; in its own process, whose memory it is then."""
        if task.mapped_start is None:
            return
        if task.end is None:
            task.context, task.spans = self._context, self._spans
            return
        task.context = self._context[task.mapped_start : task.end]
        task.spans = _clip(self._spans, task.mapped_start, task.mapped_start + len(task.context))

    def _reap(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        pid, status = os.waitpid(self._workers.pop(pidfd), 0)
        os.close(pidfd)
        send(self._control, {"op": "exited", "id": pid, "status": status})


def _say_last_words(error: BaseException | None) -> None:
    words = _OUT_OF_MEMORY  # there may be none left to find others
    if not isinstance(error, MemoryError):
        words = f"{error!r}\n".encode("utf-8", "replace")
    os.write(2, words)


def receive(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message and its descriptors; ({}, []) at the end."""
    data, fds, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, 2)
    message: dict[str, Any] = json.loads(data) if data else {}
    return message, fds


def send(control: socket.socket, message: dict[str, object], *fds: int) -> None:
    """Send a message to the host; ends this process if there is none any more."""
    try:
        socket.send_fds(control, [json.dumps(message).encode("ascii")], fds)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)


def _decode(fd: int) -> str:
    """The UTF-8 file as one `str`, read through a mapping that does not outlive it."""
    try:
        if os.fstat(fd).st_size == 0:
            return ""
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view:
            return str(view, "utf-8", "replace")
    finally:
        os.close(fd)


def _clip(spans: list[tuple[str, int, int]], start: int, end: int) -> list[tuple[str, int, int]]:
    return [
        (name, max(first, start) - start, min(last, end) - start)
        for name, first, last in spans
        if first < end and last > start
    ]
