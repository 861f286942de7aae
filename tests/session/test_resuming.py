import dataclasses
from pathlib import Path

import pytest

from rlm_local.engine.recording import Recording
from rlm_local.errors import UserError
from rlm_local.events import Event, RootReplied, RunEnded, RunStarted
from rlm_local.session.resuming import load_recording, resumed
from rlm_local.session.settings import Settings
from rlm_local.trace.jsonl import JsonlTrace
from rlm_local.types import Limits, Usage
from tests.trace.samples import one_run, started


def reply(key: str, text: str) -> RootReplied:
    return RootReplied(
        run_id="r1",
        turn=1,
        attempt=0,
        reply=text,
        finish_reason="stop",
        usage=Usage(1, 0, 1),
        seconds=0.1,
        key=key,
    )


def write(path: Path, *events: Event) -> Path:
    trace = JsonlTrace(path, pytest.fail)
    for event in events:
        trace.emit(event)
    trace.close()
    return path


KEY = bytes(32)
OTHER = bytes([1]) * 32


def test_a_trace_without_an_end_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", started("r1"), reply(KEY.hex(), "a reply"))
    recording = load_recording(path)
    assert recording.name == str(path)
    found = recording.take_root_reply(KEY)
    assert found is not None
    assert found.text == "a reply"
    assert recording.take_root_reply(KEY) is None


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.jsonl", started("r1"), reply(KEY.hex(), "a"), reply(OTHER.hex(), "b")
    )
    path.write_bytes(path.read_bytes()[:-9])
    recording = load_recording(path)
    assert recording.take_root_reply(KEY) is not None
    assert recording.take_root_reply(OTHER) is None


def test_the_trace_that_was_resumed_before_is_followed(tmp_path: Path) -> None:
    one = write(tmp_path / "1.jsonl", started("r1"), reply(KEY.hex(), "a"), reply(OTHER.hex(), "b"))
    again = dataclasses.replace(started("r2"), resumed_from=str(one))
    two = write(tmp_path / "2.jsonl", again, reply(KEY.hex(), "a"))
    recording = load_recording(two)
    assert recording.take_root_reply(OTHER) is not None
    assert recording.take_root_reply(KEY) is not None
    assert recording.take_root_reply(KEY) is None


@pytest.mark.parametrize("earlier", ["gone.jsonl", "2.jsonl"])
def test_a_trace_that_is_gone_or_names_itself_does_no_harm(tmp_path: Path, earlier: str) -> None:
    again = dataclasses.replace(started("r2"), resumed_from=str(tmp_path / earlier))
    two = write(tmp_path / "2.jsonl", again, reply(KEY.hex(), "a"))
    assert load_recording(two).take_root_reply(KEY) is not None


def test_of_several_runs_in_one_file_the_last_is_meant(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.jsonl",
        started("r1", question="first"),
        reply(KEY.hex(), "a"),
        started("r2", question="second"),
    )
    recording = load_recording(path)
    assert recording.start.question == "second"
    assert recording.take_root_reply(KEY) is None


def test_a_run_with_an_answer_is_not_resumed(tmp_path: Path) -> None:
    events = [e for e in one_run() if not isinstance(e, RootReplied)]
    with pytest.raises(UserError, match="ended with an answer"):
        load_recording(write(tmp_path / "t.jsonl", *events))


def test_a_run_that_met_a_limit_is_resumed(tmp_path: Path) -> None:
    events = [
        dataclasses.replace(event, stop_reason="max_turns")
        if isinstance(event, RunEnded)
        else event
        for event in one_run()
        if not isinstance(event, RootReplied)
    ]
    assert load_recording(write(tmp_path / "t.jsonl", *events)).start.question == "Which bridge?"


def test_a_trace_of_an_earlier_version_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="an earlier version"):
        load_recording(write(tmp_path / "t.jsonl", *one_run()[:3]))


def test_a_file_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run begins"):
        load_recording(write(tmp_path / "t.jsonl", reply(KEY.hex(), "a")))
    with pytest.raises(UserError, match="cannot read the trace"):
        load_recording(tmp_path / "absent.jsonl")


def _recording() -> Recording:
    start: RunStarted = started("r1")
    return Recording.of("/traces/t.jsonl", [start])


def test_mode_seed_profile_and_limits_are_the_runs() -> None:
    settings = resumed(Settings(seed=1, sandbox="sealed"), _recording(), limits={})
    assert (settings.mode, settings.seed, settings.profile) == ("rlm", 7, "small-coder")
    assert settings.limits == Limits(max_turns=12, max_tokens=None, max_seconds=60.5)
    assert settings.sandbox == "sealed"


def test_samples_that_were_voting_vote_again() -> None:
    start = dataclasses.replace(started("r1"), agreement=3)
    settings = resumed(Settings(), Recording.of("/traces/t.jsonl", [start]), limits={})
    assert settings.agreement == 3


def test_limits_that_are_given_win() -> None:
    settings = resumed(Settings(), _recording(), limits={"max_turns": 30, "max_tokens": 5})
    assert settings.limits == Limits(max_turns=30, max_tokens=5, max_seconds=60.5)


def test_the_trace_to_resume_is_not_written_into() -> None:
    with pytest.raises(UserError, match="elsewhere"):
        resumed(Settings(trace=Path("/traces/t.jsonl")), _recording(), limits={})
