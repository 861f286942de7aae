"""Derived fields: what they are made of, and one batch for all records."""

import pytest

from rlm_local.sandbox.child.records.judging import Judged, JudgedField, judged
from tests.sandbox.child.records.given import FakeLabeller


def test_labels_may_be_a_list_or_one_text() -> None:
    for labels in (["yes", "no"], ("yes", "no"), "yes/no", "yes, no", "yes or no", "yes|no"):
        assert judged(labels, about="Is it?") == Judged(("yes", "no"), "Is it?")
    assert judged(["a", "b", "a"]).labels == ("a", "b")


def test_fewer_than_two_labels_are_refused_with_advice() -> None:
    for labels in (["spam"], [], "spam", ["", "x"]):
        with pytest.raises(ValueError, match=r"two labels or more.*'yes', 'no'"):
            judged(labels)


def test_examples_may_be_pairs_or_a_dict() -> None:
    wanted = (("fine", "calm"), ("grr", "angry"))
    pairs = [("fine", "calm"), ("grr", "angry")]
    assert judged(["calm", "angry"], examples=pairs).examples == wanted
    assert judged(["calm", "angry"], examples=dict(pairs)).examples == wanted


def test_equal_texts_are_asked_about_once_and_all_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    labeller = FakeLabeller(lambda text: {"a": "yes", "b": "no"}.get(text))
    field = JudgedField("ok", judged(["yes", "no"], about="Is it?", examples={"z": "no"}))
    field.label(["a", "b", "a", "c", "a"], labeller)
    assert labeller.asked == [(["a", "b", "c"], ["yes", "no"], "Is it?")]
    assert labeller.examples == [(("z", "no"),)]
    assert [field.value_of(text, labeller) for text in "abc"] == ["yes", "no", None]
    assert capsys.readouterr().out == (
        "[note] ok: 5 records judged: yes 3, no 1; 1 failed (no luck)\n"
    )


def test_labels_that_are_no_texts_come_back_as_they_were() -> None:
    field = JudgedField("ok", judged([True, False], about="Is it?"))
    labeller = FakeLabeller(lambda text: "True")
    field.label(["a"], labeller)
    assert field.value_of("a", labeller) is True
    assert labeller.asked[0][1] == ["True", "False"]


def test_a_label_of_its_own_is_no_label() -> None:
    field = JudgedField("ok", judged(["yes", "no"]))
    labeller = FakeLabeller(lambda text: "perhaps" if text == "a" else "yes")
    field.label(["a", "b"], labeller)
    assert field.value_of("a", labeller) is None


def test_nothing_judged_is_an_error_and_the_next_asks_again() -> None:
    field = JudgedField("ok", judged(["yes", "no"]))
    with pytest.raises(RuntimeError, match="ok: no record could be judged: no luck"):
        field.label(["a", "b"], FakeLabeller())
    refusing = FakeLabeller()
    refusing.refusal = "the budget is spent"
    with pytest.raises(RuntimeError, match="the budget is spent"):
        field.label(["a", "b"], refusing)
    assert not field.is_filled
    field.label(["a", "b"], FakeLabeller(lambda text: "yes"))
    assert field.is_filled


def test_labels_lose_their_blanks_and_keep_their_slashes() -> None:
    assert judged(["spam", " ham "]).labels == ("spam", "ham")
    assert judged("Sci/Tech, World or Sports").labels == ("Sci/Tech", "World", "Sports")
    assert judged("a, b, or c").labels == ("a", "b", "c")
    assert judged("yes" + " " * 40_000 + "/ no").labels == ("yes", "no")
