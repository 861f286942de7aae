"""The process that parents a model server, starts it again when it dies, and leaves nothing of it.

It ends the whole tree under it when nobody holds a lease any more, on SIGTERM, SIGINT or SIGHUP,
and when the server cannot be kept alive. A server that was ready and died is started again, after
growing pauses and under the machine's start lock; one that dies before it was ever ready is its
starter's business.

It is two processes: the outer one has no work but to clear up should the inner one be killed, and
the inner one ends everything should the outer one be. Standard library only, and neighbours that
are.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from rlm_local.serving import health, leases, process_tree
from rlm_local.serving.failure_causes import LIFE_MARK, PART_DIED, cause_of_death, tail_of
from rlm_local.serving.guardian_orders import LEASES, Orders, read_orders
from rlm_local.serving.leftovers import remove_note, write_note
from rlm_local.serving.processes import ProcessId, identify
from rlm_local.serving.server_state import ServerState, write_state

__all__ = ["main"]

POLL_S = 0.5
STEADY_S = 600.0
"""After so long in health a death counts as the first again."""
RESTART_TIMEOUT_S = 1800.0
HEALTH_EVERY_S = 10.0
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
VITAL = "VLLM::"
"""How vLLM's engines and workers name themselves. None of them comes back by itself."""


def main(arguments: list[str]) -> int:
    """Guard one command until it must end; returns the exit status to leave with."""
    orders, command = read_orders(arguments)
    me = identify(os.getpid())
    if me is None:
        raise ProcessLookupError("this process is not in /proc")
    if orders.notes:
        write_note(orders.notes, me, orders.folder)
    process_tree.adopt_orphans()
    wakeups = _signals_as_bytes()
    inner = os.fork()
    if inner == 0:
        process_tree.die_with(me.pid)
        process_tree.adopt_orphans()
        return _Guardian(orders, command, me).run()
    if orders.start_lock_fd is not None:
        os.close(orders.start_lock_fd)
    return _stand_by(inner, wakeups, orders, me)


def _stand_by(inner: int, wakeups: int, orders: Orders, me: ProcessId) -> int:
    """Wait for the inner process, and clear up after it if it could not."""
    pid = 0
    while pid == 0:
        select.select([wakeups], [], [])
        if set(os.read(wakeups, 512)) & set(ENDING_SIGNALS):
            os.kill(inner, signal.SIGTERM)
        pid, status = os.waitpid(inner, os.WNOHANG)
    if os.WIFSIGNALED(status):
        process_tree.end_tree(None)  # orphans of the inner one are ours now
        _clean_up(orders, me, with_record=True)
    return _code(os.waitstatus_to_exitcode(status))


class _Over(Exception):
    """The server must end: a signal came, or nobody needs it."""


