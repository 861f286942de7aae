from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.planner.fit import LEAST_WINDOW_TOKENS
from rlm_local.planner.hardware import Hardware
from rlm_local.planner.layout import Placement, Refusal, place
from rlm_local.planner.placement import fitting_stacks, plan
from tests.planner.imagined import GIB, MACHINES, REGISTRY, gpu, machine
from tests.unhurried import UNHURRIED


def _check_invariants(hardware: Hardware) -> None:
    for name in fitting_stacks(REGISTRY, hardware):
        placement = plan(REGISTRY, name, hardware)
        used_of_card: dict[str, int] = {}
        for server in placement.servers:
            model = REGISTRY.model(server.model)
            window_bytes = server.max_model_len * model.kv_bytes_per_token
            assert window_bytes < server.kv_cache_bytes, "one full sequence fits"
            assert server.max_model_len >= LEAST_WINDOW_TOKENS
            for card in server.gpus:
                used_of_card[card.uuid] = used_of_card.get(card.uuid, 0) + server.needed_bytes
        if placement.device == "cpu":
            assert placement.needed_bytes <= hardware.ram_available_bytes - GIB
        for card in hardware.gpus:
            kept = max(GIB, int(card.total_bytes * 0.05))
            assert used_of_card.get(card.uuid, 0) <= max(0, card.free_bytes - kept)


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_planned_is_free(name: str) -> None:
    _check_invariants(MACHINES[name])


@UNHURRIED
@given(
    st.floats(0, 64),
    st.lists(st.tuples(st.floats(1, 150), st.floats(0, 1)), max_size=3),
)
def test_what_is_planned_is_free_on_any_machine(
    free_gib: float, cards: list[tuple[float, float]]
) -> None:
    gpus = [gpu(n, total, total * free) for n, (total, free) in enumerate(cards)]

    _check_invariants(machine(free_gib, *gpus))


def test_one_model_in_both_roles_is_one_server() -> None:
    (server,) = plan(REGISTRY, "cpu-small", MACHINES["24 GiB, no GPU"]).servers

    assert server.roles == ("root", "worker")
    assert server.kv_cache_bytes == 2 * GIB
    assert server.max_model_len == 16384
    assert server.gpu_memory_utilization is None
    assert server.cpu_cores == (), "alone on the machine, vLLM binds its own threads"


def test_two_cpu_servers_have_disjoint_cores() -> None:
    root, worker = plan(REGISTRY, "cpu-pair", MACHINES["24 GiB, no GPU"]).servers

    assert (root.roles, worker.roles) == (("root",), ("worker",))
    assert root.cpu_cores == (0, 1, 2, 3)
    assert worker.cpu_cores == (4, 5, 6, 7)


def test_a_shared_server_takes_what_the_card_leaves() -> None:
    (server,) = plan(REGISTRY, "gpu-24gb", MACHINES["24 GB card"]).servers

    left = 23.5 - 24 * 0.05 - 17 - 1.7
    assert server.kv_cache_bytes == pytest.approx(left * GIB, rel=1e-6)
    assert server.max_model_len == 32768
    assert server.gpu_memory_utilization == 0.92  # (17 + 1.7 + 3.6) / 24, rounded down


def test_two_servers_on_one_card_share_what_is_left() -> None:
    root, worker = plan(REGISTRY, "gpu-80gb", machine(120, gpu(0, 80))).servers

    assert root.kv_cache_bytes == (4 * 65536 + 16) * 24576, "four windows and a block"
    assert worker.kv_cache_bytes > root.kv_cache_bytes, "the worker takes the rest"
    shares = (root.gpu_memory_utilization or 1) + (worker.gpu_memory_utilization or 1)
    assert shares <= 0.95


def test_a_root_leaves_a_worker_half_of_a_tight_card() -> None:
    root, worker = plan(REGISTRY, "gpu-48gb", MACHINES["48 GB card"]).servers

    assert root.kv_cache_bytes == pytest.approx(worker.kv_cache_bytes, rel=0.01)
    assert root.max_model_len == 65536


