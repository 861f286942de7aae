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


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What is the night door access code of hall B-12?",
         "The door access code of hall B-12 is 4411."),
        ("What was the door code of hall B-12?", "The door code of hall B-12 is 4411."),
        ("What was the main door access code of hall B-12 in 2019?",
         "The main door access code of hall B-12 is 4411."),
        ("What is the planned opening date of gate G-2?",
         "The opening date of gate G-2 is 3 May."),
        ("What is the weight of crate C-9 in kilograms?", "The weight of crate C-9 is 40."),
        ("What is the price of ticket T-5 for children?", "The price of ticket T-5 is 40."),
        ("Who is the deputy manager of the north warehouse of depot D-4?",
         "The manager of the north warehouse of depot D-4 is Ann."),
        ("What is not the door code of hall B-12?", "The door code of hall B-12 is 4411."),
        ("What is twice the lucky number of ship K-9?", "The lucky number of ship K-9 is 4."),
        ("What is the lucky number of ship K-9 that is even?",
         "The lucky number of ship K-9 is 5."),
        ("What are the door codes of hall B-12 without 5?",
         "The door code of hall B-12 is 5. The door code of hall B-12 is 6."),
        ("What are the door codes of halls B-12 and B-13?", "The door code of hall B-12 is 44."),
        ("What is the door code of hall B-12 and who knows it?",
         "The door code of hall B-12 is 44."),
        ("What is the base pay of clerk E-77 in yard Y-2?",
         "The base pay of clerk E-77 in yard Y-1 is 5000."),
    ],
)  # fmt: skip
def test_a_sentence_that_says_less_than_is_asked_is_left_to_a_reader(
    question: str, text: str
) -> None:
    assert answer(question, text) is None


@pytest.mark.parametrize(
    "value", ["TBD", "N/A", "n/a", "XXXX", "----", "to follow", "none", "null"]
)
def test_what_fills_the_place_of_a_value_is_none(value: str) -> None:
    for link in (" is ", ": "):
        assert answer(QUESTION, f"The door code of hall B-12{link}{value}.") is None
    assert answer(QUESTION, "The door code of hall B-12: see below.") is None


@pytest.mark.parametrize(
    "text",
    [
        "The door code of hall B-12 is 4411. From May on it is 5521.",
        "The door code of hall B-12 is 4411. This was changed to 5521.",
        "The door code of hall B-12 is 4411. That is not true.",
        "The door code of hall B-12 is 4411.\nNo longer!",
        "Is it true that:\nThe door code of hall B-12 is 4411.",
        "The following is false:\nThe door code of hall B-12 is 4411.",
        "It rained. Draft. The door code of hall B-12 is 4411.",
        "# door code of hall B-12 is 4411",
        "- ~~The door code of hall B-12 is 4411.~~",
        '"The door code of hall B-12 is 4411." So the mayor said.',
    ],
)
def test_what_stands_beside_a_sentence_may_deny_it(text: str) -> None:
    assert answer(QUESTION, text) is None


def test_a_reader_is_shown_what_denies_a_sentence() -> None:
    text = "It rained. The door code of hall B-12 is 4411. That is not true. It rained."
    (found,) = find_evidence(text, QUESTION)
    assert found.text == "The door code of hall B-12 is 4411. That is not true."
    text = "It rained. The following is false: the door code of hall B-12 is 4411."
    (found,) = find_evidence(text.replace(": ", ":\n"), QUESTION)
    assert found.text.startswith("The following is false:")
    assert text.replace(": ", ":\n").startswith("The following", found.start)


def test_what_follows_of_its_own_takes_nothing_back() -> None:
    for behind in ("That may not seem much.", "It was late, and nobody had eaten.", "Not far off."):
        assert answer(QUESTION, f"The door code of hall B-12 is 4411. {behind}") == "4411"


def test_evidence_says_whether_it_holds_all_that_is_asked() -> None:
    question = "What is the night door access code of hall B-12?"
    (near,) = find_evidence("The day door access code of hall B-12 is 4411.", question)
    assert not near.says_all
    (whole,) = find_evidence("The night door access code of hall B-12 is 4411.", question)
    assert whole.says_all


def test_words_within_a_name_ask_for_nothing() -> None:
    text = "The lucky number for grey-average is 7. The lucky number for who-first is 8.\n"
    question = "What are the lucky numbers for grey-average and who-first?"
    assert answer(question, text) == "7, 8"


WORDS = st.sampled_from(["door", "code", "B-12", "is", ":", ".", " ", "\n", "İ", "?", "5"])


@UNHURRIED
@given(st.lists(WORDS, max_size=60).map("".join), st.lists(WORDS, max_size=12).map(" ".join))
def test_no_text_breaks_it(text: str, question: str) -> None:
    literal_answer(question, find_evidence(text, question))
