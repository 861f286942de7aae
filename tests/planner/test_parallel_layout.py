"""Stacks over several cards: cut over them, side by side on them, or where the entry says."""

from dataclasses import replace

import pytest

from rlm_local.errors import PlacementError
from rlm_local.planner.hardware import Hardware
from rlm_local.planner.layout import Placement, place
from rlm_local.planner.placement import plan
from rlm_local.registry import Registry, StackSpec, load_registry
from tests.planner.imagined import GIB, REGISTRY, gpu, machine

_BUNDLED = load_registry()


def _cards(*sizes_gib: float) -> Hardware:
    return machine(120, *(gpu(n, size, size - 0.4) for n, size in enumerate(sizes_gib)))


def _with(registry: Registry, **stacks: StackSpec) -> Registry:
    return registry.model_copy(update={"stacks": stacks})


def test_a_model_too_large_for_one_card_is_cut_over_two() -> None:
    (server,) = plan(_BUNDLED, "gpu-24gb", _cards(16, 16)).servers

    assert server.tensor_parallel_size == 2
    assert {card.index for card in server.gpus} == {0, 1}
    assert server.weight_bytes == 18_100_000_000 // 2
    assert server.kv_bytes_per_token == 98304 // 2
    assert server.max_model_len == 32768


def test_a_model_that_fits_one_card_stays_on_it() -> None:
    (server,) = plan(_BUNDLED, "gpu-24gb", _cards(24, 24)).servers

    assert server.tensor_parallel_size == len(server.gpus) == 1


def test_a_whole_window_on_two_cards_comes_before_half_of_it_on_one() -> None:
    # one card could serve a shorter window
    (server,) = plan(_BUNDLED, "gpu-24gb", _cards(22.5, 22.5)).servers

    assert (server.tensor_parallel_size, server.max_model_len) == (2, 32768)


def test_three_cards_are_used_as_two() -> None:
    (server,) = plan(_BUNDLED, "gpu-24gb", _cards(16, 16, 16)).servers

    assert server.tensor_parallel_size == 2


def test_heads_that_do_not_divide_forbid_it() -> None:
    config = {**_BUNDLED.models["qwen3-coder-30b-a3b-awq"].config, "num_attention_heads": 7}
    odd = _BUNDLED.models["qwen3-coder-30b-a3b-awq"].model_copy(update={"config": config})
    registry = _BUNDLED.model_copy(
        update={"models": {**_BUNDLED.models, "qwen3-coder-30b-a3b-awq": odd}}
    )

    with pytest.raises(PlacementError, match="too little"):
        plan(registry, "gpu-24gb", _cards(16, 16))


def test_a_model_of_unknown_shape_is_not_cut() -> None:
    with pytest.raises(PlacementError, match="too little"):
        plan(REGISTRY, "gpu-24gb", _cards(16, 16))


def test_a_large_root_takes_two_cards_and_leaves_the_third_to_the_worker() -> None:
    root, worker = plan(_BUNDLED, "gpu-48gb", _cards(24, 24, 24)).servers

    assert root.tensor_parallel_size == 2
    assert worker.tensor_parallel_size == 1
    assert not {card.uuid for card in root.gpus} & {card.uuid for card in worker.gpus}


def test_root_and_worker_are_both_cut_over_the_same_cards_if_they_must() -> None:
    root, worker = plan(_BUNDLED, "gpu-48gb", _cards(32, 32)).servers

    assert root.tensor_parallel_size == worker.tensor_parallel_size == 2
    assert root.gpus == worker.gpus
    card = root.gpus[0]
    assert root.needed_bytes + worker.needed_bytes <= card.free_bytes - GIB
    shares = (root.gpu_memory_utilization or 1) + (worker.gpu_memory_utilization or 1)
    assert shares <= 0.97


def test_the_tightest_of_unequal_cards_decides() -> None:
    hardware = machine(120, gpu(0, 24, 23.6), gpu(1, 24, 19))

    found = place(_BUNDLED, "gpu-48gb", hardware)

    assert not isinstance(found, Placement)
    assert "GPU 1 (Card 24)" in found.reason


