import re
from dataclasses import replace

import pytest

from rlm_local.errors import ConfigError, PlacementError
from rlm_local.planner.placement import choose_stack, fitting_stacks, largest_fitting, plan
from rlm_local.registry import Registry, load_registry
from tests.planner.imagined import MACHINES, REGISTRY, gpu, machine


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("24 GiB, no GPU", ["cpu-pair", "cpu-small", "cpu-tiny"]),
        ("8 GiB, no GPU", ["cpu-tiny"]),
        ("4 GiB, no GPU", []),
        ("8 GB card", ["cpu-pair", "cpu-small", "cpu-tiny"]),
        ("12 GB card", ["gpu-8gb"]),
        ("24 GB card", ["gpu-24gb", "gpu-8gb"]),
        ("24 GB card under a desktop", ["gpu-24gb", "gpu-8gb"]),
        ("24 GB card under a game", ["gpu-8gb", "gpu-24gb"]),  # a third of its window is left
        ("48 GB card", ["gpu-48gb", "gpu-24gb", "gpu-8gb"]),
        ("80 GB card", ["gpu-80gb", "gpu-48gb", "gpu-24gb", "gpu-8gb"]),
        ("two 48 GB cards", ["gpu-48gb", "gpu-24gb", "gpu-8gb"]),
    ],
)
def test_what_fits_where(name: str, fitting: list[str]) -> None:
    assert list(fitting_stacks(REGISTRY, MACHINES[name])) == fitting


@pytest.mark.parametrize(
    ("name", "stack", "message"),
    [
        (
            "8 GiB, no GPU",
            "cpu-small",
            r"stack cpu-small needs at least 6\.2 GiB \(one-and-half-b: weights 2\.9 GiB, overhead "
            r"3\.1 GiB, KV cache of 8,192 tokens 0\.2 GiB\); memory has 6\.0 GiB to give "
            r"\(7\.0 GiB free, 1\.0 GiB kept back\), 0\.2 GiB too little; would fit: cpu-tiny$",
        ),
        ("24 GiB, no GPU", "gpu-24gb", r"needs an NVIDIA GPU and none was found; would fit: cpu-"),
        ("24 GB card in use", "gpu-24gb", r"GPU 0 \(Card 24\) has 4\.8 GiB to give"),
        ("4 GiB, no GPU", "cpu-tiny", r"no other stack fits here either"),
    ],
)
def test_a_refusal_says_needed_free_and_what_would_fit(name: str, stack: str, message: str) -> None:
    with pytest.raises(PlacementError, match=message):
        plan(REGISTRY, stack, MACHINES[name])


def test_a_refusal_tells_why_a_card_was_left_out() -> None:
    hardware = replace(machine(22), notes=("GPU 0 (old) is left out: compute capability 6.1",))

    with pytest.raises(PlacementError, match=re.escape("compute capability 6.1")):
        plan(REGISTRY, "gpu-8gb", hardware)


def test_an_unknown_stack_names_the_near_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean 'cpu-tiny'"):
        plan(REGISTRY, "cpu-tin", machine(22))


@pytest.mark.parametrize(
    ("name", "present", "chosen"),
    [
        ("24 GiB, no GPU", {"half-b", "one-and-half-b"}, "cpu-pair"),
        ("24 GiB, no GPU", {"one-and-half-b"}, "cpu-small"),
        ("24 GiB, no GPU", {"half-b"}, "cpu-tiny"),
        ("80 GB card", {"coder-next-4bit", "four-b", "coder-30b-awq"}, "gpu-80gb"),
        ("80 GB card", {"coder-next-4bit", "coder-30b-awq"}, "gpu-24gb"),
        ("2 GB card", {"half-b"}, "cpu-tiny"),
    ],
)
def test_auto_takes_the_largest_that_fits_and_is_here(
    name: str, present: set[str], chosen: str
) -> None:
    assert choose_stack(REGISTRY, MACHINES[name], present.__contains__) == chosen


def test_auto_with_nothing_here_says_what_to_pull() -> None:
    with pytest.raises(PlacementError) as caught:
        choose_stack(REGISTRY, MACHINES["48 GB card"], {"four-b-fp8.old"}.__contains__)

    message = str(caught.value)
    assert "gpu-48gb" in message
    assert "`rlm-local pull dense-27b-fp8 && rlm-local pull four-b-fp8`" in message


def test_auto_asks_only_for_what_is_absent() -> None:
    with pytest.raises(PlacementError, match=r"run `rlm-local pull dense-27b-fp8`$"):
        choose_stack(_only("gpu-48gb"), MACHINES["48 GB card"], "four-b-fp8".__eq__)


def _only(*names: str) -> Registry:
    return REGISTRY.model_copy(update={"stacks": {n: REGISTRY.stacks[n] for n in names}})


def test_nothing_fits_says_what_the_smallest_needs() -> None:
    hardware = MACHINES["4 GiB, no GPU"]

    with pytest.raises(PlacementError, match=r"no stack fits .*3\.2 GiB.* cpu-tiny needs"):
        largest_fitting(REGISTRY, hardware)
    with pytest.raises(PlacementError, match=r"no stack fits .*3\.2 GiB.* cpu-tiny needs"):
        choose_stack(REGISTRY, hardware, lambda _: True)


def test_the_largest_that_fits_needs_no_weights() -> None:
    assert largest_fitting(REGISTRY, MACHINES["80 GB card"]) == "gpu-80gb"


_BUNDLED = load_registry()
_PRESETS = [name for name, stack in _BUNDLED.stacks.items() if stack.vram_gib]


@pytest.mark.parametrize("name", _PRESETS)
def test_a_bundled_preset_keeps_its_window_on_the_card_it_is_made_for(name: str) -> None:
    card_gib = _BUNDLED.stacks[name].vram_gib or 0
    # cards have a little less than their name says, and a driver holds some of it
    hardware = machine(64, gpu(0, 0.998 * card_gib, 0.998 * card_gib - 0.4))

    placement = plan(_BUNDLED, name, hardware)

    assert [cut for cut in placement.cuts if cut.startswith("window")] == []
    assert largest_fitting(_BUNDLED, hardware) == name


@pytest.mark.parametrize(
    ("name", "card_gib"), [("gpu-rlm-8b", 24), ("gpu-rlm-30b", 80), ("gpu-evidence-4b", 16)]
)
def test_a_root_trained_as_one_fits_but_is_not_taken_before_a_preset(
    name: str, card_gib: float
) -> None:
    hardware = machine(64, gpu(0, 0.998 * card_gib, 0.998 * card_gib - 0.4))
    placement = plan(_BUNDLED, name, hardware)
    assert [cut for cut in placement.cuts if cut.startswith("window")] == []
    found = choose_stack(_BUNDLED, hardware, lambda model: True)
    assert found in _PRESETS
    root = _BUNDLED.stacks[name].root
    assert choose_stack(_BUNDLED, hardware, root.__eq__) == name


def test_a_registry_without_stacks_is_told() -> None:
    with pytest.raises(PlacementError, match="names no stack"):
        largest_fitting(_only(), machine(22))
