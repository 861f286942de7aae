import os
import stat
from pathlib import Path

import pytest

from rlm_local.errors import UserError
from rlm_local.events import Event, Notice
from rlm_local.trace.jsonl import JsonlTrace, last_event, read_trace
from tests.trace.samples import ended, one_run


def _write(path: Path, events: list[Event]) -> None:
    failures: list[str] = []
    trace = JsonlTrace(path, failures.append)
    for event in events:
        trace.emit(event)
    trace.close()
    assert failures == []


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    _write(tmp_path / "t.jsonl", one_run())

    assert list(read_trace(tmp_path / "t.jsonl")) == one_run()


def test_a_reader_tells_an_empty_file_from_one_of_records_it_does_not_know(
    tmp_path: Path,
) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "new.jsonl").write_bytes(b'{"kind":"dreamt"}\n')

    for name, is_empty in (("empty", True), ("new", False)):
        reader = read_trace(tmp_path / f"{name}.jsonl")
        assert list(reader) == []
        assert reader.is_empty == is_empty


def test_an_event_is_on_disk_before_the_next_one(tmp_path: Path) -> None:
    trace = JsonlTrace(tmp_path / "t.jsonl", pytest.fail)
    for n, event in enumerate(one_run(), start=1):
        trace.emit(event)
        assert (tmp_path / "t.jsonl").read_bytes().count(b"\n") == n
    trace.close()


def test_only_the_owner_can_read_file_and_folder(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        _write(tmp_path / "new" / "t.jsonl", [])
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "new" / "t.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_full_disk_is_told_once_and_stops_nothing() -> None:
    failures: list[str] = []
    trace = JsonlTrace(Path("/dev/full"), failures.append)

    for event in one_run():
        trace.emit(event)
    trace.close()

    assert failures == ["the trace /dev/full is incomplete: No space left on device"]
    assert trace.failure == failures[0]


def test_writing_after_close_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    failures: list[str] = []
    trace = JsonlTrace(tmp_path / "t.jsonl", failures.append)
    trace.close()
    trace.close()

    trace.emit(one_run()[0])
    trace.emit(one_run()[1])

    assert failures == [f"the trace {tmp_path / 't.jsonl'} is incomplete: it is closed"]


def test_a_path_that_cannot_be_opened_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    failures: list[str] = []
    trace = JsonlTrace(tmp_path / "file" / "t.jsonl", failures.append)

    trace.emit(one_run()[0])
    trace.close()

    assert len(failures) == 1
    assert "Not a directory" in failures[0] or "File exists" in failures[0]


def test_a_torn_last_line_is_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    _write(path, one_run())
    path.write_bytes(path.read_bytes()[:-20])

    with read_trace(path) as reader:
        assert list(reader) == one_run()[:-1]
    assert reader.torn


def test_a_line_that_a_run_is_writing_right_now_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    _write(path, one_run())
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])

    with read_trace(path) as reader:
        for _ in one_run()[:-2]:
            next(reader)
        assert next(reader) == one_run()[-2]
        assert next(reader, None) is None
        path.write_bytes(whole)
        assert next(reader, None) is None


def test_a_line_torn_in_the_middle_is_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    _write(path, one_run()[:3])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:-20] + b"\n" + lines[2])

    with pytest.raises(UserError, match=r"t\.jsonl is not a trace of rlm-local: line 2"):
        list(read_trace(path))


def test_unknown_kinds_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    _write(path, one_run()[:1])
    with path.open("ab") as file:
        file.write(b'{"kind":"dreamt","run_id":"r1"}\n' * 2)

    with read_trace(path) as reader:
        assert list(reader) == one_run()[:1]
    assert reader.unknown_kinds == {"dreamt": 2}


@pytest.mark.parametrize("content", [b"hello\n", b"\x89PNG\r\n\x1a\n", b'{"a": 1}', b"[]\n", b"42"])
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)

    with pytest.raises(UserError, match=r"notes\.txt is not a trace of rlm-local: line 1"):
        list(read_trace(path))


def test_an_absent_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_trace(tmp_path / "absent.jsonl")
    with pytest.raises(UserError, match="Is a directory"):
        list(read_trace(tmp_path))


def test_the_last_event_is_found_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    long = Notice(run_id="r1", text="x" * 200_000)

    _write(path, [*one_run()[:2], long])
    assert last_event(path) == long

    _write(path, [ended("r1")])
    assert last_event(path) == ended("r1")

    with path.open("ab") as file:
        file.write(b'{"kind":"dreamt"}\n{"kind":"notice","te')
    assert last_event(path) == ended("r1")


@pytest.mark.parametrize("content", [b"", b"\n", b"no newline", b"no trace\n"])
def test_no_last_event_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.jsonl").write_bytes(content)

    assert last_event(tmp_path / "t.jsonl") is None
    assert last_event(tmp_path / "absent.jsonl") is None
