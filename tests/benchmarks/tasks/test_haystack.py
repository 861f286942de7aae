import random
import tracemalloc
from collections.abc import Iterator
from itertools import islice, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tasks.haystack import (
    Hidden,
    cycled,
    hide,
    passages,
    sentences_of,
    shuffled_places,
)
from tests.unhurried import UNHURRIED


def _numbered() -> Iterator[str]:
    return (f"Sentence-{number}-says-nothing." for number in range(10**9))


@UNHURRIED
@given(
    st.lists(st.floats(0, 1), min_size=0, max_size=8),
    st.integers(2_000, 20_000),
    st.sampled_from(["\n", " ", "\n\n"]),
)
def test_everything_hidden_stands_whole_and_in_order(
    places: list[float], n_chars: int, separator: str
) -> None:
    hidden = [Hidden(f"Secret-{n}-is-here.", at) for n, at in enumerate(sorted(places))]
    text = "".join(hide(_numbered(), hidden, n_chars=n_chars, separator=separator))
    assert abs(len(text) - n_chars) <= 40
    parts = text.split(separator)
    assert [part for part in parts if part.startswith("Secret")] == [one.text for one in hidden]
    background = [part for part in parts if part.startswith("Sentence")]
    assert background == list(islice(_numbered(), len(background)))


@pytest.mark.parametrize("at", [0.0, 0.25, 0.5, 1.0])
def test_what_is_hidden_stands_where_it_is_wanted(at: float) -> None:
    text = "".join(hide(_numbered(), [Hidden("Here!", at)], n_chars=50_000, separator=" "))
    assert text.index("Here!") / len(text) == pytest.approx(at, abs=0.01)


def test_hiding_keeps_nothing_but_the_sentence_at_hand() -> None:
    tracemalloc.start()
    size = sum(
        map(len, hide(repeat("x" * 90), [Hidden("y", 0.5)], n_chars=4_000_000, separator=" "))
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == pytest.approx(4_000_000, abs=91)
    assert peak < 100_000


def test_sentences_end_at_their_marks() -> None:
    assert sentences_of("One  is\nhere. Two? Three! 3.5 is no end.") == [
        "One is here.",
        "Two?",
        "Three!",
        "3.5 is no end.",
    ]


def test_a_cycle_starts_anywhere_and_leaves_nothing_out() -> None:
    pieces = [f"p{n}" for n in range(50)]
    starts = set()
    for seed in range(20):
        once = list(islice(cycled(pieces, str(seed))(), 50))
        assert sorted(once) == sorted(pieces)
        starts.add(once[0])
    assert len(starts) > 5


def test_passages_come_all_before_any_comes_again() -> None:
    pieces = [f"p{n}" for n in range(30)]
    twice = list(islice(passages(pieces, "a")(), 60))
    assert sorted(twice[:30]) == sorted(twice[30:]) == sorted(pieces)
    assert twice[:30] != twice[30:]
    assert twice == list(islice(passages(pieces, "a")(), 60))


def test_places_are_rulers_forty_depths_and_none_twice() -> None:
    places = shuffled_places(random.Random(1), 40)
    assert sorted(places) == [step / 39 for step in range(40)]
    assert len(shuffled_places(random.Random(1), 100)) == 100
