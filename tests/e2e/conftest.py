"""Homes whose weights are the real ones, and one text to ask about."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_local.config import Home
from tests.e2e.commands import PrivateHome, own_home
from tests.e2e.leftovers import Leftovers
from tests.e2e.texts import haystack


@pytest.fixture
def bare_home() -> Iterator[PrivateHome]:
    """A home folder with nothing in it."""
    with own_home() as home:
        yield home


@pytest.fixture
def stocked_home(tiny_weights: Path) -> Iterator[PrivateHome]:
    """A home folder that has the weights of the small model."""
    del tiny_weights  # asked for so that absent weights are told of in words
    with own_home(Home.from_environment().folder("weights")) as home:
        yield home
        assert Leftovers(home).wait() == []


@pytest.fixture(scope="session")
def hay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a few megabytes with one needle."""
    path = tmp_path_factory.mktemp("hay") / "hay.txt"
    path.write_text(haystack())
    return path
