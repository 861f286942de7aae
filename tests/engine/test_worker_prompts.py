import pytest

from rlm_local.engine.worker_prompts import (
    MOST_CHARS,
    MOST_SHOTS,
    Preamble,
    preamble_of,
    room_after,
)
from rlm_local.types import Json, Message
from tests.fakes.parts import WordCounter


def test_a_prompt_comes_after_the_system_text_and_the_worked_turns() -> None:
    preamble = preamble_of({"system": "Label it.", "shots": [["a", "x"], ["b", "y"]]})
    assert preamble.messages == (
        Message("system", "Label it."),
        Message("user", "a"),
        Message("assistant", "x"),
        Message("user", "b"),
        Message("assistant", "y"),
    )
    assert preamble.texts == ("Label it.", "a", "x", "b", "y")


@pytest.mark.parametrize("args", [{}, {"system": ""}, {"shots": []}, {"system": None}])
def test_most_calls_have_none(args: dict[str, Json]) -> None:
    preamble = preamble_of(args)
    assert preamble == Preamble()
    assert preamble.messages == ()
    assert (preamble.chars, preamble.tokens(WordCounter())) == (0, 0)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"system": 3}, "system must be a text, not int"),
        ({"shots": "ab"}, "shots must be a list"),
        ({"shots": ["ab"]}, "shots must be pairs of texts, not 'ab'"),
        ({"shots": [["a"]]}, "pairs of texts"),
        ({"shots": [["a", 1]]}, "pairs of texts"),
        ({"shots": [["a", "b"]] * (MOST_SHOTS + 1)}, "at most 1,000 pairs"),
        ({"system": "a" * MOST_CHARS, "shots": [["a", "b"]]}, "400,002 characters"),
    ],
)
def test_what_is_no_preamble_is_refused_in_words(args: dict[str, Json], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        preamble_of(args)


def test_it_takes_room_of_the_window_with_the_templates_marks() -> None:
    preamble = Preamble("s" * 40, (("a" * 40, "b" * 4),))
    assert preamble.tokens(WordCounter()) == 10 + 10 + 1 + 3 * 8


def test_a_part_of_the_window_is_left_for_the_prompt() -> None:
    assert room_after(0, 1) == 1
    assert room_after(700, 1000) == 300
    with pytest.raises(ValueError, match=r"take 800 tokens .* window has 1,000; .* 750 tokens"):
        room_after(800, 1000)
