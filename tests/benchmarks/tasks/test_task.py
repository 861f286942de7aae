import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.task import Context, ContextFile, Family, Request, Task


def _context() -> Context:
    return Context(
        "two",
        (ContextFile("a/one.txt", lambda: ("ä", "b\r\n")), ContextFile("two.txt", lambda: ("c",))),
    )


TASK = Task(
    name="n",
    family="f",
    kind="k",
    seed=1,
    tokens=8,
    context=Context.of_text("key", lambda: ("x",)),
    question="What?",
    truth=("7",),
    scorer="exact_match",
)


def test_one_file_is_written_as_a_file_and_several_as_a_folder(tmp_path: Path) -> None:
    one = Context.of_text("key", lambda: ("a", "ß")).write(tmp_path)
    assert one.path == tmp_path / "key.txt"
    assert one.path.read_bytes() == "aß".encode()
    assert (one.n_chars, one.sha256) == (2, hashlib.sha256("aß".encode()).hexdigest())
    several = _context().write(tmp_path)
    assert several.path == tmp_path / "two"
    assert (several.path / "a" / "one.txt").read_bytes() == "äb\r\n".encode()
    assert several.n_chars == 5


def test_files_of_a_context_are_told_apart_in_its_text() -> None:
    assert _context().text() == "# file: a/one.txt\näb\r\n# file: two.txt\nc"


@pytest.mark.parametrize("name", ["../x", "/x", "", "a/../../x"])
def test_no_file_of_a_context_leads_out_of_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        ContextFile(name, lambda: ())


def test_the_hash_of_a_task_pins_question_truth_and_scorer() -> None:
    others = (
        replace(TASK, question="Who?"),
        replace(TASK, truth=("8",)),
        replace(TASK, scorer="f1"),
        replace(TASK, options={"a": 1}),
    )
    assert len({TASK.sha256, *(task.sha256 for task in others)}) == 5
    assert TASK.sha256 == replace(TASK, facts={"items": 3}).sha256


def test_a_guess_may_be_made_when_it_is_needed() -> None:
    assert replace(TASK, guess="7").blind == "7"
    assert replace(TASK, guess=lambda: "8").blind == "8"


def test_a_family_makes_no_more_than_is_asked(tmp_path: Path) -> None:
    def make(request: Request) -> Iterator[Task]:
        for number in range(5):
            yield replace(TASK, name=f"{request.seed}-{number}")

    family = Family("f", "", make)
    assert len(family.tasks(Request(8, 1, DataFolder(tmp_path)))) == 5
    assert [t.name for t in family.tasks(Request(8, 1, DataFolder(tmp_path), 2))] == ["1-0", "1-1"]
