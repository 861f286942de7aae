from pathlib import Path

import pytest

from benchmarks.prefix_cache import share
from benchmarks.traces import batches_s, cached_turns, read_events, waiting_s
from rlm_local.events import CellRan, Event, RootReplied, SubcallDone, SubcallsStarted
from rlm_local.trace.jsonl import JsonlTrace
from rlm_local.types import Usage


def _reply(turn: int, prompt: int, cached: int, **rest: object) -> RootReplied:
    fields = {"run_id": "r", "attempt": 1, "depth": 0, **rest}
    return RootReplied(
        run_id=str(fields["run_id"]),
        depth=int(str(fields["depth"])),
        turn=turn,
        attempt=int(str(fields["attempt"])),
        reply="",
        finish_reason="stop",
        usage=Usage(prompt_tokens=prompt, cached_tokens=cached),
        seconds=2.0,
    )


def _cell(host_wait_s: float) -> CellRan:
    return CellRan(
        run_id="r",
        turn=1,
        stdout="",
        stdout_chars=0,
        result=None,
        error=None,
        final=None,
        seconds=host_wait_s,
        host_wait_s=host_wait_s,
        interrupted=False,
        restarted=False,
    )


def _done(item: int, time_s: float) -> SubcallDone:
    return SubcallDone(
        run_id="r",
        time_s=time_s,
        batch=1,
        item=item,
        prompt="p",
        reply="r",
        error=None,
        usage=Usage(),
        seconds=0.1,
        attempts=1,
        cached=False,
    )


def test_turns_are_held_against_the_request_before_them() -> None:
    first, second, third = _reply(1, 100, 0), _reply(2, 160, 96), _reply(3, 220, 192)
    turns = cached_turns([first, second, third])
    assert [(turn.sent_before_tokens, turn.cached_tokens) for turn in turns] == [
        (100, 96),
        (160, 192),
    ]
    assert [turn.share for turn in turns] == [pytest.approx(0.96), 1.0]


def test_a_second_attempt_at_a_turn_does_not_flatter_the_share() -> None:
    again = _reply(1, 100, 100, attempt=2)
    assert cached_turns([_reply(1, 100, 0), again]) == []


def test_runs_are_kept_apart() -> None:
    child = _reply(1, 50, 0, run_id="child", depth=1)
    (turn,) = cached_turns([_reply(1, 100, 0), child, _reply(2, 160, 80)])
    assert turn.sent_before_tokens == 100


def test_the_share_of_all_turns_weighs_them_by_their_tokens() -> None:
    turns = cached_turns([_reply(1, 100, 0), _reply(2, 300, 100), _reply(3, 400, 0)])
    assert share(turns) == pytest.approx(100 / 400)
    assert share([]) == 0.0


def test_waiting_is_the_roots_replies_and_the_cells_sub_calls_of_the_top_run() -> None:
    events: list[Event] = [_reply(1, 1, 0), _cell(0.5), _reply(1, 1, 0, depth=1), _reply(2, 1, 0)]
    assert waiting_s(events) == pytest.approx(4.5)


def test_a_batch_lasts_to_its_last_item() -> None:
    started = SubcallsStarted(run_id="r", time_s=10.0, batch=1, prompts=2, duplicates=0)
    assert batches_s([started, _done(1, 10.4), _done(0, 10.9)]) == [pytest.approx(0.9)]


def test_events_are_read_back_from_a_trace_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    failures: list[str] = []
    trace = JsonlTrace(path, failures.append)
    trace.emit(_reply(1, 100, 0))
    trace.close()
    assert read_events(path) == [_reply(1, 100, 0)]
    assert failures == []