class _Guardian:
    def __init__(self, orders: Orders, command: list[str], outer: ProcessId) -> None:
        self._orders = orders
        self._command = command
        self._outer = outer
        self._leases = orders.folder / LEASES
        self._wakeups = _signals_as_bytes()
        self._server: subprocess.Popen[bytes] | None = None
        self._vital: list[int] = []
        """Descriptors of the processes without which the server is none; readable when dead."""
        self._lock_fd = orders.start_lock_fd
        self._state = ServerState("starting", time.time(), max_tries=len(orders.pauses_s))
        self._ready_at: float | None = None
        self._checked_at = self._used_at = time.monotonic()

    def run(self) -> int:
        """Keep the server alive as long as it is needed."""
        is_over = False
        status = 0
        try:
            self._make_folder()
            status = self._live()
            while (pause_s := self._pause_before_restart(status)) is not None:
                self._end_server()
                self._release_start_lock()
                self._wait_until(time.monotonic() + pause_s)
                self._take_start_lock()
                status = self._live()
        except _Over:
            is_over = True
        finally:
            self._end_server()
            _clean_up(self._orders, self._outer, with_record=is_over)
        return 0 if is_over else _code(status)

    def _live(self) -> int:
        """One life of the server; gives its exit status, negative for a signal."""
        self._say("starting the server")
        self._clear_sockets()
        self._ready_at = None
        server = self._server = process_tree.start_below(self._command)
        self._tell(replace(self._state, server_pid=server.pid))
        deadline = time.monotonic() + RESTART_TIMEOUT_S
        while (status := process_tree.reap(server)) is None:
            self._wait(POLL_S)
            if self._is_broken() if self._is_ready else self._is_late(deadline):
                return process_tree.reap(server) or 1
        return status

    @property
    def _is_ready(self) -> bool:
        return self._ready_at is not None

    def _is_late(self, deadline: float) -> bool:
        """Whether a restart has taken too long; a first start is timed by its starter."""
        if health.ask(self._orders.address) == "well":
            self._become_ready()
            return False
        return self._state.phase == "restarting" and _is_past(deadline)

    def _become_ready(self) -> None:
        self._ready_at = self._checked_at = time.monotonic()
        for pid in process_tree.named_descendants(os.getpid(), VITAL):
            with contextlib.suppress(OSError):
                self._vital.append(os.pidfd_open(pid))
        self._release_start_lock()
        self._tell(replace(self._state, phase="ready", since=time.time()))

    def _is_broken(self) -> bool:
        """Whether it can serve no more although its process lives."""
        if self._vital and select.select(self._vital, [], [], 0)[0]:
            self._say(PART_DIED)
            return True
        if not _is_past(self._checked_at + HEALTH_EVERY_S):
            return False
        self._checked_at = time.monotonic()
        return health.ask(self._orders.address) == "dead"

    def _pause_before_restart(self, status: int) -> float | None:
        """How long to wait before the next start; None when there is to be none."""
        code = _code(status)
        self._say(f"the server ended with status {code}")
        state = self._state
        if state.phase == "starting":
            return None
        cause = cause_of_death(tail_of(self._orders.log), code)
        is_steady = self._ready_at is not None and _is_past(self._ready_at + STEADY_S)
        tries = 0 if is_steady else state.tries
        is_hopeless = not self._is_ready and not cause.may_pass
        if tries >= state.max_tries or is_hopeless:
            self._say(f"given up after {tries} restarts in a row")
            return None
        pause_s = self._orders.pauses_s[tries]
        self._tell(
            ServerState(
                "restarting",
                time.time(),
                restarts=state.restarts + 1,
                tries=tries + 1,
                max_tries=state.max_tries,
                cause=cause.says,
            )
        )
        self._say(f"starting it again in {pause_s:g} s ({tries + 1} of {state.max_tries})")
        return pause_s

    def _wait_until(self, moment: float) -> None:
        while (left_s := moment - time.monotonic()) > 0:
            self._wait(min(POLL_S, left_s))

    def _wait(self, timeout_s: float) -> None:
        """Until something happens, or the time is over.

        Raises:
            _Over: a signal came, or nobody needs the server.
        """
        ready, _, _ = select.select([self._wakeups, *self._vital], [], [], timeout_s)
        if self._wakeups in ready and set(os.read(self._wakeups, 512)) & set(ENDING_SIGNALS):
            raise _Over
        if not self._is_needed():
            raise _Over

    def _is_needed(self) -> bool:
        now = time.monotonic()
        if leases.holders(self._leases):
            self._used_at = now
            return True
        idle_s = leases.kept_idle_timeout_s(self._leases)
        if idle_s is not None:
            if idle_s == 0 or now - self._used_at < idle_s:
                return True
            leases.let_go(self._leases)
        if leases.close_unused(self._leases):
            return False
        return idle_s is None or leases.keep(self._leases, idle_s)

    def _end_server(self) -> None:
        if self._server is not None:
            process_tree.end_tree(self._server)
        for fd in self._vital:
            os.close(fd)
        self._vital.clear()

    def _make_folder(self) -> None:
        self._orders.folder.mkdir(mode=0o700)
        self._leases.mkdir(mode=0o700)
        leases.take(self._leases, self._orders.lease)

    def _clear_sockets(self) -> None:
        """What a killed server leaves bound would keep the next from binding."""
        for path in self._orders.folder.iterdir():
            if path.is_socket():
                path.unlink(missing_ok=True)

    def _tell(self, state: ServerState) -> None:
        self._state = state
        with contextlib.suppress(OSError):  # a full disk must not end a server that is well
            write_state(self._orders.folder, state)

    def _say(self, words: str) -> None:
        with contextlib.suppress(OSError):
            print(f"{LIFE_MARK}{words}", flush=True)

    def _take_start_lock(self) -> None:
        """Wait for the machine's start lock, as long as the server is needed."""
        if self._orders.start_lock is None:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._lock_fd = os.open(self._orders.start_lock, flags, 0o600)
        while not _locked(self._lock_fd):
            self._wait(POLL_S)

    def _release_start_lock(self) -> None:
        fd, self._lock_fd = self._lock_fd, None
        if fd is not None:
            os.close(fd)


def _clean_up(orders: Orders, me: ProcessId, *, with_record: bool) -> None:
    """Remove what is on disk; the record of one that was given up stays, to be told of."""
    shutil.rmtree(orders.folder, ignore_errors=True)
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        if orders.record and with_record and _names(me, orders.record):
            orders.record.unlink()
    if orders.notes:
        remove_note(orders.notes, me)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_past(moment: float) -> bool:
    return time.monotonic() >= moment


def _code(status: int) -> int:
    """A return code as a shell gives it."""
    return status if status >= 0 else 128 - status


def _names(guardian: ProcessId, record: Path) -> bool:
    servers = json.loads(record.read_text("utf-8"))["servers"]
    return guardian.pid in [server["guardian_pid"] for server in servers]


def _signals_as_bytes() -> int:
    """Make ending signals, and the end of a child, readable on a descriptor."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (*ENDING_SIGNALS, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader
