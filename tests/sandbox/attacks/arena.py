"""A pool of REPLs in one configuration, and the attacks that are run in it, a fresh one each."""

import errno
import os
import secrets
import signal
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from rlm_local.config import SandboxPolicy
from rlm_local.errors import SandboxError
from rlm_local.sandbox.worker_process import WorkerProcess
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.types import CellResult
from tests.fakes.memory_context import EchoHost, MemoryContext
from tests.sandbox.attacks.case import LAYERS, Attack, Outcome
from tests.sandbox.attacks.surroundings import Surroundings
from tests.sandbox.attacks.syscall_numbers import NUMBERS

__all__ = ["Arena", "Configuration", "active_layers"]

_TIMEOUT_S = 10.0
_SETTLE_S = 0.25
# Where nothing stops an attack it has to be seen: a busy machine may let a killed process wait.
_AT_LAST_S = 10.0
_TEXT = "the context that all REPLs of a pool share\n"
_X32_GETPID = 0x40000000 + 39
_PRELUDE = """
import ctypes, errno, os, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(name, *arguments):
    given = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(NUMBERS[name]), *given)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
"""
_SIBLING = """
import ctypes
loot = bytes.fromhex({secret!r})
id(loot) + bytes.__basicsize__ - 1
"""
# What the kernel calls the things behind descriptors that no REPL may have.
_FORBIDDEN_DESCRIPTORS = (
    "/memfd:", "anon_inode:inotify", "anon_inode:[io_uring]", "anon_inode:[userfaultfd]",
    "anon_inode:bpf", "anon_inode:[perf_event]", "anon_inode:[fanotify]", "anon_inode:[pidfd]",
    "pidfd:", "anon_inode:[signalfd]", "anon_inode:[landlock", "/dev/tty", "/dev/pts",
)  # fmt: skip
_ABSENT = {
    errno.ENOSYS, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT,
    errno.EOPNOTSUPP, errno.ENOPROTOOPT, errno.ENODEV, errno.ENOENT, errno.EINVAL, errno.EPERM,
    errno.EACCES, errno.EADDRNOTAVAIL, errno.EIO, errno.ENOTTY, errno.ENODATA, errno.EDQUOT,
    errno.ENOMEM,  # of io_uring: it counts its rings as locked memory
}  # fmt: skip


_DIRTYING = ("files", "victim", "memory")


@dataclass(frozen=True, slots=True)
class Configuration:
    """How a pool is opened."""

    policy: SandboxPolicy = "auto"
    without: frozenset[str] = frozenset()


def active_layers(report: dict[str, str]) -> frozenset[str]:
    """The layers that a pool says are there, and "unprivileged" where the host is no root."""
    found = {layer for layer in LAYERS if report.get(layer, "off").startswith("active")}
    if os.geteuid() == 0:
        if "uid" in found and "namespaces" not in found:
            found.add("capabilities")  # they go with root's id, and no namespace gives others
        return frozenset(found)
    found.discard("uid")  # it is the host's own: no change
    if "namespaces" not in found or "capabilities" in found:
        found.add("rightless")
    return frozenset(found | {"unprivileged"})


