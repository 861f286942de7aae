from pathlib import Path

import pytest

from rlm_local.config import Home
from rlm_local.session.tracing import Fanout, open_trace
from rlm_local.trace.jsonl import read_trace
from tests.fakes.parts import ListSink
from tests.trace.samples import one_run, started


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_every_sink_gets_every_event_in_order() -> None:
    sinks = [ListSink(), ListSink()]
    both = Fanout(sinks)
    for event in one_run():
        both.emit(event)
    assert [sink.events for sink in sinks] == [list(one_run())] * 2


def test_a_run_gets_a_file_of_its_own_under_the_home_folder(home: Home) -> None:
    names = []
    for _ in range(3):
        trace = open_trace("auto", home, pytest.fail)
        trace.emit(started("r1"))
        trace.close()
        assert trace.written_to is not None
        assert list(read_trace(Path(trace.written_to))) == [started("r1")]
        names.append(trace.written_to)
    assert len(set(names)) == 3
    assert {Path(name).parent for name in names} == {home.root / "traces"}


def test_a_path_given_is_the_file(home: Home, tmp_path: Path) -> None:
    trace = open_trace(tmp_path / "new" / "run.jsonl", home, pytest.fail)
    trace.emit(started("r1"))
    trace.close()
    assert trace.written_to == str(tmp_path / "new" / "run.jsonl")


def test_off_writes_nothing(home: Home) -> None:
    trace = open_trace("off", home, pytest.fail)
    trace.emit(started("r1"))
    trace.close()
    assert trace.written_to is None
    assert not home.root.exists()


def test_a_file_that_is_not_whole_is_told_once_and_not_named(home: Home) -> None:
    warnings: list[str] = []
    trace = open_trace(Path("/dev/full"), home, warnings.append)
    for event in one_run():
        trace.emit(event)
    trace.close()
    trace.close()
    assert trace.written_to is None
    assert warnings == ["the trace /dev/full is incomplete: No space left on device"]
