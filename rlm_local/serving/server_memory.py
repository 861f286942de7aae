"""Memory that a server's processes hold: of this machine, and of its GPUs. Never raises."""

import contextlib
import csv
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rlm_local.serving.process_tree import descendants

__all__ = ["ServerMemory", "memory_of"]

_MIB = 1 << 20
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class ServerMemory:
    """Bytes. Shared pages are counted once, whatever the number of processes."""

    ram_bytes: int
    gpu_bytes: int | None
    """None where no NVIDIA driver tells."""


def memory_of(guardian_pid: int, nvidia_smi: str = "nvidia-smi") -> ServerMemory:
    """What everything below a guardian holds, itself included. Blocks for a moment."""
    pids = [guardian_pid, *descendants(guardian_pid)]
    return ServerMemory(sum(map(_ram_bytes, pids)), _gpu_bytes(set(pids), nvidia_smi))


def _ram_bytes(pid: int) -> int:
    """Proportional where the kernel tells it, else resident."""
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/{name}").read_text("utf-8", "replace").splitlines():
                if line.startswith(key):
                    return int(line.split()[1]) * 1024
    return 0


def _gpu_bytes(pids: set[int], nvidia_smi: str) -> int | None:
    command = [nvidia_smi, "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
            errors="replace", stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    held = 0
    for row in csv.reader(done.stdout.splitlines(), skipinitialspace=True):
        if len(row) == 2 and row[0].isdigit() and row[1].isdigit() and int(row[0]) in pids:
            held += int(row[1]) * _MIB
    return held
