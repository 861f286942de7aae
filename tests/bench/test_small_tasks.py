import re

import pytest

from rlm_local.bench.small_tasks import KINDS, SmallTask, small_tasks


def test_all_kinds_come_in_turn_and_a_seed_makes_the_same() -> None:
    tasks = small_tasks(12, seed=5)
    assert [task.kind for task in tasks] == [*KINDS, *KINDS]
    assert tasks == small_tasks(12, seed=5)
    assert {task.text for task in tasks}.isdisjoint(task.text for task in small_tasks(12, seed=6))


@pytest.mark.parametrize("seed", range(8))
def test_truths_are_what_the_text_says(seed: int) -> None:
    by_kind = {task.kind: task for task in small_tasks(len(KINDS), seed=seed)}
    hidden = by_kind["hidden"]
    who = hidden.question.removeprefix("Which code opens the locker of ").rstrip("?")
    assert f"The locker of {who} opens with the code {hidden.answer}." in hidden.text
    count = by_kind["count"]
    moth = count.question.removesuffix("?").split()[-1]
    assert int(count.answer) == len(re.findall(rf"moth: {moth} ", count.text)) > 0
    largest = by_kind["largest"]
    name = largest.question.split("keeper ")[1].rstrip("?")
    found = re.findall(rf"keeper: {name} \| moth: \w+ \| wing_mm: (\d+)", largest.text)
    assert largest.answer == str(max(map(int, found)))


@pytest.mark.parametrize(
    ("answer", "tolerance", "said", "is_right"),
    [
        ("31", 0, "31", True),
        ("31", 0, "There are 31 records.", True),
        ("31", 0, "31 of 160", False),
        ("31", 0, "30", False),
        ("31", 2, "29", True),
        ("31", 2, "28", False),
        ("1031", 0, "1,031", True),
        ("31", 0, "", False),
        ("31", 0, "31" + " " * 400, False),
        ("Hale Dorn", 0, "Keeper: Hale Dorn", True),
        ("Hale Dorn", 0, "Hale Dorn or Ivo Larrun", False),
    ],
)
def test_an_answer_is_right_when_it_says_the_truth_and_nothing_else(
    answer: str, tolerance: int, said: str, is_right: bool
) -> None:
    assert SmallTask("k", "t", "q", answer, tolerance).is_right(said) is is_right
