import os

import pytest

from rlm_local.sandbox.memory_watch import (
    MachineMemory,
    MemoryWatch,
    machine_memory,
    process_memory,
)

MIB = 1 << 20
ENOUGH = MachineMemory(64 << 30, 32 << 30)
SHORT = MachineMemory(64 << 30, 1 << 30)


def _watch(machine: MachineMemory, resident_mib: dict[int, int]) -> MemoryWatch:
    watch = MemoryWatch(
        machine=lambda: machine, process=lambda pid: (resident_mib[pid] * MIB, 1000 * MIB)
    )
    for pid in resident_mib:
        watch.add(pid)
    return watch


def test_what_is_within_its_limit_may_stay() -> None:
    assert _watch(ENOUGH, {1: 1099}).why_too_much(1) is None


def test_more_than_a_tenth_over_its_limit_is_too_much() -> None:
    why = _watch(ENOUGH, {1: 1101}).why_too_much(1)
    assert why == "out of memory: it held 1,101 MiB, and its limit is 1,000 MiB"


@pytest.mark.parametrize("machine", [SHORT, MachineMemory(2 << 30, 511 << 20)])
def test_where_the_machine_runs_short_the_largest_goes(machine: MachineMemory) -> None:
    watch = _watch(machine, {1: 700, 2: 800, 3: 300})
    assert [pid for pid in (1, 2, 3) if watch.why_too_much(pid)] == [2]
    assert "this machine has" in (watch.why_too_much(2) or "")


def test_those_that_run_no_cell_do_not_shield_one_that_does() -> None:
    watch = _watch(SHORT, {1: 700, 2: 800})
    watch.discard(2)
    assert watch.why_too_much(1) is not None


def test_a_small_one_is_not_blamed_for_a_machine_without_memory() -> None:
    assert _watch(SHORT, {1: 100}).why_too_much(1) is None


def test_a_twentieth_of_a_large_machine_is_kept_free() -> None:
    keep = (64 << 30) // 20
    assert _watch(MachineMemory(64 << 30, keep + 1), {1: 700}).why_too_much(1) is None
    assert _watch(MachineMemory(64 << 30, keep - 1), {1: 700}).why_too_much(1) is not None


def test_the_kernels_figures_are_read() -> None:
    machine = machine_memory()
    assert 0 < machine.available_bytes <= machine.total_bytes
    resident, _ = process_memory(os.getpid())
    assert resident > MIB
    assert process_memory(1 << 30) == (0, None)
