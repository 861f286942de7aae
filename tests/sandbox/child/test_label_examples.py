import re

import pytest

from rlm_local.sandbox.child.label_examples import (
    given_examples,
    invented_examples,
    shortened,
)
from tests.sandbox.child.worker import FunctionWorker

LABELS = ["rain", "sun"]
ITEMS = [f"item {n}" for n in range(101)]


def test_given_examples_take_turns_by_label() -> None:
    examples = [("a", "sun"), ("b", "sun"), ("c", "rain")]
    assert given_examples(examples, LABELS) == [("c", "rain"), ("a", "sun"), ("b", "sun")]


@pytest.mark.parametrize(
    "examples",
    [
        [("wet", "rain"), ("hot", "sun")],
        [["rain", "wet"], ["sun", "hot"]],
        {"rain": "wet", "sun": ["hot"]},
        {"sun": ("hot",), "rain": ("wet",)},
        [({"text": "wet"}, "rain"), ("hot", " sun ")],
    ],
)
def test_examples_may_be_written_in_any_order(examples: object) -> None:
    assert isinstance(examples, list | dict)
    assert given_examples(examples, LABELS) == [("wet", "rain"), ("hot", "sun")]


def test_a_few_short_examples_a_label_are_enough() -> None:
    many = [(f"{n} " + "long " * 400, "sun") for n in range(9)]
    kept = given_examples(many, LABELS)
    assert len(kept) == 4
    assert all(len(text) <= 400 for text, _ in kept)


@pytest.mark.parametrize("wrong", [["text"], [("a", "b", "c")], [3], [("a", "snow")]])
def test_an_example_with_another_label_or_none_is_refused(wrong: list[object]) -> None:
    with pytest.raises(ValueError, match="example"):
        given_examples(wrong, LABELS)


def test_a_worker_is_shown_a_dozen_items_and_held_to_a_line_a_label() -> None:
    lines = "- rain: it pours now\n- sun: a clear sky\n- rain: a wet day\n- sun: hot sands"
    worker = FunctionWorker(lambda prompt: lines)
    made = invented_examples(worker, ITEMS, LABELS, "What is the weather?")
    assert made == [
        ("it pours now", "rain"),
        ("a clear sky", "sun"),
        ("a wet day", "rain"),
        ("hot sands", "sun"),
    ]
    (asked,) = worker.asked
    assert [f"- item {n}\n" in asked.prompts[0] for n in (0, 9, 54, 90, 100)] == [True] * 5
    assert asked.prompts[0].count("- item") == 12
    assert "What is the weather?" in asked.prompts[0]
    assert re.fullmatch(str(asked.regex), lines)
    assert not re.fullmatch(str(asked.regex), "- sun: a\n- rain: b")


def test_each_of_many_labels_is_asked_for_by_itself_and_failures_are_left_out() -> None:
    labels = [f"kind {n}." for n in range(20)]

    def reply(prompt: str) -> str | None:
        label = next(label for label in labels if f"'{label}'" in prompt)
        return None if label == "kind 19." else f"- a text of {label}"

    worker = FunctionWorker(reply)
    made = invented_examples(worker, ITEMS, labels, "What kind is it?")
    assert made == [(f"a text of kind {n}.", f"kind {n}.") for n in range(19)]
    (asked,) = worker.asked
    assert len(asked.prompts) == 20
    assert all(one.startswith("What kind is it?\nThe labels are: kind 0.") for one in asked.prompts)
    assert asked.prompts[0].count("- item") == 6
    assert re.fullmatch(str(asked.regex), "one line of words")
    assert not re.fullmatch(str(asked.regex), "two\nlines of words")


def test_the_same_text_twice_is_one_example() -> None:
    worker = FunctionWorker(lambda prompt: "- rain: wet\n- sun: hot\n- rain: wet\n- sun: dry")
    assert len(invented_examples(worker, ITEMS, LABELS, "?")) == 3


def test_a_long_text_keeps_both_ends() -> None:
    assert shortened("short", 5) == "short"
    cut = shortened("begin " + "x" * 500 + " end", 60)
    assert len(cut) <= 60
    assert cut.startswith("begin")
    assert cut.endswith("end")
