"""Sessions over a fake server in this process, and over one that is a process of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rlm_local import RLM
from rlm_local.events import Event
from tests.fakes.openai_server import OpenAIServer

OpenRLM = Callable[..., RLM]


class Watcher:
    """Keeps what a session tells whoever watches."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.warnings: list[str] = []
        self.phases: list[str] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def phase(self, name: str, elapsed_s: float) -> None:
        self.phases.append(name)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def open_rlm(home_here: Path) -> Iterator[OpenRLM]:
    """Makes sessions under an empty home; all are closed in the end, and nothing may be left."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    opened: list[RLM] = []

    def make(base_url: str, **settings: object) -> RLM:
        rlm = RLM(base_url=base_url, root="root", worker="worker", **settings)  # type: ignore[arg-type]  # given by tests
        opened.append(rlm)
        return rlm

    yield make
    for rlm in opened:
        rlm.close()
    left = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
    assert left == []
