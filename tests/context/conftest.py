"""Opens contexts in a folder of the test's own, and closes every one of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rlm_local.context.mapped_file import MappedContext, open_context
from rlm_local.context.sources import ContextInput, ReadOptions
from tests.fakes.word_counter import WordCounter

Opener = Callable[..., MappedContext]


@pytest.fixture
def index_folder(tmp_path: Path) -> Path:
    return tmp_path / "kept-indexes"


@pytest.fixture
def open_inputs(tmp_path: Path, index_folder: Path) -> Iterator[Opener]:
    opened: list[MappedContext] = []

    def open_(
        *inputs: ContextInput,
        include: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
        counter: WordCounter | None = None,
    ) -> MappedContext:
        context = open_context(
            inputs,
            ReadOptions(include, exclude),
            counter=counter or WordCounter(),
            scratch=tmp_path / "scratch",
            index_folder=index_folder,
        )
        opened.append(context)
        return context

    yield open_
    for context in opened:
        context.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for the test to fill, apart from scratch and indexes."""
    path = tmp_path / "given"
    path.mkdir()
    return path