class Arena:
    """Use as an async context manager; `run` as often as there are attacks."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._context = MemoryContext(_TEXT)
        self._closing = AsyncExitStack()
        self._around: Surroundings | None = None
        self._sibling: WorkerProcess | None = None
        self._sibling_pid = 0
        self._sibling_secret = f"sibling-{secrets.token_hex(12)}"
        self._sibling_names: dict[str, object] = {}
        self.pool: ZygotePool

    async def __aenter__(self) -> Self:
        self._closing.callback(self._context.close)
        async with AsyncExitStack() as unless_open:
            unless_open.push_async_callback(self._closing.aclose)
            self.pool = await ZygotePool.open(
                self._context,
                ReplFacts(1000, 100),
                policy=self._configuration.policy,
                without=self._configuration.without,
            )
            self._closing.push_async_callback(self.pool.aclose)
            await (await self.pool.start()).aclose()  # the first was there before we listened
            unless_open.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lay_waste()
        await self._closing.aclose()

    @property
    def active(self) -> frozenset[str]:
        """The layers in force, as the pool reports them."""
        return active_layers(self.pool.report)

    async def run_all(self, attacks: Iterable[Attack]) -> list[Outcome]:
        """Every attack that may be run here, each in a fresh process."""
        return [
            await self.run(attack)
            for attack in attacks
            if attack.stops(self.active) or not attack.is_unsafe
        ]

    async def run(self, attack: Attack) -> Outcome:
        """One attack, and what the host sees of it afterwards."""
        around = await self._intact()
        started_s = time.monotonic()
        repl = await self._start_one()
        try:
            names = {**around.names(), **self._sibling_names, "NUMBERS": _numbers()}
            assignments = "\n".join(f"{name} = {value!r}" for name, value in names.items())
            prelude = await repl.run(assignments + _PRELUDE, EchoHost(), timeout_s=_TIMEOUT_S)
            if prelude.error is not None:
                raise AssertionError(f"the attacker's tools do not work: {prelude.error}")
            pid = _pid_of(repl)
            result, texts = await _attempt(repl, attack)
            evidence = await self._evidence(attack, around, result, texts)
            evidence += _inside(pid)
        finally:
            await repl.aclose()
        if any(seen.startswith(_DIRTYING) for seen in evidence):
            self._lay_waste()
        return Outcome(
            attack,
            tuple(evidence),
            result.error or "",
            is_absent=not evidence and self._is_absent(attack, result),
            restarted=result.restarted,
            seconds=time.monotonic() - started_s,
        )

    async def _evidence(
        self, attack: Attack, around: Surroundings, result: CellResult, texts: str
    ) -> list[str]:
        if attack.kind == "victim" and result.error is None:
            stopped = attack.stops(self.active)
            around.victim.settle(_SETTLE_S if stopped else _AT_LAST_S)
        evidence = around.evidence(texts)
        if self._sibling_secret in texts:
            evidence.append("secret: sibling")
        if attack.kind == "word" and result.error is None:
            evidence.append("word")
        if not _is_alive(self._sibling_pid):
            evidence.append("sibling: dead")
        elif attack.kind == "sibling" and self._sibling is not None:
            told = await self._sibling.run("context", EchoHost(), timeout_s=_TIMEOUT_S)
            if told.result != repr(_TEXT):
                evidence.append("sibling: its context")
        return evidence

    async def _start_one(self) -> WorkerProcess:
        return await self.pool.start()

    async def _intact(self) -> Surroundings:
        """Things to attack that nobody has touched."""
        if self._around is None:
            self._around = Surroundings(self._context.fileno())
        if self._sibling is None or not _is_alive(self._sibling_pid):
            await self._open_sibling()
        return self._around

    async def _open_sibling(self) -> None:
        if self._sibling is not None:
            await self._sibling.aclose()
        self._sibling = await self._start_one()
        code = _SIBLING.format(secret=self._sibling_secret.encode().hex())
        told = await self._sibling.run(code, EchoHost(), timeout_s=_TIMEOUT_S)
        self._sibling_pid = _pid_of(self._sibling)
        self._sibling_names = {
            "SIBLING": self._sibling_pid,
            "SIBLING_ADDRESS": int(told.result or 0),
            "SIBLING_BYTES": len(self._sibling_secret),
            "TEMPLATE": psutil.Process(self._sibling_pid).ppid(),
        }

    def _is_absent(self, attack: Attack, result: CellResult) -> bool:
        """Whether it failed although nothing stops it here, as it may where the kernel lacks it."""
        is_refused = any(f"[Errno {number}]" in (result.error or "") for number in _ABSENT)
        return attack.may_be_absent and is_refused and not attack.stops(self.active)

    def _lay_waste(self) -> None:
        if self._around is not None:
            self._around.close()
            self._around = None


async def _attempt(repl: WorkerProcess, attack: Attack) -> tuple[CellResult, str]:
    host = EchoHost()
    try:
        result = await repl.run(attack.code, host, timeout_s=_TIMEOUT_S)
    except SandboxError as error:
        result = CellResult("", 0, None, str(error), "SandboxError", None, 0.0)
    return result, f"{result} {host.calls}"


def _pid_of(repl: WorkerProcess) -> int:
    return repl.pid or 0


def _numbers() -> dict[str, int]:
    return {**NUMBERS, "x32": _X32_GETPID}


def _inside(pid: int) -> list[str]:
    """What the kernel shows of a REPL process that no REPL may have; its children are killed."""
    found = []
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = str(link.readlink())
            if target.startswith(_FORBIDDEN_DESCRIPTORS):
                found.append(f"descriptor: {target}")
    for task in Path("/proc").glob(f"{pid}/task/*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found.append("process: a child")
                os.kill(child, signal.SIGKILL)
    return found


def _is_alive(pid: int) -> bool:
    try:
        return pid > 0 and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
