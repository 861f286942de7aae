"""Who has to go when memory runs short: looked at while cells run, from outside.

A REPL's address space is limited by the kernel; this is for what that limit does not see, and for
many REPLs that are each within theirs. Reads /proc; kills nobody itself.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MachineMemory", "MemoryWatch", "machine_memory", "process_memory"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_OVER_LIMIT = 1.1
_KEEP_FREE_BYTES = 512 << 20
_KEEP_FREE_SHARE = 0.05
_BLAMELESS_BYTES = 256 << 20
_CGROUP_FILES = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


@dataclass(frozen=True, slots=True)
class MachineMemory:
    """What this machine, or the container we are in, has."""

    total_bytes: int
    available_bytes: int


def machine_memory() -> MachineMemory:
    """As the kernel says it; a container's limit counts where it is lower."""
    fields = {}
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0]) << 10
    total, available = fields["MemTotal"], fields["MemAvailable"]
    for limit_file, used_file in _CGROUP_FILES:
        with contextlib.suppress(OSError, ValueError):  # there is no such limit
            limit = int(limit_file.read_text("ascii"))
            # What is used counts the page cache, which could be dropped: the kernel does first.
            used = int(used_file.read_text("ascii")) - _file_cache_bytes(used_file.parent)
            if limit < total:
                total, available = limit, min(available, limit - used)
    return MachineMemory(total, available)


def process_memory(pid: int) -> tuple[int, int | None]:
    """Resident bytes of a process and the limit of its address space, if it has one; 0: gone."""
    try:
        resident = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
        limits = Path(f"/proc/{pid}/limits").read_text("ascii").splitlines()
    except (OSError, IndexError):
        return 0, None
    found = [line.split()[3] for line in limits if line.startswith("Max address space")]
    return resident, int(found[0]) if found and found[0].isdigit() else None


class MemoryWatch:
    """The REPLs of one pool that run a cell, compared with their limits and with the machine."""

    def __init__(
        self,
        *,
        machine: Callable[[], MachineMemory] = machine_memory,
        process: Callable[[int], tuple[int, int | None]] = process_memory,
    ) -> None:
        self._machine = machine
        self._process = process
        self._running: set[int] = set()

    def add(self, pid: int) -> None:
        """This process runs a cell from now on."""
        self._running.add(pid)

    def discard(self, pid: int) -> None:
        """Its cell is over."""
        self._running.discard(pid)

    def why_too_much(self, pid: int) -> str | None:
        """Why this REPL has to go; None: it may stay. To be asked about once a second.

        Where the machine runs short, the largest of those that run a cell goes, unless it is so
        small that something else must be to blame.
        """
        resident, limit = self._process(pid)
        if limit is not None and resident > limit * _OVER_LIMIT:
            return f"out of memory: it held {_mib(resident)}, and its limit is {_mib(limit)}"
        machine = self._machine()
        keep_free = max(_KEEP_FREE_BYTES, int(machine.total_bytes * _KEEP_FREE_SHARE))
        if machine.available_bytes >= keep_free or resident < _BLAMELESS_BYTES:
            return None
        if any(self._process(other)[0] > resident for other in self._running - {pid}):
            return None
        return (
            f"out of memory: this machine has {_mib(machine.available_bytes)} left, "
            f"and this REPL held {_mib(resident)}, more than any other that ran"
        )


def _file_cache_bytes(folder: Path) -> int:
    for line in (folder / "memory.stat").read_text("ascii").splitlines():
        name, _, value = line.partition(" ")
        if name in {"inactive_file", "total_inactive_file"}:
            return int(value)
    return 0


def _mib(n_bytes: int) -> str:
    return f"{n_bytes / (1 << 20):,.0f} MiB"
