import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tasks.scorers import (
    SCORERS,
    Reference,
    babilong,
    exact_match,
    final_answer,
    hotpot_f1,
    normalise,
    oolong,
    oolong_parse,
    pairs_f1,
    pairs_of,
    score,
    string_match_all,
    string_match_part,
    verbatim,
    verbatim_similarity,
)
from tests.unhurried import UNHURRIED

NUMBERS = st.integers(-1_000, 1_000)
PAIRS = st.sets(st.tuples(st.integers(0, 30), st.integers(31, 60)), max_size=20)
TEXTS = st.text(alphabet="abc the. ", max_size=40)


@UNHURRIED
@given(st.lists(st.text(alphabet="abcXYZ", min_size=1, max_size=5), min_size=1, max_size=6), TEXTS)
def test_string_match_all_is_the_share_of_golds_inside(golds: list[str], text: str) -> None:
    inside = [gold for gold in golds if gold.lower() in text.lower()]
    assert string_match_all(text, golds) == len(inside) / len(golds)
    assert string_match_part(text, golds) == (1.0 if inside else 0.0)
    assert string_match_all(" ".join(golds).swapcase(), golds) == 1


@UNHURRIED
@given(NUMBERS, NUMBERS)
def test_a_number_loses_a_quarter_for_each_one_it_is_off(gold: int, said: int) -> None:
    points = oolong(f"Answer: {said}", str(gold), "number")
    assert points == pytest.approx(0.75 ** abs(gold - said))


@pytest.mark.parametrize(
    ("said", "parsed"),
    [
        ("ham", "ham"),
        ("I think that it is spam", "spam"),
        ("Label: **ham**", "ham"),
        ("Thought: so\nUser: [123]", "123"),
        ("Answer: plant is more common than food", "more common"),
        ("Answer: ham is same frequency as spam", "same frequency"),
        ("Answer: more common than", "more common than"),
        ("", ""),
        (" " * 30, ""),
    ],
)
def test_oolong_reads_what_stands_after_the_last_colon(said: str, parsed: str) -> None:
    assert oolong_parse(said) == parsed


@pytest.mark.parametrize(
    ("said", "gold", "kind", "points"),
    [
        ("Label: ham", "ham", "label", 1),
        ("Label: Ham", "ham", "label", 0),
        ("Label: ham, spam", "ham", "label", 0),
        ("Answer: a is more common than b", "more common than", "comparison", 1),
        ("Answer: a is less common than b", "more common than", "comparison", 0),
        ("Answer: a is more common before 2023-01-05", "more common", "comparison", 1),
        (
            "Answer: a is the same frequency before 2023-01-05",
            "the same frequency",
            "comparison",
            1,
        ),
        ("Answer: the same frequency", "the same frequency", "comparison", 1),
        ("Answer: 12 lines", "12", "number", 0),
        ("Answer: 12.0", "12", "number", 0),
        ("User: 54321", "54321", "user", 1),
        ("User: 54322", "54321", "user", 0),
        ("Answer: March 2023", "March 2023", "month", 1),
        ("Answer: march 2023", "March 2023", "month", 0),
    ],
)
def test_oolong_scores_as_its_authors_do(said: str, gold: str, kind: str, points: float) -> None:
    assert oolong(said, gold, kind) == points


@UNHURRIED
@given(st.integers(0, 1_200), st.sampled_from(["%m/%d/%Y", "%Y-%m-%d", "%B %d, %Y", "%b %d, %Y"]))
def test_a_date_counts_in_any_common_form(days: int, form: str) -> None:
    day = date(2022, 2, 1) + timedelta(days=days)
    assert oolong(f"Date: {day.strftime(form)}", day.isoformat(), "date") == 1
    assert oolong(f"Date: {day.strftime(form)}", date(2021, 1, 1).isoformat(), "date") == 0


def test_what_is_no_date_scores_nothing() -> None:
    assert oolong("Date: some day", "2023-01-05", "date") == 0