def test_a_full_window_for_each_comes_before_equal_shares() -> None:
    root, worker = plan(REGISTRY, "gpu-48gb", machine(60, gpu(0, 46.5))).servers

    assert root.kv_cache_bytes > worker.kv_cache_bytes
    assert (root.max_model_len, worker.max_model_len) == (65536, 16384)


def test_two_cards_take_a_server_each() -> None:
    root, worker = plan(REGISTRY, "gpu-48gb", MACHINES["two 48 GB cards"]).servers

    assert {card.index for card in (*root.gpus, *worker.gpus)} == {0, 1}


def test_the_root_goes_to_the_card_with_most_room() -> None:
    (server,) = plan(REGISTRY, "gpu-24gb", MACHINES["two 24 GB cards"]).servers

    assert server.gpus[0].index == 1


def test_two_servers_share_a_large_card_beside_a_small_one() -> None:
    root, worker = plan(REGISTRY, "gpu-48gb", machine(60, gpu(0, 4), gpu(1, 48))).servers

    assert (root.gpus[0].index, worker.gpus[0].index) == (1, 1)


def test_a_card_that_is_short_shortens_the_window_and_says_so() -> None:
    placement = plan(REGISTRY, "gpu-24gb", MACHINES["24 GB card under a desktop"])

    (server,) = placement.servers
    assert LEAST_WINDOW_TOKENS <= server.max_model_len < 32768
    assert server.max_model_len % 256 == 0
    assert placement.cuts == (
        f"window of coder-30b-awq cut from 32,768 to {server.max_model_len:,} tokens: "
        "its KV cache of 1.6 GiB holds 17,456",
    )


def test_memory_that_is_short_cuts_the_kv_cache_and_says_so() -> None:
    placement = plan(REGISTRY, "cpu-small", machine(8.5))

    assert "KV cache of one-and-half-b cut from 2.0 GiB to 1.5 GiB" in placement.cuts[0]
    assert placement.servers[0].max_model_len == 16384


def test_the_window_is_never_longer_than_the_models() -> None:
    stacks = {"long": REGISTRY.stacks["cpu-tiny"].model_copy(update={"max_model_len": 131072})}
    registry = REGISTRY.model_copy(update={"stacks": stacks})

    assert plan(registry, "long", machine(22)).servers[0].max_model_len == 32768


def test_a_window_asked_for_below_the_floor_is_served_as_asked() -> None:
    stacks = {"short": REGISTRY.stacks["cpu-tiny"].model_copy(update={"max_model_len": 2048})}
    registry = REGISTRY.model_copy(update={"stacks": stacks})

    assert plan(registry, "short", machine(22)).servers[0].max_model_len == 2048


def test_a_cpu_too_old_for_vllm_is_refused() -> None:
    found = place(REGISTRY, "cpu-tiny", replace(machine(22), cpu_level="none"))

    assert isinstance(found, Refusal)
    assert "AVX2" in found.reason


def test_a_refusal_says_what_it_would_take() -> None:
    found = place(REGISTRY, "gpu-24gb", machine(22))

    least = 17 + 1.7 + (8192 + 16) * 98304 / GIB
    assert isinstance(found, Refusal)
    assert found.needed_bytes == pytest.approx(least * GIB, rel=1e-6)


def test_a_layout_that_cuts_nothing_is_taken_before_one_that_cuts() -> None:
    # apart, the worker has 1.6 GiB left for KV cache, too little for its window
    hardware = machine(120, gpu(0, 120), gpu(1, 12.9, 11.9))

    found = place(REGISTRY, "gpu-80gb", hardware)

    assert isinstance(found, Placement)
    assert found.cuts == ()
    assert [server.gpus[0].index for server in found.servers] == [0, 0]
