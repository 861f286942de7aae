import random

import pytest

from rlm_local.sandbox.child.agreed_labels import FEWEST, are_first
from rlm_local.sandbox.child.label_words import Words

SHARED = [f"both{n}" for n in range(40)]
OWN = {True: [f"first{n}" for n in range(15)], False: [f"second{n}" for n in range(15)]}


def drawn(
    n_first: int, n_second: int, *, lean: float, strength: float, words: bool = True, seed: int = 1
) -> tuple[list[Words], list[float], list[bool]]:
    """Texts, log-odds about them with noise of one nat, and the truth."""
    generator = random.Random(f"agreed {seed}")
    truth = [True] * n_first + [False] * n_second
    generator.shuffle(truth)
    texts, odds = [], []
    for is_first in truth:
        own = OWN[is_first] if words else SHARED
        texts.append(frozenset(generator.sample(own, 4) + generator.sample(SHARED, 4)))
        odds.append((strength if is_first else -strength) + lean + generator.gauss(0, 1))
    return texts, odds, truth


def right(found: list[bool], truth: list[bool]) -> float:
    return sum(one == other for one, other in zip(found, truth, strict=True)) / len(truth)


@pytest.mark.parametrize("lean", [-3.0, -2.0, 2.0, 3.0])
@pytest.mark.parametrize(("n_first", "n_second"), [(60, 60), (30, 90), (100, 20)])
def test_a_lean_is_found_where_words_tell_the_sides_apart(
    n_first: int, n_second: int, lean: float
) -> None:
    texts, odds, truth = drawn(n_first, n_second, lean=lean, strength=1.2)
    at_zero = right([one > 0 for one in odds], truth)
    assert right(are_first(texts, odds), truth) >= max(0.9, at_zero + 0.05)


def test_words_mend_what_a_worker_says_of_one_text_by_mistake() -> None:
    texts, odds, truth = drawn(100, 100, lean=0, strength=1.0)
    assert right([one > 0 for one in odds], truth) < 0.9
    assert right(are_first(texts, odds), truth) > 0.97


def test_words_that_say_nothing_change_little() -> None:
    for seed in range(5):
        texts, odds, truth = drawn(80, 80, lean=0, strength=2.0, words=False, seed=seed)
        at_zero = right([one > 0 for one in odds], truth)
        assert right(are_first(texts, odds), truth) > at_zero - 0.03


def test_a_worker_that_is_sure_is_not_contradicted() -> None:
    texts, odds, _ = drawn(80, 80, lean=0, strength=12.0)
    swapped = [texts[-1 - at] for at in range(len(texts))]
    assert are_first(swapped, odds) == [one > 0 for one in odds]


def test_few_texts_or_few_of_one_side_stay_as_the_worker_says() -> None:
    texts, odds, _ = drawn(10, FEWEST - 11, lean=-2, strength=1.0)
    assert are_first(texts, odds) == [one > 0 for one in odds]
    assert are_first([frozenset({"a"})] * 60, [9.0] * 58 + [-9.0] * 2) == [True] * 58 + [False] * 2
    assert are_first([frozenset({"a"})] * 60, [1.0] * 60) == [True] * 60
    assert are_first([], []) == []