@UNHURRIED
@given(TEXTS)
def test_the_normal_form_stays_as_it_is(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@UNHURRIED
@given(TEXTS, TEXTS)
def test_f1_is_the_same_both_ways_and_1_for_equal_texts(one: str, other: str) -> None:
    assert hotpot_f1(one, [other]) == pytest.approx(hotpot_f1(other, [one]))
    assert 0 <= hotpot_f1(one, [other]) <= 1
    if normalise(one):
        assert hotpot_f1(f"The {one}!", [one]) == 1
    if exact_match(one, [other]) and normalise(one):
        assert hotpot_f1(one, [other]) == 1


def test_hotpotqa_forgives_articles_case_and_punctuation_and_nothing_else() -> None:
    assert exact_match("The Golden Gate Bridge.", ["golden gate bridge"]) == 1
    assert exact_match("the Golden Gate", ["golden gate bridge"]) == 0
    assert exact_match("b", ["a thing", "B"]) == 1
    assert hotpot_f1("golden gate", ["golden gate bridge"]) == pytest.approx(0.8)


def test_yes_and_no_get_no_share_of_f1() -> None:
    assert hotpot_f1("yes it is", ["yes"]) == 0
    assert hotpot_f1("yes", ["yes it is"]) == 0
    assert hotpot_f1("Yes.", ["yes"]) == 1


PLACES = ("bathroom", "bedroom", "garden")


@pytest.mark.parametrize(
    ("said", "points"),
    [
        ("The most recent location of Mary is Garden. Not the bedroom.", 1),
        ("garden or bedroom", 0),
        ("The ball was in the garden before the bathroom", 1),
        ("somewhere", 0),
        ("It is unclear. garden", 0),
        ("garden<example>bedroom", 1),
    ],
)
def test_babilong_wants_exactly_the_target_in_the_first_sentence(said: str, points: float) -> None:
    question = "Where was the ball before the bathroom?"
    assert babilong(said, "garden", question=question, labels=PLACES) == points


@UNHURRIED
@given(PAIRS, PAIRS, st.randoms(use_true_random=False))
def test_pairs_are_scored_by_f1_whatever_their_order(
    found: set[tuple[int, int]], gold: set[tuple[int, int]], generator: object
) -> None:
    text = "\n".join(f"({b},  {a})" if a % 2 else f"({a}, {b})" for a, b in found)
    points = pairs_f1(text, gold)
    if not found and not gold:
        assert points == 1
    elif not found & gold:
        assert points == 0
    else:
        precision, recall = len(found & gold) / len(found), len(found & gold) / len(gold)
        assert points == pytest.approx(2 * precision * recall / (precision + recall))
    assert pairs_of(text) == found


def test_a_pair_said_twice_counts_once() -> None:
    assert pairs_f1("(1, 2) (2, 1) (1, 2)", {(1, 2)}) == 1


@pytest.mark.parametrize(
    ("said", "gold", "points"),
    [
        ("Answer: a/b.py", "a/b.py", 1),
        ("It is here.\nAnswer: `a/b.py`.", "a/b.py", 1),
        ("a/b.py", "a/b.py", 1),
        ("./a/b.py", "a/b.py", 1),
        ("Answer: a/b.py or a/c.py", "a/b.py", 0),
        ("Answer: b.py", "a/b.py", 0),
        ("Answer: 'x  y'", "'x y'", 1),
        ('Answer: "utf-8"', "'utf-8'", 1),
        ("Answer: (1,2)", "(1, 2)", 1),
        ("Answer: Loop.run()", "Loop.run", 1),
        ("Answer: loop.run", "Loop.run", 0),
        ("", "''", 0),
        ("Answer:", "''", 0),
    ],
)
def test_answers_out_of_code_are_held_strictly(said: str, gold: str, points: float) -> None:
    assert score("code_answer", said, Reference((gold,))) == points


def test_a_final_answer_loses_its_dress() -> None:
    assert final_answer("Well. Answer: **`x`**.") == "x"


def test_a_copy_is_right_only_when_every_character_is() -> None:
    gold = "one,1\ntwo,2\nthree,3"
    assert verbatim(f"\n{gold}\n", gold) == 1
    assert verbatim(gold.replace("two", "Two"), gold) == 0
    assert verbatim_similarity(gold.replace("two", "Two"), gold) == pytest.approx(2 / 3)
    assert verbatim_similarity("", gold) == 0


def test_every_scorer_stays_between_0_and_1() -> None:
    options = {"answer_type": "number", "labels": ["a", "b"], "asked": "Where?"}
    for name, said in itertools.product(SCORERS, ("", "7", "Answer: a", "(1, 2)", "x" * 500)):
        held = Reference(("7",) if name != "pairs_f1" else ("(1, 2)",), "", options)
        assert 0 <= score(name, said, held) <= 1
