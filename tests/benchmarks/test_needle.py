import argparse
import io

import pytest

from benchmarks.needle import make_needle, tokens_from_text, write_haystack
from benchmarks.texts import Corpus

CORPUS = Corpus(tuple(f"Passage number {n} says nothing of note." for n in range(300)))


def test_a_seed_fixes_the_needle() -> None:
    assert make_needle(4) == make_needle(4)
    assert len({make_needle(seed).value for seed in range(50)}) == 50


def test_the_needle_is_rulers_sentence_and_question() -> None:
    needle = make_needle(1)
    assert needle.sentence == (
        f"One of the special magic numbers for {needle.key} is: {needle.value}."
    )
    assert needle.question == (
        f"What is the special magic number for {needle.key} mentioned in the provided text?"
    )


def test_an_answer_is_right_when_it_holds_the_number() -> None:
    needle = make_needle(2)
    assert needle.is_answered_by(f"It is {needle.value}.")
    assert not needle.is_answered_by("It is 12345.")


@pytest.mark.parametrize("seed", range(20))
def test_the_needle_stands_once_and_whole_in_the_haystack(seed: int) -> None:
    out, needle = io.StringIO(), make_needle(seed)
    place = write_haystack(out, CORPUS, needle, seed=seed, n_chars=8_000)
    text = out.getvalue()
    assert text.count(needle.sentence) == 1
    assert text.index(needle.sentence) == place
    assert len(text) == 8_000 + len(needle.sentence) + 2


def test_needles_lie_all_over_the_haystack() -> None:
    places = [
        write_haystack(io.StringIO(), CORPUS, make_needle(seed), seed=seed, n_chars=8_000)
        for seed in range(40)
    ]
    assert min(places) < 1_500
    assert max(places) > 6_500


@pytest.mark.parametrize(
    ("text", "tokens"), [("8K", 8_000), ("1m", 1_000_000), ("1.5M", 1_500_000), ("300", 300)]
)
def test_lengths_are_written_as_people_say_them(text: str, tokens: int) -> None:
    assert tokens_from_text(text) == tokens


@pytest.mark.parametrize("text", ["", "K", "many", "-8K", "0"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no length"):
        tokens_from_text(text)