def test_the_entry_can_say_how_many_cards() -> None:
    stack = _BUNDLED.stacks["gpu-24gb"].model_copy(update={"tensor_parallel": 2})

    (server,) = plan(_with(_BUNDLED, s=stack), "s", _cards(24, 24)).servers
    assert server.tensor_parallel_size == 2

    with pytest.raises(PlacementError, match=r"on 2\): there are 1 usable cards"):
        plan(_with(_BUNDLED, s=stack), "s", _cards(24))


def test_the_entry_can_say_which_cards() -> None:
    stack = StackSpec(
        root="qwen3-14b-awq", worker="qwen3-4b-fp8", gpus=(2,), worker_gpus=(0,),
        max_model_len=16384,
    )  # fmt: skip

    root, worker = plan(_with(_BUNDLED, s=stack), "s", _cards(24, 24, 24)).servers
    assert [card.index for card in (*root.gpus, *worker.gpus)] == [2, 0]

    with pytest.raises(PlacementError, match="qwen3-14b-awq on 1 of GPU 2"):
        plan(_with(_BUNDLED, s=stack), "s", _cards(24, 24))


def test_an_fp8_cache_holds_twice_the_tokens() -> None:
    stack = _BUNDLED.stacks["gpu-24gb"]
    halved = stack.model_copy(update={"kv_cache_dtype": "fp8"})
    registry = _with(_BUNDLED, plain=stack, halved=halved)

    (plain,) = plan(registry, "plain", _cards(24)).servers
    (small,) = plan(registry, "halved", _cards(24)).servers

    assert small.kv_cache_dtype == "fp8"
    assert small.kv_cache_tokens == pytest.approx(2 * plain.kv_cache_tokens, rel=0.01)


def test_a_card_too_old_for_an_fp8_cache_gets_none_and_it_is_told() -> None:
    stack = _BUNDLED.stacks["gpu-24gb"].model_copy(update={"kv_cache_dtype": "fp8"})
    old = replace(gpu(0, 24, 23.5), compute_capability=(8, 6))

    placement = plan(_with(_BUNDLED, s=stack), "s", machine(60, old))

    assert placement.servers[0].kv_cache_dtype == "auto"
    assert "needs compute capability 8.9, and the card has 8.6" in placement.cuts[0]


def test_a_card_that_shows_a_desktop_keeps_more_free() -> None:
    bare = gpu(0, 24, 23.5)
    shown = replace(bare, drives_display=True)

    (without,) = plan(_BUNDLED, "gpu-16gb", machine(60, bare)).servers
    (beside,) = plan(_BUNDLED, "gpu-16gb", machine(60, shown)).servers

    assert without.kv_cache_bytes - beside.kv_cache_bytes == 3 * GIB // 4


def test_larger_steps_and_more_sequences_take_more_overhead() -> None:
    stack = _BUNDLED.stacks["gpu-16gb"]
    large = stack.model_copy(update={"max_num_batched_tokens": 16384})
    wide = stack.model_copy(update={"max_num_seqs": 512})
    registry = _with(_BUNDLED, plain=stack, large=large, wide=wide)

    plain, larger, wider = (
        plan(registry, name, _cards(24)).servers[0] for name in ("plain", "large", "wide")
    )

    assert larger.overhead_bytes > plain.overhead_bytes + GIB
    assert wider.overhead_bytes > plain.overhead_bytes + GIB
    assert larger.max_num_batched_tokens == 16384


@pytest.mark.parametrize(
    ("stack", "sizes", "at_once"),
    [
        ("gpu-24gb", (24,), 7),  # cache decides: 8,192 tokens are left to the root
        ("gpu-24gb", (80,), 14),  # sequences decide: two are left to the root
        ("gpu-80gb", (80,), 18),  # a worker alone
    ],
)
def test_sub_calls_at_once_wait_for_nothing(
    stack: str, sizes: tuple[float, ...], at_once: int
) -> None:
    servers = plan(_BUNDLED, stack, _cards(*sizes)).servers

    assert servers[-1].worker_concurrency == at_once
    assert servers[0].worker_concurrency == (at_once if len(servers) == 1 else 0)
