import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlm_local.cli.trace import trace
from rlm_local.errors import UserError
from rlm_local.events import Event
from rlm_local.trace.jsonl import JsonlTrace
from tests.trace.samples import one_run, started


@pytest.fixture
def traces(tmp_path: Path) -> Iterator[Path]:
    """The folder of traces of a home of its own."""
    before = os.environ.get("RLM_LOCAL_HOME")
    os.environ["RLM_LOCAL_HOME"] = str(tmp_path)
    (tmp_path / "traces").mkdir()
    yield tmp_path / "traces"
    if before is None:
        del os.environ["RLM_LOCAL_HOME"]
    else:
        os.environ["RLM_LOCAL_HOME"] = before


def _write(path: Path, events: list[Event]) -> None:
    file = JsonlTrace(path, pytest.fail)
    for event in events:
        file.emit(event)
    file.close()


def _call(*args: str) -> Result:
    result = CliRunner().invoke(trace, args)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_show_prints_a_run_for_a_person(traces: Path) -> None:
    _write(traces / "a.jsonl", one_run())

    result = _call("show", str(traces / "a.jsonl"))

    assert result.exit_code == 0
    assert "Which bridge?" in result.stdout
    assert "The old one" in result.stdout


def test_show_takes_last_and_bare_names(traces: Path) -> None:
    _write(traces / "old.jsonl", [started("r1", question="old question")])
    _write(traces / "new.jsonl", [started("r1", question="new question")])
    os.utime(traces / "old.jsonl", (1, 1))

    assert "new question" in _call("show", "last").stdout
    assert "old question" in _call("show", "old").stdout
    assert "old question" in _call("show", "old.jsonl").stdout


def test_show_json_is_one_object_with_what_was_left_out(traces: Path) -> None:
    _write(traces / "a.jsonl", one_run())
    with (traces / "a.jsonl").open("ab") as file:
        file.write(b'{"kind":"dreamt"}\n{"kind":"notice"')

    shown = json.loads(_call("show", "last", "--json").stdout)

    assert shown["left_out"] == {"unknown kind dreamt": 1, "torn last line": 1}
    assert [run["run_id"] for run in shown["runs"]] == ["r1"]
    batches = [part for part in shown["runs"][0]["parts"] if part["kind"] == "batch"]
    assert "subcalls" not in batches[0]

    full = json.loads(_call("show", "last", "--json", "--full").stdout)
    batches = [part for part in full["runs"][0]["parts"] if part["kind"] == "batch"]
    assert len(batches[0]["subcalls"]) == 3


def test_what_was_left_out_is_said_on_stderr(traces: Path) -> None:
    _write(traces / "a.jsonl", one_run())
    with (traces / "a.jsonl").open("ab") as file:
        file.write(b'{"kind":"notice"')

    assert "torn last line" in _call("show", "last").stderr


def test_no_trace_and_no_such_trace_are_told(traces: Path) -> None:
    with pytest.raises(UserError, match="there is no trace yet"):
        _call("show", "last")
    with pytest.raises(UserError, match="No such file"):
        _call("show", "absent")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_empty_trace_is_an_error(traces: Path, options: tuple[str, ...]) -> None:
    (traces / "a.jsonl").write_text("\n")
    for path in ("last", "/dev/null"):
        with pytest.raises(UserError, match="is no trace: it is empty"):
            _call("show", path, *options)


def test_list_is_newest_first_and_leaves_out_what_is_no_trace(traces: Path) -> None:
    _write(traces / "old.jsonl", one_run())
    _write(traces / "new.jsonl", one_run()[:3])
    os.utime(traces / "old.jsonl", (1, 1))
    (traces / "notes.jsonl").write_text("hello")

    lines = _call("list").stdout.splitlines()
    entries = json.loads(_call("list", "--json").stdout)["traces"]

    assert [line.split()[0] for line in lines] == ["new.jsonl", "old.jsonl"]
    assert "unfinished" in lines[0]
    assert "answered" in lines[1]
    assert [entry["stop_reason"] for entry in entries] == ["unfinished", "answered"]


def test_an_empty_list_says_where_it_looked(traces: Path) -> None:
    result = _call("list")

    assert result.stdout == ""
    assert str(traces) in result.stderr
