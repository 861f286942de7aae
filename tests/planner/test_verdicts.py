"""The bundled stacks against recorded machines."""

from pathlib import Path

import pytest

from rlm_local.errors import PlacementError
from rlm_local.planner.hardware import Hardware
from rlm_local.planner.hardware_file import read_hardware
from rlm_local.planner.knowledge import Knowledge
from rlm_local.planner.placement import largest_fitting, plan
from rlm_local.planner.verdicts import Verdict, verdicts
from rlm_local.registry import load_registry
from tests.planner.imagined import gpu, machine

_MACHINES = Path(__file__).parent / "data" / "hardware"
_REGISTRY = load_registry()


TRAINED = {"gpu-rlm-8b", "gpu-rlm-30b", "gpu-evidence-4b"}
"""Stacks whose root was trained as one."""


def _machine(name: str) -> Hardware:
    return read_hardware(_MACHINES / f"{name}.json")


def _verdicts(hardware: Hardware) -> dict[str, Verdict]:
    return {one.stack: one for one in verdicts(_REGISTRY, hardware, Knowledge())}


@pytest.mark.parametrize(
    ("name", "largest", "fitting"),
    [
        ("container-4-cores", "cpu-small", set()),
        ("old-card", "cpu-small", set()),
        ("laptop-8gb", "gpu-8gb", {"gpu-8gb"}),
        (
            "workstation-rtx-4090-desktop", "gpu-24gb",
            {"gpu-8gb", "gpu-12gb", "gpu-16gb", "gpu-24gb"} | (TRAINED - {"gpu-rlm-30b"}),
        ),
        (
            "two-rtx-3090", "gpu-24gb",
            {"gpu-8gb", "gpu-12gb", "gpu-16gb", "gpu-24gb"} | (TRAINED - {"gpu-rlm-30b"}),
        ),
        (
            "server-h100-80gb", "gpu-80gb",
            {"gpu-8gb", "gpu-12gb", "gpu-16gb", "gpu-24gb", "gpu-48gb", "gpu-80gb"} | TRAINED,
        ),
    ],
)  # fmt: skip
def test_what_a_recorded_machine_runs(name: str, largest: str, fitting: set[str]) -> None:
    hardware = _machine(name)
    cpu_stacks = {"cpu-tiny-transformers", "cpu-tiny", "cpu-small"}

    found = _verdicts(hardware)

    assert list(found) == list(_REGISTRY.stacks), "each has its verdict"
    assert {stack for stack, one in found.items() if one.fits} == fitting | cpu_stacks
    assert largest_fitting(_REGISTRY, hardware) == largest


@pytest.mark.parametrize("path", sorted(_MACHINES.glob("*.json")), ids=lambda path: path.stem)
def test_every_change_that_is_suggested_fits(path: Path) -> None:
    hardware = read_hardware(path)

    for verdict in _verdicts(hardware).values():
        for words in verdict.alternatives:
            if " cards like GPU " in words:
                continue
            change = dict(part.split(": ") for part in words.split(", "))
            entry = _REGISTRY.stacks[verdict.stack].model_dump() | change
            if "kv_cache_dtype" in change:
                entry["worker_kv_cache_dtype"] = "fp8"
            if "max_model_len" in change:
                shorter = int(change["max_model_len"])
                entry["worker_max_model_len"] = min(shorter, entry["worker_max_model_len"])
            stack = type(_REGISTRY.stacks[verdict.stack]).model_validate(entry)
            changed = _REGISTRY.model_copy(update={"stacks": {verdict.stack: stack}})
            assert plan(changed, verdict.stack, hardware).stack == verdict.stack


def test_a_refusal_names_how_much_is_missing_and_what_would_fit() -> None:
    with pytest.raises(PlacementError) as caught:
        plan(_REGISTRY, "gpu-24gb", _machine("laptop-8gb"))

    message = str(caught.value)
    assert "12.9 GiB too little" in message
    assert message.endswith("would fit: gpu-8gb")


def test_a_smaller_quantisation_of_the_same_model_is_suggested() -> None:
    stacks = {"s": _REGISTRY.stacks["gpu-24gb"].model_copy(update={"root": "qwen3-4b"})}
    registry = _REGISTRY.model_copy(update={"stacks": stacks})

    with pytest.raises(
        PlacementError, match="fit with root: qwen3-4b-fp8 or with root: qwen3-4b-a"
    ):
        plan(registry, "s", machine(30, gpu(0, 9.5, 9.5)))


def test_an_fp8_cache_is_suggested_where_the_card_has_it_only() -> None:
    new, old = gpu(0, 20.2, 20.2), _machine("two-rtx-3090").gpus[0]

    with pytest.raises(PlacementError, match="would fit with kv_cache_dtype: fp8"):
        plan(_REGISTRY, "gpu-24gb", machine(60, new))
    with pytest.raises(PlacementError) as caught:
        plan(_REGISTRY, "gpu-48gb", machine(60, old))
    assert "fp8;" not in str(caught.value)


def test_more_cards_are_suggested_where_nothing_smaller_helps() -> None:
    with pytest.raises(PlacementError, match="would fit with 2 cards like GPU 0"):
        plan(_REGISTRY, "gpu-24gb", machine(60, gpu(0, 16, 15.6)))


def test_memory_does_not_help_where_there_is_no_card() -> None:
    verdict = _verdicts(_machine("container-4-cores"))["gpu-24gb"]

    assert verdict.refusal is not None
    assert verdict.refusal.short_bytes == 0
    assert verdict.alternatives == ()
