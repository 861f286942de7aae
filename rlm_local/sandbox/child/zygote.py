"""The template process: decodes the context once and forks REPLs that share it copy-on-write.

Started with `exec`, single-threaded, runs trusted code only and never reads from a REPL's socket.
Speaks JSON messages over a SOCK_SEQPACKET socket, descriptors beside them:

- host: `init` (+ context, document table), then `fork` (`number`, `canary`, `slice`,
  `own_text_bytes`, `memory_bytes`; + protocol socket, output pipe)
- zygote: `ready` (`chars`) or `refused` (`reason`); `forked` (`number`, `pid`; + pidfd) or
  `failed` (`number`, `reason`); `exited` (`pid`, `status` of waitpid)

Ends when the host does: parent-death signal, and end of file on the socket.
"""

import gc
import json
import mmap
import os
import select
import signal
import socket
import sys
from typing import Any

from rlm_local.sandbox.child import lockdown, preload
from rlm_local.sandbox.child.lockdown import NotConfined
from rlm_local.sandbox.child.worker import PROTOCOL_FD, WorkerTask, run_worker

__all__ = ["main"]

_MESSAGE_BYTES = 1 << 17
_SYSTEM_PATHS = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib",
    "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo",
)  # fmt: skip


def main(control_fd: int, host_pid: int) -> None:
    """Serve one host until it is gone."""
    lockdown.die_with_parent(host_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.dont_write_bytecode = True
    control = socket.socket(fileno=control_fd)
    message, fds = _receive(control)
    if message["probe_only"]:
        _send(control, {"op": "probed", "refused": lockdown.probe_layers()})
        return
    try:
        zygote = _Zygote(control, message, *fds)
    except NotConfined as error:
        _send(control, {"op": "refused", "reason": str(error)})
        return
    gc.collect()
    gc.freeze()
    _send(control, {"op": "ready", "chars": len(zygote.context)})
    zygote.serve()


class _Zygote:
    """One context, and the REPLs forked over it."""

    def __init__(
        self, control: socket.socket, facts: dict[str, Any], context_fd: int, table_fd: int
    ) -> None:
        policy = str(facts["policy"])
        refused = {} if policy == "off" else lockdown.probe_layers()
        self._confinement = lockdown.choose_layers(policy, refused)
        self._packages = tuple(facts["packages"])
        if self._confinement.sealed:
            preload.import_allowed_modules(self._packages)
        self._control = control
        self._facts = facts
        self._readable = _readable_paths(self._packages)
        self.context = _decode(context_fd)
        with os.fdopen(table_fd, "rb") as table:
            self._spans = [(str(n), int(s), int(e)) for n, s, e in json.loads(table.read())]
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._pids: dict[int, int] = {}  # pidfd -> pid

    def serve(self) -> None:
        """Fork on request and report exits, until the host hangs up."""
        while True:
            for fd, _ in self._poll.poll():
                if fd in self._pids:
                    self._reap(fd)
                else:
                    message, fds = _receive(self._control)
                    if len(fds) != 2:
                        os._exit(0)  # end of file: the host is gone
                    self._fork(message, *fds)

    def _fork(self, message: dict[str, Any], socket_fd: int, output_fd: int) -> None:
        parent_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            _send(
                self._control, {"op": "failed", "number": message["number"], "reason": str(error)}
            )
            pid = -1
        if pid == 0:
            self._become_worker(message, parent_pid, socket_fd, output_fd)
        os.close(socket_fd)
        os.close(output_fd)
        if pid > 0:
            pidfd = os.pidfd_open(pid)
            self._pids[pidfd] = pid
            self._poll.register(pidfd, select.POLLIN)
            _send(self._control, {"op": "forked", "number": message["number"], "pid": pid}, pidfd)

    def _become_worker(
        self, message: dict[str, Any], parent_pid: int, socket_fd: int, output_fd: int
    ) -> None:
        try:
            self._control.detach()
            os.dup2(output_fd, 1)
            os.dup2(output_fd, 2)
            os.dup2(socket_fd, PROTOCOL_FD)
            os.closerange(PROTOCOL_FD + 1, os.sysconf("SC_OPEN_MAX"))
            run_worker(self._task(message, parent_pid))
        finally:
            # Not by returning: what a cell registered at exit, or its threads, would go on.
            os.write(2, f"{sys.exc_info()[1]!r}\n".encode("utf-8", "replace"))
            os._exit(1)

    def _task(self, message: dict[str, Any], parent_pid: int) -> WorkerTask:
        task = WorkerTask(self._confinement, frozenset(os.environ))
        task.parent_pid = parent_pid
        task.canary = str(message["canary"])
        task.facts = self._facts["facts"]
        task.packages = self._packages
        task.readable = self._readable
        task.memory_bytes = message["memory_bytes"]
        task.context_bytes = sys.getsizeof(self.context)
        part = message["slice"]
        if message["own_text_bytes"] is not None:
            task.mapped_start = None
            task.own_text_bytes = int(message["own_text_bytes"])
        elif part is not None:
            start, end = max(0, int(part[0])), int(part[1])
            task.context = self.context[start:end]
            task.mapped_start = start
            task.spans = _clip(self._spans, start, start + len(task.context))
        else:
            task.context, task.spans = self.context, self._spans
        return task

    def _reap(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        pid, status = os.waitpid(self._pids.pop(pidfd), 0)
        os.close(pidfd)
        _send(self._control, {"op": "exited", "pid": pid, "status": status})


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, fds, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, 2)
    message: dict[str, Any] = json.loads(data) if data else {}
    return message, fds


def _send(control: socket.socket, message: dict[str, object], *fds: int) -> None:
    try:
        socket.send_fds(control, [json.dumps(message).encode("ascii")], fds)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # the host is gone


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


def _readable_paths(packages: tuple[str, ...]) -> tuple[str, ...]:
    own = (os.path.dirname(os.__file__), f"{sys.base_prefix}/lib", *sys.path)  # noqa: PTH120
    return (*_SYSTEM_PATHS, *(path for path in own if path.startswith("/")), *packages)
