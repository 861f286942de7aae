import pytest

from rlm_local.sandbox.child.question_words import (
    asked_part,
    is_yes_no,
    key_words,
    marked_names,
    proper_names,
    stem,
)


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Who is Ole?", "Who is Ole?"),
        ("Use the notes below. Question: Who is Ole?", "Who is Ole?"),
        ("Who steers it? Reply with a name only.", "Who steers it?"),
        ("Answer briefly.\n\nQuestion: Who steers it? Give one name.", "Who steers it?"),
        ("Give the year of the fire.", "Give the year of the fire."),
        ("Tell me who Ole is", "Tell me who Ole is"),
        ("", ""),
    ],
)
def test_orders_on_how_to_answer_are_no_part_of_what_is_asked(question: str, asked: str) -> None:
    assert asked_part(question) == asked


def test_key_words_carry_the_question() -> None:
    assert key_words("Which village did the captain of the ferries grow up in?") == [
        "village", "captain", "ferr", "grow",
    ]  # fmt: skip
    assert key_words("What is it?") == ["what", "is", "it"]


def test_endings_make_no_difference() -> None:
    assert stem("numbers") == stem("number")
    assert stem("opened") == stem("opens") == stem("open")
    assert stem("bus") == "bus"


@pytest.mark.parametrize(
    ("question", "typed"),
    [
        ("Are both ferries Danish?", True),
        ("Is Skell a village?", True),
        ("Which one is Danish?", False),
        ("is it", True),
        ("", False),
    ],
)
def test_yes_or_no_is_told_by_the_first_word(question: str, typed: bool) -> None:
    assert is_yes_no(question) is typed


def test_a_choice_between_two_is_not_answered_with_yes() -> None:
    assert not is_yes_no("Was the Tarn Ferry or the Brenna Ferry opened first?")
    assert is_yes_no("Has it a crew of two or more?")


def test_codes_and_quoted_words_are_marked() -> None:
    assert marked_names("What is the door code of hall B-12?") == ["B-12"]
    assert marked_names('Who wrote "The Long Lantern" and when?') == ["The Long Lantern"]
    assert marked_names("What does `load_it` of load_it return?") == ["load_it"]
    assert marked_names("What is the skipper's name?") == []


def test_names_are_runs_of_capitals() -> None:
    assert proper_names("Which village is Ole Marsk of the Brenna Ferry from?") == [
        "Ole Marsk of the Brenna Ferry",
    ]  # fmt: skip
    assert proper_names("Are Skell and Tarn villages?") == ["Skell", "Tarn"]
    assert proper_names("What is Skell's river?") == ["Skell"]
    assert proper_names("what is it?") == []
