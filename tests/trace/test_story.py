from rlm_local.events import CellRan, CellStarted, Notice, TurnStarted
from rlm_local.trace.story import Batch, RunStory, story_json, tell
from tests.trace.samples import ended, one_run, started, subcall


def test_a_child_run_is_a_part_of_its_parent_where_it_began() -> None:
    (run,) = tell(one_run())

    child = next(part for part in run.parts if isinstance(part, RunStory))
    assert child.started == started("r1.1", "r1", "Which opened first?")
    assert [type(part) for part in child.parts] == [Notice]
    kinds = [type(part) for part in run.parts]
    assert kinds.index(CellStarted) < kinds.index(RunStory) < kinds.index(CellRan)


def test_a_batch_is_one_part_with_its_sums() -> None:
    (run,) = tell(one_run())

    (batch,) = [part for part in run.parts if isinstance(part, Batch)]
    assert (batch.prompts, batch.done, batch.failed, batch.cached) == (3, 3, 1, 1)
    assert batch.usage.prompt_tokens == 300
    assert batch.seconds == 3.0
    assert batch.errors == {"timed out after 60 s": 1}
    assert batch.subcalls == []


def test_sub_calls_are_kept_when_asked_for() -> None:
    (run,) = tell(one_run(), keep_subcalls=True)

    (batch,) = run.batches.values()
    assert [kept.item for kept in batch.subcalls] == [0, 1, 2]


def test_a_run_that_was_killed_has_no_end() -> None:
    (run,) = tell(one_run()[:5])

    assert run.ended is None
    assert isinstance(run.parts[0], TurnStarted)


def test_a_child_whose_parent_is_not_in_the_trace_stands_alone() -> None:
    runs = tell([subcall(0, reply="x"), ended("other", "absent")])

    assert [run.run_id for run in runs] == ["r1", "other"]


def test_the_json_of_a_story_nests_like_the_story() -> None:
    (run,) = tell(one_run(), keep_subcalls=True)

    data = story_json(run)

    parts = data["parts"]
    assert isinstance(parts, list)
    kinds = [part["kind"] for part in parts if isinstance(part, dict)]
    assert kinds == [
        "turn_started", "root_replied", "guard_fired", "cell_started", "batch", "run",
        "cell_ran", "examples_shown", "history_compacted",
    ]  # fmt: skip
