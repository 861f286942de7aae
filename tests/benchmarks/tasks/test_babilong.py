from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.tasks.babi_worlds import LABELS, TASKS, make_story
from benchmarks.tasks.data import DataFolder, DataMissing
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.scorers import babilong
from benchmarks.tasks.task import OptionError, Request


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("haystack", ["essay", "natural"])
def test_facts_stand_in_the_text_once_whole_and_in_order(
    data: DataFolder, task: str, haystack: str
) -> None:
    for seed in range(4):
        request = Request(8_000, seed, data, options={"haystack": haystack})
        (made,) = FAMILIES[f"babilong_{task}"].tasks(request)
        story, text = make_story(task, f"8000 {seed}"), made.context.text()
        place = 0
        for fact in story.facts:
            place = text.index(fact, place) + len(fact)
        assert made.truth == (story.answer,)
        assert made.question.endswith(f"Question: {story.question}")


def test_the_instruction_names_no_label(data: DataFolder) -> None:
    for task in ("qa1", "qa2", "qa3", "qa4", "qa5"):
        (made,) = FAMILIES[f"babilong_{task}"].tasks(Request(8_000, 1, data))
        instruction = made.question.rsplit("Question:", 1)[0].lower()
        assert not [label for label in made.options["labels"] if label.lower() in instruction]


def test_official_stories_are_asked_when_they_are_there(data: DataFolder, tmp_path: Path) -> None:
    (tmp_path / "qa1_single-supporting-fact_test.txt").write_text(
        "1 Mary moved to the bathroom.\n2 Where is Mary? \tbathroom\t1\n"
    )
    with_babi = replace(data, given={**data.given, "babi": tmp_path})
    options = {"stories": "official"}
    (made,) = FAMILIES["babilong_qa1"].tasks(Request(8_000, 5, with_babi, options=options))
    assert made.truth == ("bathroom",)
    assert "Mary moved to the bathroom." in made.context.text()
    with pytest.raises(DataMissing, match="qa2"):
        FAMILIES["babilong_qa2"].tasks(Request(8_000, 5, with_babi, options=options))


def test_tasks_that_are_not_made_are_asked_from_official_files(
    data: DataFolder, tmp_path: Path
) -> None:
    (tmp_path / "qa19_path-finding_test.txt").write_text(
        "1 The garden is west of the office.\n"
        "2 How do you go from the garden to the office? \te,e\t1\n"
        "3 How do you go back? \tw,w\t1\n"
    )
    with_babi = replace(data, given={**data.given, "babi": tmp_path})
    (made,) = FAMILIES["babilong_qa19"].tasks(Request(8_000, 0, with_babi))
    assert made.options["labels"] == ["e,e", "w,w"]
    assert "one of these: e,e; w,w." in made.question
    assert (made.score("e,e"), made.score("w,w"), made.score("east")) == (1.0, 0.0, 0.0)
    assert made.shortcut is None
    with pytest.raises(OptionError, match="stories=made"):
        FAMILIES["babilong_qa19"].tasks(Request(8_000, 0, with_babi, options={"stories": "made"}))


@pytest.mark.parametrize(
    ("truth", "said", "points"),
    [
        ("none", "None.", 1.0),
        ("none", "one", 0.0),
        ("one", "none", 0.0),
        ("milk,apple", "apple, milk", 1.0),
        ("milk,apple", "milk", 0.0),
        ("nothing", "nothing", 1.0),
    ],
)
def test_numbers_and_lists_are_scored_whole(truth: str, said: str, points: float) -> None:
    labels = LABELS["qa7"] if truth in LABELS["qa7"] else LABELS["qa8"]
    assert babilong(said, truth, question="What?", labels=labels) == points
