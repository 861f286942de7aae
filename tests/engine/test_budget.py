import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.engine.budget import Budget
from rlm_local.errors import LimitExceeded
from rlm_local.types import Limits, Usage
from tests.fakes.parts import HandClock


def _budget(**limits: float) -> Budget:
    return Budget(Limits(**limits), "root", HandClock())  # type: ignore[arg-type]  # ints and floats by name


def test_turns_are_a_runs_own() -> None:
    parent = _budget(max_turns=2)
    child = parent.child("child", Limits(max_turns=1))
    assert child.take_turn() == 1
    with pytest.raises(LimitExceeded) as spent:
        child.take_turn()
    assert (spent.value.limit, spent.value.owner) == ("max_turns", "child")
    assert parent.turns == 0
    assert (parent.turns_left, child.turns_left) == (2, 0)


def test_a_childs_spending_stops_the_root() -> None:
    parent = _budget(max_subcalls=2)
    child = parent.child("child", Limits(max_subcalls=None))
    child.reserve(0, subcalls=2)
    with pytest.raises(LimitExceeded) as spent:
        child.reserve(0, subcalls=1)
    assert spent.value.owner == "root"
    with pytest.raises(LimitExceeded):
        parent.check()
    with pytest.raises(LimitExceeded):
        child.check()


def test_a_childs_own_limit_does_not_stop_its_parent() -> None:
    parent = _budget(max_subcalls=10)
    child = parent.child("child", Limits(max_subcalls=1))
    with pytest.raises(LimitExceeded) as spent:
        child.reserve(0, subcalls=2)
    assert spent.value.owner == "child"
    parent.check()
    assert parent.subcalls == 0
    assert (parent.subcalls_left, child.subcalls_left) == (10, 1)


def test_the_topmost_limit_is_named_first() -> None:
    parent = _budget(max_subcalls=0)
    child = parent.child("child", Limits(max_subcalls=0))
    with pytest.raises(LimitExceeded) as spent:
        child.reserve(0, subcalls=1)
    assert spent.value.owner == "root"


def test_calls_under_way_hold_their_tokens() -> None:
    budget = _budget(max_tokens=100)
    held = budget.reserve(60)
    with pytest.raises(LimitExceeded, match="up to 60 tokens"):
        budget.reserve(60)
    budget.settle(held, "worker", Usage(10, 0, 5))
    assert budget.usage.worker == Usage(10, 0, 5)
    budget.reserve(85)


async def test_a_call_waits_while_others_may_give_tokens_back() -> None:
    budget = _budget(max_tokens=100)
    held = budget.reserve(60)
    waiting = asyncio.ensure_future(budget.reserve_soon(60))
    cancelled = asyncio.ensure_future(budget.reserve_soon(60))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.settle(held, "root", Usage(20, 0, 0))
    assert (await waiting).tokens == 60
    budget.check()


async def test_a_call_that_can_never_fit_does_not_wait() -> None:
    budget = _budget(max_tokens=100)
    budget.reserve(60)
    with pytest.raises(LimitExceeded):
        await budget.reserve_soon(101)


def test_time_is_checked_at_every_step() -> None:
    clock = HandClock()
    budget = Budget(Limits(max_seconds=5), "root", clock)
    child = budget.child("child", Limits(max_seconds=60))
    clock.time_s += 4
    assert child.remaining_s() == 1
    child.check()
    clock.time_s += 1
    for step in (child.check, child.take_turn, lambda: child.reserve(1)):
        with pytest.raises(LimitExceeded) as spent:
            step()
        assert (spent.value.limit, spent.value.owner) == ("max_seconds", "root")
    assert budget.seconds == 5


async def test_the_deadline_cuts_a_block_and_says_whose_it_was() -> None:
    budget = _budget(max_seconds=0.01)
    child = budget.child("child", Limits(max_seconds=60))
    with pytest.raises(LimitExceeded) as spent:
        async with child.within_time():
            await asyncio.sleep(60)
    assert (spent.value.limit, spent.value.owner) == ("max_seconds", "root")


async def test_a_blocks_own_timeout_is_not_a_limit() -> None:
    for limit in (None, 60):
        budget = Budget(Limits(max_seconds=limit), "root", HandClock())
        with pytest.raises(TimeoutError):
            async with budget.within_time():
                raise TimeoutError("of the block")


def test_without_limits_nothing_is_counted_out() -> None:
    budget = Budget(Limits(max_subcalls=None), "root", HandClock())
    assert budget.subcalls_left is None
    assert budget.remaining_s() is None
    assert not budget.counts_tokens
    assert budget.child("c", Limits(max_tokens=5)).counts_tokens
    budget.reserve(10**9, subcalls=10**6)
    budget.check()


def test_cached_subcalls_cost_nothing() -> None:
    parent = _budget(max_subcalls=1)
    child = parent.child("child", Limits())
    child.reserve(0, subcalls=1)
    child.book_cached(5)
    assert (parent.subcalls, parent.cached_subcalls) == (6, 5)
    assert parent.subcalls_left == 0


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 40), st.integers(0, 2), st.integers(0, 40), st.booleans()
    ),
    max_size=30,
)


@given(STEPS, st.integers(0, 200), st.integers(0, 10), st.integers(0, 100))
def test_children_never_spend_more_than_any_parent_has(
    steps: list[tuple[int, int, int, int, bool]], tokens: int, subcalls: int, child_tokens: int
) -> None:
    clock = HandClock()
    root = Budget(Limits(max_tokens=tokens, max_subcalls=subcalls), "root", clock)
    middle = root.child("middle", Limits(max_tokens=child_tokens, max_subcalls=None))
    nodes = [root, middle, middle.child("a", Limits()), middle.child("b", Limits(max_tokens=50))]
    for at, wanted, calls, used, is_root in steps:
        try:
            held = nodes[at].reserve(wanted, subcalls=calls)
        except LimitExceeded:
            continue
        prompt = min(used, wanted)
        nodes[at].settle(held, "root" if is_root else "worker", Usage(prompt, 0, 0))
    for node in nodes:
        spent = node.usage.root.total_tokens + node.usage.worker.total_tokens
        assert node.limits.max_tokens is None or spent <= node.limits.max_tokens
        assert (root.subcalls_left or 0) >= 0
    assert root.subcalls <= subcalls
    assert root.usage.root.total_tokens >= middle.usage.root.total_tokens
    assert middle.subcalls >= nodes[2].subcalls + nodes[3].subcalls
