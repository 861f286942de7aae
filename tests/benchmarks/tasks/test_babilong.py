from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.tasks.babi_worlds import TASKS, make_story
from benchmarks.tasks.data import DataFolder, DataMissing
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.task import Request


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
    for task in TASKS:
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
