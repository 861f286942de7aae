from dataclasses import replace

from rlm_local.cli.run_status import RunStatus
from rlm_local.events import SubcallsStarted, TurnStarted
from rlm_local.types import Usage
from tests.trace.samples import ended, one_run, started, subcall


def test_a_run_is_one_line_that_grows() -> None:
    status = RunStatus(0.0, "root: loading weights")
    lines = [status.line(0.0)]
    for event in one_run()[:8]:
        status.take(event, 1.0)
        lines.append(status.line(1.0))

    assert lines[0] == "0:00 · root: loading weights"
    assert lines[2] == "turn 1 · 0:01 · asking the root"
    assert lines[5] == "turn 1 · 0:01 · running code"
    assert lines[8] == "turn 1 · sub-calls 2/3, 1,202 tok/s · 0:01 · asking the worker"


def test_only_the_asked_run_sets_the_turn() -> None:
    status = RunStatus(0.0)
    turn = TurnStarted(run_id="r1", turn=2, attempt=1, n_messages_before=0, new_messages=())
    status.take(turn, 1.0)
    status.take(started("r1.1", "r1"), 1.0)
    status.take(replace(turn, run_id="r1.1", depth=1, turn=9), 2.0)

    assert status.line(62.0) == "turn 2 · in a child run · 1:02 · asking the root"
    status.take(ended("r1.1", "r1"), 3.0)
    assert "child" not in status.line(62.0)


def test_the_rate_is_of_the_last_ten_seconds_and_leaves_cached_tokens_out() -> None:
    status = RunStatus(0.0)
    status.take(SubcallsStarted(run_id="r1", batch=0, prompts=2, duplicates=0), 0.0)
    status.take(replace(subcall(0, reply="x"), usage=Usage(1000, 200, 100)), 95.0)

    assert "sub-calls 1/2, 90 tok/s" in status.line(100.0)
    assert "0 tok/s" in status.line(106.0)
