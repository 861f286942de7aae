"""`ask` that starts and stops its own server: real vLLM, real weights."""

import signal
from pathlib import Path

import pytest

from rlm_local.events import TurnStarted
from tests.e2e.commands import PrivateHome, events_of, eventually
from tests.e2e.leftovers import Leftovers
from tests.e2e.offline import cut_off
from tests.e2e.served import STACK
from tests.e2e.texts import NEEDLE_ANSWER, NEEDLE_QUESTION

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

STARTED_WITHIN_S = 300.0
LONG_CHARS = 45_000
"""Some 9,000 tokens: reading them takes any CPU long enough to be interrupted."""


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


def test_a_server_that_dies_in_a_run_is_told_of_in_one_line(
    stocked_home: PrivateHome, hay: Path
) -> None:
    text, trace = stocked_home.folder / "text.txt", stocked_home.folder / "trace.jsonl"
    text.write_text(hay.read_text()[:LONG_CHARS])
    left = Leftovers(stocked_home)
    process = stocked_home.start(
        "ask", "Which words stand here?", "--context", text, "--stack", STACK,
        *("--mode", "direct", "--trace", trace),
    )  # fmt: skip
    is_asked = eventually(
        lambda: any(isinstance(event, TurnStarted) for event in events_of(trace)),
        within_s=STARTED_WITHIN_S,
    )
    engines = [one for one in left.note(process.pid) if "VLLM::EngineCore" in one.cmdline()]
    for engine in engines:
        engine.send_signal(signal.SIGKILL)
    stdout, stderr = process.communicate()
    assert is_asked, stderr
    assert len(engines) == 1
    assert (process.returncode, stdout) == (1, "")
    (told,) = [line for line in stderr.splitlines() if line.startswith("stopped: ")]
    assert "vLLM ended: " in told
    (log,) = (stocked_home.folder / "servers").glob("*.log")
    assert told.endswith(f"Its log: {log}")
    assert "Traceback" not in stderr
    assert left.running() == []
    assert stocked_home.scratch_folders() == []
