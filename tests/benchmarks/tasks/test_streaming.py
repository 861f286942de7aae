"""Ten million tokens are made piece by piece."""

import tracemalloc

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.labelled import SOURCES
from benchmarks.tasks.oolong import window_of
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.task import Request


@pytest.mark.parametrize("family", ["niah_single_1", "niah_single_2", "babilong_qa1"])
def test_ten_million_tokens_take_little_memory(data: DataFolder, family: str) -> None:
    FAMILIES[family].tasks(Request(1_000_000, 1, data))  # the data itself, read once and kept
    tracemalloc.start()
    (task,) = FAMILIES[family].tasks(Request(10_000_000, 1, data))
    size = sum(len(piece) for file in task.context.files for piece in file.pieces())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 37_000_000
    assert peak < 2_000_000


def test_a_window_of_a_million_tokens_holds_its_rows_and_no_text(data: DataFolder) -> None:
    tracemalloc.start()
    window, _ = window_of(SOURCES["wordnet"], Request(1_000_000, 1, data))
    size = sum(map(len, window.pieces()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == pytest.approx(1_000_000 * SOURCES["wordnet"].chars_per_token, rel=0.02)
    assert peak < 25_000_000
