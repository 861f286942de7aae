"""The first look: the shape of a text, and what is told of it."""

import json

import pytest

from rlm_local.engine.look import parse_look
from tests.sandbox.child.records.given import FakeLabeller, names_of, reviews
from tests.sandbox.child.records.test_plain_lines import PROSE
from tests.sandbox.child.records.test_sections import GUIDE

LINES = "red kettle\nblue kettle\nold teapot\nbrass spoon\n"


@pytest.mark.parametrize(
    ("text", "question", "shape", "n"),
    [
        (reviews(9), "", "records", 9),
        ("id,part\n7,valve\n8,pump\n9,seal\n", "", "records", 3),
        (PROSE, "", "text", 0),
        ("", "", "text", 0),
        (GUIDE, "", "documents", 3),
        ("import os\n\ndef pour(x):\n    return x\n\nclass A:\n    pass\n", "", "code", 0),
        (LINES, "Who made the teapot?", "text", 0),
        (LINES, "Which kind is the rarest: old, new or broken?", "records", 4),
    ],
)
def test_the_shape_of_a_text(text: str, question: str, shape: str, n: int) -> None:
    found = names_of(text).look(question)
    assert (found["shape"], found["n"]) == (shape, n)
    look = parse_look(json.dumps(found))
    assert look is not None
    assert look.shape == shape


def test_documents_and_code_are_told_by_their_documents() -> None:
    text = "first text here second text here"
    spans = [("a.txt", 0, 15), ("b.txt", 16, len(text))]
    assert names_of(text, documents=spans).look("q")["shape"] == "documents"
    spans = [("a.py", 0, 15), ("b.py", 16, len(text))]
    found = names_of(text, documents=spans).look("q")
    assert (found["shape"], found["n"], found["told"]) == ("code", 0, "")


def test_what_is_told_is_true_and_short() -> None:
    names = names_of(reviews(9))
    told = str(names.look("Which label is the rarest?")["told"])
    assert told.splitlines() == [
        "The harness has read it (lines of keys and values) into `records`, a list of 9 dicts "
        "with these keys:",
        "- date: date (YYYY-MM-DD), 2020-01-01 to 2022-03-09",
        "- user: id, 4 different: '40117', '40118', '40119', '40120'",
        "- review: text, 9 different, such as 'dull teapot 0'",
        "- label: one of LABELS; a language model judges it from review when you first read it",
        "LABELS = ['glowing', 'mixed', 'harsh']",
        "records[0] = {'date': '2020-01-01', 'user': '40117', 'review': 'dull teapot 0'}",
        "records[1] = {'date': '2021-02-02', 'user': '40118', 'review': 'lovely teapot 1'}",
        'Not records: header = "The following 9 lines hold reviews, one per line. Each review can '
        "be described as one of 3 kinds: 'glowing', 'mixed', 'harsh'.\\nCount well.\"",
    ]
    assert names.look("Another question?")["told"] == told


def test_what_is_told_stays_the_same_when_labels_are_there() -> None:
    names = names_of(reviews(9), labeller=FakeLabeller(lambda text: "mixed"))
    before = names.look("q")
    assert names.table.rows[0]["label"] == "mixed"
    assert names.look("q") == before


def test_long_and_hostile_texts_are_cut_and_stay_valid() -> None:
    names = " | ".join(f"{'key' * 12} {'x' * i}: {'value ' * 200}" for i in range(24))
    found = names_of(f"{'preamble ' * 900}\n{names}\n{names}\n{names}\n").look("q" * 100_000)
    assert found["shape"] == "records"
    assert len(str(found["told"])) <= 2400
    assert parse_look(json.dumps(found)) is not None
    control = reviews(5).replace("teapot", "tea\x00\x1b[31m\u202epot\ud800")
    assert parse_look(json.dumps(names_of(control).look("q"))) is not None


def test_labels_of_the_question_define_the_field() -> None:
    plain = reviews(6).replace("'glowing', 'mixed', 'harsh'", "some")
    labeller = FakeLabeller(lambda text: "long")
    names = names_of(plain, labeller=labeller)
    found = names.look("Which kind of review is the rarest: long or short?")
    assert found["labels"] == ["long", "short"]
    assert names.values()["LABELS"] == ["long", "short"]
    assert names.table.rows[0]["label"] == "long"
    assert "Which kind of review is the rarest: long or short?" in str(labeller.asked[0][2])


def test_labels_that_the_text_holds_are_not_judged() -> None:
    rows = "\n".join(f"{i},{'calm' if i % 2 else 'angry'},note {i}" for i in range(9))
    names = names_of(f"The labels are calm and angry.\n\nid,mood,note\n{rows}\n")
    found = names.look("q")
    assert found["labels"] == ["calm", "angry"]
    assert found["fields"] == ["id", "mood", "note"]
    assert "label: the same as mood" in str(found["told"])
    assert names.table.rows[1]["label"] == names.table.rows[1].label == "calm"


def test_passages_are_looked_up_where_the_text_is_not_records() -> None:
    asked: list[str] = []

    def look_up(question: str) -> str:
        asked.append(question)
        return "found " * 5000 + "\nRead: nothing."

    assert names_of(reviews(), look_up=look_up).look("Who?")["passages"] == ""
    assert asked == []
    found = names_of(PROSE, look_up=look_up).look("Who?")
    assert str(found["passages"]).startswith("found found")
    assert str(found["passages"]).endswith("\nRead: nothing.")
    assert parse_look(json.dumps(found)) is not None
    assert asked == ["Who?"]
