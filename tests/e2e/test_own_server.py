"""`ask` that starts and stops its own server: real vLLM, real weights."""

import time
from pathlib import Path

import pytest

from tests.e2e.commands import PrivateHome
from tests.e2e.leftovers import Leftovers
from tests.e2e.offline import cut_off
from tests.e2e.served import STACK
from tests.e2e.texts import NEEDLE_ANSWER, NEEDLE_QUESTION

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


def test_without_a_network_a_server_starts_and_answers_and_stops(
    stocked_home: PrivateHome, hay: Path
) -> None:
    """Only loopback is up, which vLLM's own processes need (docs/offline.md)."""
    cut = cut_off(loopback=True)
    asked = stocked_home.run("ask", NEEDLE_QUESTION, "--context", hay, "--stack", STACK, prefix=cut)
    assert asked.code == 0, asked.stderr
    assert asked.stdout.strip() == NEEDLE_ANSWER
    assert "ready" in asked.stderr
    assert Leftovers(stocked_home).running() == []
    assert stocked_home.scratch_folders() == []
    assert list((stocked_home.folder / "servers").glob("*.log")) == []


def test_two_asks_at_the_same_moment_share_one_server_which_ends_with_the_last(
    stocked_home: PrivateHome, hay: Path
) -> None:
    """Issue 4: both answer; one set of servers."""
    left = Leftovers(stocked_home)
    question = ("ask", NEEDLE_QUESTION, "--context", hay, "--stack", STACK)
    processes = [stocked_home.start(*question) for _ in range(2)]
    most_servers = 0
    while any(process.poll() is None for process in processes):
        for process in processes:
            left.note(process.pid)
        most_servers = max(most_servers, len(stocked_home.scratch_folders()))
        time.sleep(0.1)
    ended = [(*process.communicate(), process.returncode) for process in processes]
    assert [code for _, _, code in ended] == [0, 0], ended
    assert all(NEEDLE_ANSWER in stdout for stdout, _, _ in ended)
    assert most_servers == 1
    assert sorted("loading weights" in stderr for _, stderr, _ in ended) == [False, True]
    assert sorted("waiting for another rlm-local" in stderr for _, stderr, _ in ended) == [
        False,
        True,
    ]
    assert left.running() == []
    assert stocked_home.scratch_folders() == []
