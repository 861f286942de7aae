import ast
import random
import re
from pathlib import Path

import pytest

from benchmarks.tasks.code_questions import KINDS, code_questions
from benchmarks.tasks.code_tree import SourceFile, choose_files, read_files, read_tree
from benchmarks.tasks.data import DataFolder, DataMissing
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.task import Request, Task

SHAPES = """
class Shape:
    def area(self):
        return 0
    def name(self):
        return "shape"

class Square(Shape):
    def area(self):
        return measured(4, unit="cm")

class Circle(Shape):
    def name(self):
        return "circle"

def measured(size, *, unit="mm", places=(1, 2), note="", on=True):
    return size
"""


def _questions(*texts: str) -> dict[str, dict[str, tuple[str, ...]]]:
    files = [SourceFile(f"p/m{number}.py", text) for number, text in enumerate(texts)]
    asked: dict[str, dict[str, tuple[str, ...]]] = {kind: {} for kind in KINDS}
    for question in code_questions(read_tree(files), random.Random(1)):
        asked[question.kind][question.text] = question.answers
    return asked


def _answer(asked: dict[str, tuple[str, ...]], *words: str) -> tuple[str, ...]:
    (answers,) = (its for text, its in asked.items() if all(f"`{word}`" in text for word in words))
    return answers


def test_each_kind_of_question_is_answered_from_the_syntax_tree() -> None:
    asked = _questions(SHAPES)
    assert _answer(asked["definition"], "measured") == ("p/m0.py",)
    assert _answer(asked["override"], "Shape", "area") == ("Square",)
    assert _answer(asked["override"], "Shape", "name") == ("Circle",)
    assert _answer(asked["default"], "measured", "unit") == ("'mm'",)
    assert _answer(asked["default"], "measured", "places") == ("(1, 2)",)
    assert len(asked["default"]) == 2
    assert _answer(asked["caller"], "measured") == ("Square.area",)


def test_what_has_two_answers_is_not_asked() -> None:
    twice = "def measured():\n    pass\n"
    also = "class Cube(Shape):\n    def area(self):\n        return measured(1)\n"
    asked = _questions(SHAPES, twice, also)
    assert not asked["definition"]
    assert not asked["caller"]
    assert [text for text in asked["override"] if "`area`" in text] == []
    assert _answer(asked["override"], "Shape", "name") == ("Circle",)


def _tasks(data: DataFolder, seed: int) -> list[Task]:
    return FAMILIES["code"].tasks(Request(90_000, seed, data, questions=60))


@pytest.mark.parametrize("seed", range(2))
def test_answers_over_a_real_tree_are_what_a_search_of_it_finds(
    data: DataFolder, seed: int
) -> None:
    tasks = _tasks(data, seed)
    texts = {file.name: "".join(file.pieces()) for file in tasks[0].context.files}
    everything = "\n".join(texts.values())
    assert {task.kind for task in tasks} == {f"code.{kind}" for kind in KINDS}
    for task in tasks:
        names = re.findall(r"`(\w+)`", task.question)
        (truth,) = task.truth
        if task.kind == "code.definition":
            found = [
                n
                for n, text in texts.items()
                if re.search(rf"^(async )?def {names[0]}\(", text, re.M)
            ]
            assert found == [truth]
        elif task.kind == "code.override":
            children = re.findall(rf"^class (\w+)\([^)]*\b{names[0]}\b[^)]*\):", everything, re.M)
            assert truth in children
            assert len(children) > 1
        elif task.kind == "code.default":
            argument, function = names
            (signature,) = (
                ast.unparse(node.args)
                for node in ast.walk(ast.parse(everything))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.name == function
            )
            assert re.search(rf"\b{argument}(: [^=]+)? ?= ?{re.escape(truth)}", signature)
        else:
            last = truth.rsplit(".", 1)[-1]
            assert re.search(rf"def {last}\(", everything)
            assert len(re.findall(rf"(?<!def )\b{names[0]}\(", everything)) >= 1


def test_kinds_come_in_turn_and_can_be_had_alone(data: DataFolder) -> None:
    tasks = _tasks(data, 1)
    assert [task.kind for task in tasks[:4]] == [f"code.{kind}" for kind in KINDS]
    only = FAMILIES["code"].tasks(Request(90_000, 1, data, options={"kind": "default"}))
    assert {task.kind for task in only} == {"code.default"}


def test_a_context_is_a_folder_of_whole_modules(data: DataFolder, tmp_path: Path) -> None:
    context = _tasks(data, 1)[0].context
    written = context.write(tmp_path)
    assert written.path.is_dir()
    for file in written.path.rglob("*.py"):
        ast.parse(file.read_text("utf-8"))


def test_files_are_chosen_to_the_length() -> None:
    files = [SourceFile(f"m{n}.py", "x = 1\n" * (n + 1)) for n in range(200)]
    chosen = choose_files(files, 20_000, random.Random(1))
    assert sum(len(file.text) for file in chosen) == pytest.approx(20_000, rel=0.02)
    assert [file.path for file in chosen] == sorted(file.path for file in chosen)


def test_what_does_not_parse_is_left_out_and_an_empty_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "bad.py").write_text("def :\n")
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    assert [file.path for file in read_files(tmp_path)] == ["good.py"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataMissing, match="no Python file"):
        read_files(empty)
