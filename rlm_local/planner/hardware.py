"""What this machine has to serve models with: free memory, cores, GPUs.

Reads /proc, cgroup files and `nvidia-smi`; decides nothing. What a container may use counts, not
what its host has.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlm_local.errors import PlacementError
from rlm_local.planner.cgroups import CgroupLimits, read_limits
from rlm_local.planner.nvidia import Gpu, read_gpus

__all__ = ["CpuLevel", "Gpu", "Hardware", "HardwareSources", "probe"]

CpuLevel = Literal["amx", "avx512_bf16", "avx512", "avx2", "neon", "none"]
"""The best instruction set a CPU build of vLLM can use here; it needs `avx2` or `neon` at least."""

# Best first: the flag that decides each level, as /proc/cpuinfo spells it.
_LEVEL_FLAGS: tuple[tuple[CpuLevel, str], ...] = (
    ("amx", "amx_bf16"),
    ("avx512_bf16", "avx512_bf16"),
    ("avx512", "avx512f"),
    ("avx2", "avx2"),
    ("neon", "asimd"),
)


@dataclass(frozen=True, slots=True)
class Hardware:
    """A machine, real or imagined.

    Attributes:
        ram_total_bytes: what this process may use in all: the machine's, or its container's limit.
        ram_available_bytes: what is free of it now, reclaimable cache included.
        cores: usable physical cores, each as the ids of its usable logical ones.
        cpu_quota: cores' worth of time the container may use; `None` without a limit.
        cpu_level: see `CpuLevel`.
        gpus: cards that can be used, by index.
        notes: what was seen but cannot be used, and why.
    """

    ram_total_bytes: int
    ram_available_bytes: int
    cores: tuple[tuple[int, ...], ...]
    cpu_quota: float | None = None
    cpu_level: CpuLevel = "none"
    gpus: tuple[Gpu, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_logical_cores(self) -> int:
        """Usable logical cores."""
        return sum(len(siblings) for siblings in self.cores)


@dataclass(frozen=True, slots=True)
class HardwareSources:
    """Where the facts are read; tests point it at folders and scripts of their own."""

    proc: Path = Path("/proc")
    cgroup: Path = Path("/sys/fs/cgroup")
    nvidia_smi: str = "nvidia-smi"
    usable_cores: frozenset[int] | None = None
    """Logical cores this process may run on; `None` asks the kernel."""
    visible_devices: str | None = None
    """As CUDA_VISIBLE_DEVICES; `None` hides nothing."""


def probe(sources: HardwareSources | None = None) -> Hardware:
    """What this machine has free right now.

    Raises:
        PlacementError: /proc does not tell memory and cores; this is no Linux, or a broken mount.
    """
    if sources is None:
        sources = HardwareSources(visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"))
    memory = _meminfo(sources.proc)
    limits = read_limits(sources.proc, sources.cgroup)
    cpu = _read(sources.proc / "cpuinfo")
    gpus = read_gpus(sources.nvidia_smi, sources.visible_devices)
    return Hardware(
        ram_total_bytes=_least(memory["MemTotal"], limits.memory_bytes),
        ram_available_bytes=_available(memory, limits),
        cores=_cores(cpu, sources.usable_cores or frozenset(os.sched_getaffinity(0))),
        cpu_quota=limits.cpus,
        cpu_level=_level(cpu),
        gpus=gpus.usable,
        notes=gpus.notes,
    )


def _meminfo(proc: Path) -> dict[str, int]:
    """Bytes by name; the file counts in KiB."""
    rows = (line.split() for line in _read(proc / "meminfo").splitlines())
    sizes = {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1}
    if "MemTotal" not in sizes:
        raise PlacementError(f"{proc / 'meminfo'} does not name MemTotal; is this Linux?")
    return sizes


def _available(memory: dict[str, int], limits: CgroupLimits) -> int:
    # kernels before 3.14, and some sandboxes, have no MemAvailable
    rough = memory.get("MemFree", 0) + memory.get("Cached", 0)
    return _least(memory.get("MemAvailable", rough), limits.memory_free_bytes)


def _least(size: int, limit: int | None) -> int:
    return size if limit is None else min(size, limit)


def _cores(cpuinfo: str, usable: frozenset[int]) -> tuple[tuple[int, ...], ...]:
    """Logical cores of the same package and core id are siblings; unlisted ones stand alone."""
    siblings: dict[tuple[str, str], list[int]] = {}
    for block in cpuinfo.split("\n\n"):
        row = dict(_key_value(line) for line in block.splitlines() if ":" in line)
        if not row.get("processor", "").isdigit():
            continue
        number = int(row["processor"])
        if number in usable:
            place = (row.get("physical id", ""), row.get("core id", f"alone {number}"))
            siblings.setdefault(place, []).append(number)
    listed = {number for core in siblings.values() for number in core}
    return tuple(sorted([*map(tuple, siblings.values()), *((n,) for n in usable - listed)]))


def _level(cpuinfo: str) -> CpuLevel:
    rows = (_key_value(line) for line in cpuinfo.splitlines() if ":" in line)
    flags = next((value.split() for key, value in rows if key in {"flags", "Features"}), [])
    return next((level for level, flag in _LEVEL_FLAGS if flag in flags), "none")


def _key_value(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip(), value.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise PlacementError(f"cannot read {path}: {error.strerror or error}") from error
