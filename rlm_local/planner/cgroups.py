"""Limits a container sets on memory and CPU time: cgroup v2 and v1.

Reads files only. A limit that cannot be read is no limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CgroupLimits", "read_limits"]

_NO_LIMIT_BYTES = 1 << 60
"""cgroup v1 spells "no limit" as a number near 2**63."""


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """The tightest limits of this process's groups; `None` where there is none."""

    memory_bytes: int | None = None
    memory_free_bytes: int | None = None
    cpus: float | None = None


@dataclass(frozen=True, slots=True)
class _MemoryFiles:
    limit: str
    usage: str
    stat_prefix: str


_V2 = _MemoryFiles("memory.max", "memory.current", "")
_V1 = _MemoryFiles("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")


def read_limits(proc: Path, cgroup: Path) -> CgroupLimits:
    """The limits in force for this process, those of parent groups included."""
    unified, named = _memberships(proc)
    memory = [
        found
        for folders, files in (
            (_with_parents(cgroup, unified), _V2),
            (_with_parents(cgroup / "memory", named.get("memory", "/")), _V1),
        )
        for folder in folders
        if (found := _memory(folder, files))
    ]
    cpus = [
        *filter(None, map(_cpu_max, _with_parents(cgroup, unified))),
        *filter(None, map(_cfs_quota, _with_parents(cgroup / "cpu", named.get("cpu", "/")))),
    ]
    return CgroupLimits(
        memory_bytes=min((limit for limit, _ in memory), default=None),
        memory_free_bytes=min((free for _, free in memory), default=None),
        cpus=min(cpus, default=None),
    )


def _memberships(proc: Path) -> tuple[str, dict[str, str]]:
    """The group in the v2 tree, and the group of each v1 controller."""
    unified, named = "/", {}
    for line in (_text(proc / "self" / "cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            unified = path
        for controller in controllers.split(","):
            named[controller] = path
    return unified, named


def _with_parents(mount: Path, group: str) -> Iterator[Path]:
    """The group's folder and those above it, the mount itself last.

    Inside a container the path is often the host's and absent here; the mount is then the group.
    """
    folder = mount / group.strip("/")
    while folder != mount and mount in folder.parents:
        yield folder
        folder = folder.parent
    yield mount


def _memory(folder: Path, files: _MemoryFiles) -> tuple[int, int] | None:
    limit = _number(folder / files.limit)
    usage = _number(folder / files.usage)
    if limit is None or usage is None or limit >= _NO_LIMIT_BYTES:
        return None
    # the page cache counts as used, and is given back when memory is asked for
    rows = (row.split() for row in (_text(folder / "memory.stat") or "").splitlines())
    cache_names = {files.stat_prefix + "inactive_file", files.stat_prefix + "active_file"}
    cache = sum(int(row[1]) for row in rows if len(row) == 2 and row[0] in cache_names)
    return limit, max(0, limit - max(0, usage - cache))


def _cpu_max(folder: Path) -> float | None:
    quota, _, period = (_text(folder / "cpu.max") or "max").strip().partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _cfs_quota(folder: Path) -> float | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _number(path: Path) -> int | None:
    text = (_text(path) or "").strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text("ascii", errors="replace")
    except OSError:
        return None
