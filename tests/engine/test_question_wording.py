import re

import pytest

from rlm_local.engine.answer_form import form_of
from rlm_local.engine.question_kinds import kinds_of
from rlm_local.engine.question_wording import (
    DATE,
    asked_part,
    ends_of,
    names_a_label,
    people_words,
    without_form,
)


@pytest.mark.parametrize(
    "text",
    ["2023-01-06", "1/6/2023", "06.01.23", "jan 06, 2023", "january 6th 2023", "6 january 2023",
     "6th of january, 2023", "jan 6", "3 may"],
)  # fmt: skip
def test_dates_in_common_forms(text: str) -> None:
    assert re.fullmatch(DATE, text)


def test_a_question_stands_behind_its_last_mark() -> None:
    assert asked_part("Read this.\nQuestion: Who?") == "Who?"
    assert asked_part("Who?") == "Who?"
    assert asked_part("Who? Question:") == "Who? Question:"


def test_sentences_about_the_form_are_left_out() -> None:
    question = "Who paid? Give your final answer in the form 'Name: x'. Do not explain."
    assert without_form(question) == "Who paid?"
    assert without_form("Do not explain.") == "Do not explain."


def test_a_label_counts_as_a_whole_word() -> None:
    assert names_a_label("how many nut lines", ["nut"])
    assert not names_a_label("how many walnuts", ["nut"])
    assert names_a_label("which category", [])


def test_people_are_called_by_the_usual_words_and_by_their_field() -> None:
    assert re.fullmatch(people_words(()), "customers")
    assert re.fullmatch(people_words(("host_name",)), "host_name")


def test_of_a_very_long_question_the_ends_are_read() -> None:
    assert ends_of("Who paid?") == "Who paid?"
    long = f"Read this. {'before than after ' * 50_000} Question: How many users are there?"
    assert len(ends_of(long)) < 5_000
    assert asked_part(ends_of(long)) == "How many users are there?"
    assert str(kinds_of(long, "records")[0]) == "user.distinct"
    assert form_of(long).holds == "number"
