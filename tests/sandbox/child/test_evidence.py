import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.evidence import find_evidence, literal_answer
from tests.unhurried import UNHURRIED

NOTES = (
    "Stores were low. The door code of hall B-12 is 4417. Nobody knew.\n"
    "The door code of hall B-120 is 9999.\n"
    "Hall B-12 was painted. The door code of hall C-7: blue heron. It rained.\n"
    "The door code of hall B-12 is 8080.\n"
)


def answer(question: str, text: str = NOTES) -> str | None:
    return literal_answer(question, find_evidence(text, question))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the door code of hall C-7?", "blue heron"),
        ("What is the door code of hall B-120 in these notes?", "9999"),
        ("What are all the door codes of hall B-12?", "4417, 8080"),
        ("What are the door codes of halls C-7 and B-120?", "blue heron, 9999"),
        ("What is the door code of hall Z-1?", None),
        ("What is the colour of hall B-12?", None),
        ("Is the door code of hall C-7 blue heron?", None),
        ("How many door codes has hall B-12?", None),
        ("Who painted it?", None),
    ],
)
def test_what_a_sentence_says_literally_is_the_answer(question: str, expected: str | None) -> None:
    assert answer(question) == expected


def test_a_name_of_several_words_will_do() -> None:
    text = "The call sign of the Grey Margit is LX4. The call sign of the Anna is PQ9.\n"
    assert answer("What is the call sign of the Grey Margit?", text) == "LX4"
    assert answer(
        "What is the call sign of the Grey Margit?", text.replace("Grey", "tug Grey")
    ) is (None)


def test_a_value_may_stand_before_the_rest() -> None:
    assert answer("Which berth has ship K-9?", "Berth 14 has ship K-9.\n") is None
    assert answer("What is the berth of ship K-9?", "Quay North is the berth of ship K-9.\n") == (
        "Quay North"
    )


def test_a_sentence_that_says_more_than_a_value_is_left_to_a_reader() -> None:
    text = (
        "The door code of hall B-12 was changed again after the long winter of the great flood.\n"
    )
    found = find_evidence(text, "What is the door code of hall B-12?")
    assert [one.text for one in found] == [text.strip()]
    assert literal_answer("What is the door code of hall B-12?", found) is None


QUESTION = "What is the door code of hall B-12?"


@pytest.mark.parametrize(
    "text",
    [
        "It is not true that the door code of hall B-12 is 4411.",
        "Never assume that the door code of hall B-12 is 4411.",
        "Rumours that the door code of hall B-12 is 4411 are false.",
        "The old door code of hall B-12 is 9999. The door code of hall B-12 is 1234.",
        "If the door code of hall B-12 is 4411, run.",
        "The door code of hall B-12 was 4411.",
        "In spring the door code of hall B-12 is 4411.",
        "The door code of hall B-12 is not 4411.",
        "The door code of hall B-12 isn't 4411.",
        "The door code of hall B-12 is almost 4411.",
        "The door code of hall B-12 is 4411 (no more).",
        "The door code of hall B-12 is unknown.",
        "The door code of hall B-12: ask the guard.",
        "Nobody is the door code of hall B-12.",
        "Some say North is the door code of hall B-12.",
        '{"note": "The door code of hall B-12 is 4471, the guard says so."}',
        '{"note": "Hear. The door code of hall B-12 is 4471, the guard says so."}',
        '{"note": "Hear. The door code of hall B-12 is 4471"}',
        "It is not true that the\ndoor code of hall B-12 is 4411.",
        "The door code of hall B-12 is 4411\n  only on Mondays.",
        "They lie, e.g. the door code of hall B-12 is 4411.",
        "Door code of hall B-12: 1234.\nThe door code of hall B-12 is 9999.",
    ],
)
def test_a_sentence_that_may_mean_otherwise_is_left_to_a_reader(text: str) -> None:
    assert find_evidence(text, QUESTION)
    assert answer(QUESTION, text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rained. The door code of hall B-12 is 4411.", "4411"),
        ("Door code of hall B-12 = 44-11\nNext", "44-11"),
        ('{\n"door code of hall B-12": "4411",\n"lamps": 3}', "4411"),
        ("The door code of hall B-12 is The Tower of London.", "The Tower of London"),
        ("lamps: 3\n\ndoor code of hall B-12: 4411", "4411"),
        ("The door code of hall B-12 is 1. The door code of hall B-12 is 2.", "1, 2"),
    ],
)
def test_a_sentence_that_says_only_the_value_needs_no_reader(text: str, expected: str) -> None:
    assert answer(QUESTION, text) == expected


def test_needles_are_answered_as_they_are_written() -> None:
    needle = "One of the special magic numbers for {} is: {}."
    told = [("old-tub", "123"), ("shy-fox", "45"), ("shy-fox", "67")]
    text = "The grass is green. ".join(needle.format(*one) + " " for one in told)
    question = "What {} the special magic number{} for {} mentioned in the provided text?"
    assert answer(question.format("is", "", "old-tub"), text) == "123"
    assert answer(question.format("are all", "s", "shy-fox"), text) == "45, 67"
    assert answer(question.format("are all", "s", "old-tub and shy-fox"), text) == "123, 45, 67"


def test_places_are_those_of_the_text() -> None:
    for one in find_evidence(NOTES, "What is the door code of hall B-12?"):
        assert NOTES.startswith(one.text, one.start)


def test_a_name_that_stands_everywhere_ends_the_search() -> None:
    text = "door code of X-1 is 5.\n" * 5000
    assert len(find_evidence(text, "What is the door code of X-1?")) <= 300


WORDS = st.sampled_from(["door", "code", "B-12", "is", ":", ".", " ", "\n", "İ", "?", "5"])


@UNHURRIED
@given(st.lists(WORDS, max_size=60).map("".join), st.lists(WORDS, max_size=12).map(" ".join))
def test_no_text_breaks_it(text: str, question: str) -> None:
    literal_answer(question, find_evidence(text, question))
