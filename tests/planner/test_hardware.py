from pathlib import Path

import pytest

from rlm_local.errors import PlacementError
from rlm_local.planner.hardware import HardwareSources, probe
from tests.planner.machine_on_disk import MachineOnDisk

_KIB = 1 << 10


def test_memory_is_what_the_kernel_calls_available(machine: MachineOnDisk) -> None:
    found = machine.probe()

    assert found.ram_total_bytes == 24684092 * _KIB
    assert found.ram_available_bytes == 13086392 * _KIB


def test_an_old_kernel_without_memavailable_is_estimated_from_free_and_cache(
    machine: MachineOnDisk,
) -> None:
    machine.write("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 300 kB\nCached: 200 kB\n")

    assert machine.probe().ram_available_bytes == 500 * _KIB


def test_siblings_are_one_physical_core(machine: MachineOnDisk) -> None:
    found = machine.probe()

    assert found.cores == ((0, 2), (1, 3))
    assert found.n_logical_cores == 4
    assert found.cpu_level == "avx512_bf16"


def test_cores_outside_the_affinity_do_not_count(machine: MachineOnDisk) -> None:
    machine.cores = frozenset({2, 3})

    assert machine.probe().cores == ((2,), (3,))


def test_cores_that_cpuinfo_does_not_place_stand_alone(machine: MachineOnDisk) -> None:
    machine.write("proc/cpuinfo", "processor : 0\nFeatures : fp asimd\n\nprocessor : 1\n")

    found = machine.probe()
    assert found.cores == ((0,), (1,), (2,), (3,))
    assert found.cpu_level == "neon"


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("sse2", "none"),
        ("avx avx2", "avx2"),
        ("avx2 avx512f", "avx512"),
        ("avx2 avx512f avx512_bf16", "avx512_bf16"),
        ("avx2 avx512f avx512_bf16 amx_tile amx_bf16", "amx"),
    ],
)
def test_the_level_is_the_best_the_flags_hold(
    machine: MachineOnDisk, flags: str, level: str
) -> None:
    machine.write("proc/cpuinfo", f"processor : 0\nflags : fpu {flags}\n")

    assert machine.probe().cpu_level == level


def test_a_machine_without_proc_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(PlacementError, match="meminfo: No such file"):
        probe(HardwareSources(proc=tmp_path))


def test_this_machine_can_be_probed() -> None:
    found = probe()

    assert 0 < found.ram_available_bytes <= found.ram_total_bytes
    assert found.n_logical_cores > 0
