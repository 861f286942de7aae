"""The real vllm-router before two replicas, one of which is killed; the engine is the real one.

The replicas are small processes here; `python -m benchmarks.router_recipe` puts two vLLM there.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.router import Policy, Router, router_command
from benchmarks.router_recipe import prompts_of
from benchmarks.scripted_root import Batch, send_batch
from rlm_local.session.endpoints import EndpointNames, Served, open_endpoints
from rlm_local.session.settings import Settings
from tests.benchmarks.echo_replica import KEY

N_PROMPTS = 120
PIECES = 12


class Replica:
    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.echo_replica", name, "60"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def replicas() -> Iterator[tuple[Replica, Replica]]:
    both = (Replica("first"), Replica("second"))
    yield both
    for replica in both:
        replica.kill()
        assert replica.process.stdout is not None
        replica.process.stdout.close()


def _prompts() -> list[str]:
    """Some ask about the same piece of text, which stands first."""
    return [
        f"Piece {n % PIECES}. {'Grass is green. ' * 20}{n % PIECES}\n\nSay the number {n}."
        for n in range(N_PROMPTS)
    ]


async def _send(
    replicas: tuple[Replica, Replica],
    log: Path,
    policy: Policy = "cache_aware",
    on_done: Callable[[int], None] = lambda n_done: None,
) -> Batch:
    async with Router([one.url for one in replicas], policy=policy, log=log) as router:
        served = Served((router.base_url,), KEY, "worker")
        opened = await open_endpoints(EndpointNames(served, served), Settings())
        try:
            return await send_batch(opened.models.worker, _prompts(), on_done=on_done)
        finally:
            await opened.aclose()


def _replies(batch: Batch) -> dict[str, str]:
    """Prompt -> who answered; every reply must be to its own prompt."""
    by = {}
    for event in batch.done:
        number, _, name = str(event.reply).partition(" by ")
        assert event.prompt.endswith(f"the number {number}.")
        by[event.prompt] = name
    return by


async def test_a_replica_killed_in_a_batch_loses_and_doubles_nothing(
    replicas: tuple[Replica, Replica], tmp_path: Path
) -> None:
    def on_done(n_done: int) -> None:
        if n_done == N_PROMPTS // 3:
            replicas[0].kill()

    batch = await _send(replicas, tmp_path / "log", on_done=on_done)
    assert (batch.lost, batch.doubled) == (0, 0)
    assert batch.answer == f"{N_PROMPTS} {N_PROMPTS}"
    assert len(_replies(batch)) == N_PROMPTS


async def test_prompts_with_the_same_beginning_go_to_the_same_replica(
    replicas: tuple[Replica, Replica], tmp_path: Path
) -> None:
    batch = await _send(replicas, tmp_path / "log")
    at: dict[str, Counter[str]] = {}
    for prompt, name in _replies(batch).items():
        at.setdefault(prompt.partition(".")[0], Counter())[name] += 1
    away = sum(names.total() - max(names.values()) for names in at.values())
    assert len({name for names in at.values() for name in names}) == 2
    assert away < N_PROMPTS // 5  # spread evenly it would be half of them


async def test_without_the_replicas_key_nothing_is_answered(
    replicas: tuple[Replica, Replica], tmp_path: Path
) -> None:
    async with Router([one.url for one in replicas], log=tmp_path / "log") as router:
        served = Served((router.base_url,), "another", "worker")
        opened = await open_endpoints(EndpointNames(served, served), Settings())
        try:
            batch = await send_batch(opened.models.worker, ["Say the number 1."])
        finally:
            await opened.aclose()
    assert batch.lost == 1
    assert "wrong key" in str(batch.done[0].error)


def test_the_router_listens_on_loopback_only() -> None:
    command = router_command(
        Path("vllm-router"), ["http://a"], ports=(1, 2), policy="cache_aware", sequences=16
    )
    assert command[command.index("--host") + 1] == "127.0.0.1"


def test_prompts_come_in_groups_that_share_their_text() -> None:
    made = prompts_of(7, prompts=40, questions=10, words=50)
    assert len(set(made)) == 40
    assert len({prompt.partition("\n\n")[0] for prompt in made}) == 4
