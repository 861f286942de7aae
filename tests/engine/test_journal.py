from rlm_local.engine.journal import Journal
from rlm_local.events import Notice
from tests.fakes.parts import ListSink


def test_events_are_stamped_with_their_run_and_its_parent() -> None:
    sink = ListSink()
    journal = Journal(sink, "run")
    journal.notice("from the run")
    journal.child("child").notice("from its child")
    run, child = sink.of(Notice)
    assert (run.run_id, run.parent_run_id, run.depth) == ("run", None, 0)
    assert (child.run_id, child.parent_run_id, child.depth) == ("child", "run", 1)
    assert child.time_s >= run.time_s > 0
    assert (run.text, child.text) == ("from the run", "from its child")
