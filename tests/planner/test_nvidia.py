import pytest

from tests.planner.machine_on_disk import MachineOnDisk

_MIB = 1 << 20

_RTX_4090 = "0, GPU-a1b2c3d4, NVIDIA GeForce RTX 4090, 24564, 23012, 8.9, [N/A], Enabled"
_H100 = "1, GPU-e5f60718, NVIDIA H100 80GB HBM3, 81559, 81008, 9.0, Disabled, Disabled"


def test_no_nvidia_smi_is_no_gpu_and_no_complaint(machine: MachineOnDisk) -> None:
    found = machine.probe()

    assert (found.gpus, found.notes) == ((), ())


def test_cards_are_read_with_what_is_free(machine: MachineOnDisk) -> None:
    machine.with_smi(f"{_H100}\n{_RTX_4090}")

    first, second = machine.probe().gpus
    assert first.name == "NVIDIA GeForce RTX 4090"
    assert first.compute_capability == (8, 9)
    assert first.free_bytes == 23012 * _MIB
    assert second.total_bytes == 81559 * _MIB
    assert second.uuid == "GPU-e5f60718"
    assert (first.drives_display, second.drives_display) == (True, False)


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        (None, [0, 1]),
        ("1", [1]),
        ("1,0", [1, 0]),
        ("GPU-e5f6", [1]),
        ("", []),
        ("-1", []),
        ("0,7,1", [0]),  # as CUDA: what follows an unknown entry is hidden
        ("GPU-", []),  # not one card's
    ],
)
def test_hidden_cards_are_not_used(
    machine: MachineOnDisk, visible: str | None, indices: list[int]
) -> None:
    machine.with_smi(f"{_RTX_4090}\n{_H100}")
    machine.visible = visible

    assert [gpu.index for gpu in machine.probe().gpus] == indices


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("0, GPU-x, Tesla V100, 16160, 16000, 7.0, [N/A], Disabled", "compute capability 7.0"),
        ("0, GPU-x, NVIDIA GB10, [N/A], [N/A], 12.1, [N/A], Disabled", "does not tell its memory"),
        ("0, GPU-x, NVIDIA H100, 81559, 81000, 9.0, Enabled, Disabled", "MIG"),
    ],
)
def test_a_card_that_cannot_be_used_is_left_out_with_the_reason(
    machine: MachineOnDisk, row: str, reason: str
) -> None:
    machine.with_smi(row)

    found = machine.probe()
    assert found.gpus == ()
    assert reason in found.notes[0]


def test_a_failing_nvidia_smi_is_a_note_with_its_words(machine: MachineOnDisk) -> None:
    machine.with_smi("NVIDIA-SMI has failed because it couldn't communicate", status=9)

    found = machine.probe()
    assert found.gpus == ()
    assert "couldn't communicate" in found.notes[0]


def test_an_nvidia_smi_that_cannot_run_is_a_note(machine: MachineOnDisk) -> None:
    machine.write("nvidia-smi", "no program")

    assert "does not work" in machine.probe().notes[0]


def test_garbage_from_nvidia_smi_is_no_gpu(machine: MachineOnDisk) -> None:
    machine.with_smi('hello\n"\n0, a, b')

    assert machine.probe().gpus == ()
