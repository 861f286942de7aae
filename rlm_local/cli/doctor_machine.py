"""What `rlm-local doctor` checks besides the sandbox: memory, cards, packages, disk, servers.

Repairs nothing but records of servers that are gone.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from rlm_local.cli.doctor_packages import Check, ThisEnvironment, package_checks
from rlm_local.config import Home
from rlm_local.errors import PlacementError, RlmError
from rlm_local.planner.hardware import Hardware, probe
from rlm_local.registry import Registry, load_registry
from rlm_local.weights.store import WeightStore

__all__ = ["machine_checks"]

_GB = 10**9
_LOW_DISK_BYTES = 5 * _GB


def machine_checks(models_file: Path | None) -> Iterator[Check]:
    """Each as soon as it is done; those of packages take seconds.

    Raises:
        ConfigError: the models file cannot be read as one.
    """
    registry = load_registry(models_file)
    hardware, memory = _memory()
    yield memory
    yield from _cards(hardware)
    yield from package_checks(ThisEnvironment(), has_gpu=bool(hardware and hardware.gpus))
    home = Home.from_environment()
    disk = _disk(home.root)
    yield disk
    if disk.level != "fail":
        store = WeightStore(home.folder("weights"), registry)
        yield from _weights(registry, store)
        if hardware:
            yield _stack(registry, hardware, store)
        yield _servers(home)


def _memory() -> tuple[Hardware | None, Check]:
    try:
        hardware = probe()
    except PlacementError as error:
        return None, Check("memory", "fail", str(error), "run on Linux with /proc mounted")
    gib = 1 << 30
    detail = (
        f"{hardware.ram_available_bytes / gib:.1f} of {hardware.ram_total_bytes / gib:.1f} GiB "
        f"free, {hardware.n_logical_cores} logical cores, {hardware.cpu_level}"
    )
    if hardware.cpu_level == "none":
        return hardware, Check("memory", "warn", f"{detail}: too old for vLLM on the CPU")
    return hardware, Check("memory", "ok", detail)


def _cards(hardware: Hardware | None) -> Iterator[Check]:
    if hardware is None:
        return
    gib = 1 << 30
    for gpu in hardware.gpus:
        free, total = gpu.free_bytes / gib, gpu.total_bytes / gib
        yield Check("gpu", "ok", f"{gpu.index}: {gpu.name}, {free:.1f} of {total:.1f} GiB free")
    if not hardware.gpus:
        yield Check("gpu", "ok", "none: models are served on the CPU")
    for note in hardware.notes:
        yield Check("gpu", "warn", note)


def _disk(root: Path) -> Check:
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    if not os.access(place, os.W_OK):
        return Check(
            "disk", "fail", f"cannot write to {place}", "set RLM_LOCAL_HOME to a folder of yours"
        )
    free = shutil.disk_usage(place).free
    detail = f"{free / _GB:.0f} GB free in {root}"
    if free < _LOW_DISK_BYTES:
        return Check("disk", "warn", detail, "free some, or set RLM_LOCAL_HOME to another disk")
    return Check("disk", "ok", detail)


def _weights(registry: Registry, store: WeightStore) -> Iterator[Check]:
    states = {model: store.state(model) for model in registry.models}
    present = [model for model, state in states.items() if state == "present"]
    if present:
        yield Check("weights", "ok", ", ".join(present))
    else:
        yield Check("weights", "warn", "none yet", "rlm-local pull cpu-small")
    for model, state in states.items():
        if state == "incomplete":
            yield Check("weights", "warn", f"{model} is incomplete", f"rlm-local pull {model}")


def _stack(registry: Registry, hardware: Hardware, store: WeightStore) -> Check:
    from rlm_local.planner.placement import choose_stack

    try:
        return Check("stack", "ok", f"auto is {choose_stack(registry, hardware, store.is_present)}")
    except RlmError as error:
        return Check("stack", "warn", f"auto finds none: {error}")


def _servers(home: Home) -> Check:
    from rlm_local.serving.server_records import ServerRecords

    folder = home.folder("servers")
    before = len(list(folder.glob("*.json")))
    try:
        up = ServerRecords(folder).all()  # ends what is left of servers that are gone
    except RlmError as error:
        return Check("servers", "warn", str(error))
    if gone := before - len(up):
        return Check("servers", "warn", f"{gone} records of servers that are gone were removed")
    return Check("servers", "ok", ", ".join(record.stack for record in up) or "none up")
