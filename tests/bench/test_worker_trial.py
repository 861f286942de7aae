import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from rlm_local.bench.labelled_lines import LabelledLine
from rlm_local.bench.target import Target
from rlm_local.bench.worker_trial import SizeResult, labelling_cell, try_worker
from rlm_local.errors import ModelError
from tests.fakes.openai_server import OpenAIServer

LINES = [
    LabelledLine(f"{word} number {n}", "fruit" if word in {"plum", "pear"} else "tool")
    for n, word in enumerate(["plum", "saw", "pear", "file", "plum", "axe", "pear"])
]


def _label(line: str) -> str:
    return "fruit" if "plum" in line or "pear" in line else "tool"


def _worker(body: dict[str, Any]) -> str:
    """Labels one line, or every numbered line of a prompt."""
    said = str(body["messages"][-1]["content"])
    numbered = re.findall(r"^(\d+)\. (.+)$", said, re.MULTILINE)
    if numbered:
        return json.dumps({key: _label(line) for key, line in numbered})
    return _label(said)


@pytest.mark.parametrize("size", [1, 3])
async def test_every_line_comes_back_with_its_label(
    home_here: Path, server: OpenAIServer, size: int
) -> None:
    server.options.replies = [_worker]
    target = Target(base_url=server.base_url, root="worker")
    result = await asyncio.to_thread(try_worker, target, LINES, size=size)
    assert result.given == tuple((line.label, line.label) for line in LINES)
    assert (result.size, result.right, result.failed) == (size, 7, 0)
    assert {body["model"] for body in server.requests} == {"worker"}
    if size == 3:
        assert result.subcalls == 3


async def test_a_failed_sub_call_is_a_line_without_a_label(
    home_here: Path, server: OpenAIServer
) -> None:
    server.options.replies = ["nonsense"]
    target = Target(base_url=server.base_url, root="worker")
    result = await asyncio.to_thread(try_worker, target, LINES, size=3)
    assert (result.right, result.failed) == (0, 7)


def test_a_server_that_is_gone_is_told(home_here: Path) -> None:
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9"):
        try_worker(Target(base_url="http://127.0.0.1:9/v1", root="worker"), LINES)


def test_results_are_told_by_label_and_by_mistake() -> None:
    given = (("a", "a"), ("a", "b"), ("a", "b"), ("b", "b"), ("b", None))
    result = SizeResult(1, given, 1.0, 5, 10, 0)
    assert result.by_label() == {"a": (1, 3), "b": (1, 2)}
    assert result.mistaken() == [("a", "b", 2), ("b", None, 1)]
    assert (result.right, result.failed) == (2, 1)


def test_labels_with_quotes_stand_in_the_cell_as_they_are() -> None:
    cell = labelling_cell(['it\'s "so"', "b"], "What is it?", 2)
    compile(cell, "cell", "exec")
    assert json.dumps(['it\'s "so"', "b"]) in cell
