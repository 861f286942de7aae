import itertools
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.two_clusters import FEWEST_VALUES, best_split, clear_border

_numbers = st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=12)


def drawn(n: int, centre: float, spread: float = 1.0, seed: int = 0) -> list[float]:
    generator = random.Random(f"{n} {centre} {seed}")
    return [generator.gauss(centre, spread) for _ in range(n)]


@given(_numbers)
def test_no_other_border_leaves_less_variance_within(values: list[float]) -> None:
    split = best_split(values)
    if len(set(values)) < 2:
        assert split is None
        return
    assert split is not None
    low = [value for value in values if value < split.border]
    high = [value for value in values if value > split.border]
    assert (len(low), len(high)) == (split.n_low, split.n_high)
    least = min(
        _within([value for value in values if value <= border])
        + _within([value for value in values if value > border])
        for border in itertools.islice(sorted(set(values)), len(set(values)) - 1)
    )
    assert _within(low) + _within(high) == pytest.approx(least)
    assert 0 <= split.explained <= 1.0000001


def _within(values: list[float]) -> float:
    return statistics.pvariance(values) * len(values) if values else 0.0


@pytest.mark.parametrize("n_low", [50, 17, 83])
def test_two_heaps_are_cut_between_them_wherever_zero_lies(n_low: int) -> None:
    border = clear_border(drawn(n_low, 4.0) + drawn(100 - n_low, 11.0))
    assert border is not None
    assert 6 < border < 9


@pytest.mark.parametrize("seed", range(20))
def test_one_heap_is_left_alone(seed: int) -> None:
    assert clear_border(drawn(100, 3.0, seed=seed)) is None


def test_few_values_and_a_lone_stray_are_left_alone() -> None:
    heaps = drawn(9, -6.0) + drawn(9, 6.0)
    assert clear_border(heaps) is None
    assert clear_border(heaps * 2) is not None
    assert clear_border([*drawn(60, 0.0, 0.1), 40.0]) is None
    assert clear_border([1.0] * FEWEST_VALUES) is None
    assert clear_border([]) is None
