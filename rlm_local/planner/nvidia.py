"""The NVIDIA cards of this machine, asked of `nvidia-smi` (NVML's own front end).

A machine without the program, or on which it fails, has no cards; a note says why.
"""

import csv
import subprocess
from dataclasses import dataclass

__all__ = ["Gpu", "GpuReading", "read_gpus"]

_FIELDS = (
    "index",
    "uuid",
    "name",
    "memory.total",
    "memory.free",
    "compute_cap",
    "mig.mode.current",
    "display_active",
)
_TIMEOUT_S = 10.0
_MIB = 1 << 20
_LEAST_CAPABILITY = (7, 5)
"""vLLM's wheels of the CUDA 13 line start at Turing; CUDA 13 dropped what came before."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card. `free_bytes` is what no process holds now; a desktop's share is gone from it.

    `drives_display`: a desktop is shown on it, and may want more.
    """

    index: int
    uuid: str
    name: str
    total_bytes: int
    free_bytes: int
    compute_capability: tuple[int, int]
    drives_display: bool = False


@dataclass(frozen=True, slots=True)
class GpuReading:
    """The cards that can be used, and what was seen but cannot be."""

    usable: tuple[Gpu, ...] = ()
    notes: tuple[str, ...] = ()


def read_gpus(nvidia_smi: str, visible_devices: str | None) -> GpuReading:
    """Ask `nvidia-smi`; never raises.

    Args:
        nvidia_smi: the program, by name or path.
        visible_devices: as CUDA_VISIBLE_DEVICES, indices or UUIDs; `None` hides nothing.
    """
    command = [nvidia_smi, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
            errors="replace", stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        return GpuReading()
    except (OSError, subprocess.TimeoutExpired) as error:
        return GpuReading(notes=(f"{nvidia_smi} does not work: {error}",))
    if done.returncode:
        complaint = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
        return GpuReading(notes=(f"{nvidia_smi} failed: {complaint[0]}",))
    return _visible(_parse(done.stdout), visible_devices)


def _parse(table: str) -> GpuReading:
    gpus, notes = [], []
    for row in csv.reader(table.splitlines(), skipinitialspace=True):
        if len(row) != len(_FIELDS):
            continue
        cells = dict(zip(_FIELDS, map(str.strip, row), strict=True))
        complaint = _complaint(cells)
        if complaint:
            notes.append(f"GPU {cells['index']} ({cells['name']}) is left out: {complaint}")
        else:
            gpus.append(_gpu(cells))
    return GpuReading(tuple(sorted(gpus, key=lambda gpu: gpu.index)), tuple(notes))


def _complaint(cells: dict[str, str]) -> str | None:
    if not (cells["memory.total"].isdigit() and cells["memory.free"].isdigit()):
        return f"it does not tell its memory ({cells['memory.total']})"
    if cells["mig.mode.current"] == "Enabled":
        return "it is cut into MIG instances"
    capability = _capability(cells["compute_cap"])
    if capability < _LEAST_CAPABILITY:
        return f"compute capability {cells['compute_cap']}, vLLM needs 7.5"
    return None


def _gpu(cells: dict[str, str]) -> Gpu:
    return Gpu(
        index=int(cells["index"]),
        uuid=cells["uuid"],
        name=cells["name"],
        total_bytes=int(cells["memory.total"]) * _MIB,
        free_bytes=int(cells["memory.free"]) * _MIB,
        compute_capability=_capability(cells["compute_cap"]),
        drives_display=cells["display_active"] == "Enabled",
    )


def _capability(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def _visible(reading: GpuReading, visible_devices: str | None) -> GpuReading:
    """Like CUDA: what follows an entry it does not know is hidden too."""
    if visible_devices is None:
        return reading
    shown = []
    for wish in filter(None, map(str.strip, visible_devices.split(","))):
        found = [g for g in reading.usable if wish == str(g.index) or g.uuid.startswith(wish)]
        if len(found) != 1 or found[0] in shown:
            break
        shown.append(found[0])
    return GpuReading(tuple(shown), reading.notes)
