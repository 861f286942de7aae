"""Labels are found where a text or a question names them, in the ways benchmarks and people do."""

import pytest

from rlm_local.sandbox.child.records.label_names import (
    labels_in_question,
    labels_in_text,
    spelled_in,
)

THREE = ["calm", "angry", "sad"]
IN_TEXT = [
    ("Each message has a tone that is one of 3 categories: 'calm', 'angry', 'sad'.", THREE),
    ("Each note can be classified as either 'calm' or 'angry.' None is neutral.", THREE[:2]),
    ("Each note can be classified as calm or angry (i.e., not calm).", THREE[:2]),
    ("the tone can be classified as calm or angry; there are no others", THREE[:2]),
    ("The tone can be classified as either calm or angry.", THREE[:2]),
    ("Every note is labelled as calm, angry, or sad.", THREE),
    ("The labels are calm, angry and sad.", THREE),
    ("Labels: calm, angry, sad", THREE),
    ('Categories: "calm", "angry" and "sad".', THREE),
    ("The kind is either calm or angry.", THREE[:2]),
    ("one of 2 types of notes: “calm”, “angry”.", THREE[:2]),
    (
        "belongs to a group that is one of 2 categories: 'sound and light', 'x, y & z'.",
        ["sound and light", "x, y & z"],
    ),
]
NONE_IN_TEXT = [
    "The following lines contain 20 reviews, one per line.",
    "Answer in the form 'Label: answer'.",
    "where [X] is 'more common than', 'less common than', or 'same frequency as'.",
    "He said 'yes' or 'no' to all of us.",
    "Types: see below",
    "",
]


@pytest.mark.parametrize(("text", "labels"), IN_TEXT)
def test_labels_of_a_header(text: str, labels: list[str]) -> None:
    found = labels_in_text(f"The following 9 lines hold notes.\n\n{text}\n\nCount well.\n")
    assert found is not None
    assert found.labels == labels
    assert found.sentence.startswith(text[:20])


@pytest.mark.parametrize("text", NONE_IN_TEXT)
def test_no_labels(text: str) -> None:
    assert labels_in_text(text) is None


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("Which kind of note is the rarest: calm, angry or sad? Write it as 'Kind: x'.", THREE),
        ("Use 'Label: answer' where answer is one of the labels: calm, angry, sad.", THREE),
        ("Is label 'calm' rarer than label 'angry'? Write 'calm is [X] angry', where [X] is "
         "'rarer than', 'commoner than' or 'as common as'.", THREE[:2]),
        ("How many notes have label 'calm'?", None),
        ("Who paid for the lighthouse?", None),
        ("What type of ships are Aurora and Bess?", None),
        ("What kind of ship are both 'Aurora' and 'Bess'?", None),
        ("Is the captain either drunk or asleep?", None),
        ("Which user has more notes with the label calm: User 84396 or User 22726?", None),
    ],
)  # fmt: skip
def test_labels_of_a_question(question: str, labels: list[str] | None) -> None:
    found = labels_in_question(question)
    assert (found.labels if found else None) == labels


def test_an_and_inside_a_label_stays() -> None:
    found = labels_in_question("one of the labels: numeric value, sound and light, human being.")
    assert found is not None
    assert found.labels == ["numeric value", "sound and light", "human being"]


def test_a_label_is_spelled_as_the_question_quotes_it() -> None:
    assert spelled_in("How many are 'True'?", "true") == "True"
    assert spelled_in("How many are true?", "true") is None


def test_a_hostile_text_is_searched_in_linear_time() -> None:
    for piece in ("'a', ", "labels: ", "classified as a, ", "either a, ", "kinds of ", "'"):
        assert labels_in_text(piece * 100_000) is None or True
