import csv
import json
import re

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.task import Request, Task
from benchmarks.tasks.verbatim import CONTENTS


def make(data: DataFolder, content: str, **options: str) -> Task:
    request = Request(8_000, 1, data, options={"content": content, **options})
    (task,) = FAMILIES["verbatim"].tasks(request)
    return task


@pytest.mark.parametrize("content", CONTENTS)
def test_the_truth_is_the_block_with_the_name_asked_for(data: DataFolder, content: str) -> None:
    task = make(data, content)
    name = re.search(r"block (\w+) exactly", task.question)
    assert name
    text = task.context.text()
    assert text.count(f"BEGIN {name[1]}\n{task.truth[0]}\nEND {name[1]}\n") == 1
    assert text.count("BEGIN ") == task.facts["blocks"]


def test_contents_are_what_they_are_called(data: DataFolder) -> None:
    lines = make(data, "json").truth[0].splitlines()
    assert all(set(json.loads(line)) == {"id", "name", "value", "tags"} for line in lines)
    assert {len(row) for row in csv.reader(make(data, "csv").truth[0].splitlines())} == {6}
    codes = make(data, "codes").truth[0].splitlines()
    assert all(re.fullmatch(r"[A-Z0-9]{12}-[0-9a-f-]{36}", line) for line in codes)


def test_a_block_can_be_longer(data: DataFolder) -> None:
    assert len(make(data, "words", block="5000").truth[0]) == pytest.approx(5_000, rel=0.03)
