"""The command line over an empty home and a fake server; whatever stays behind fails the test."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.cli.command import TEXT, CommandLine, adopt_orphans, left_behind
from tests.fakes.openai_server import OpenAIServer


@pytest.fixture
def rlm_local(empty_home: Mapping[str, str], tmp_path: Path) -> Iterator[CommandLine]:
    known = [child.pid for child in psutil.Process().children(recursive=True)]
    adopt_orphans(on=True)
    try:
        yield CommandLine(empty_home, tmp_path)
        assert left_behind(known) == []
    finally:
        adopt_orphans(on=False)


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A context of three lines, one with the code word."""
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path
