import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.tasks.arms import ARMS, answerer, cut_middle
from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.outcomes import Outcome
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.runner import run_tasks
from benchmarks.tasks.task import Request, Task
from rlm_local.errors import ModelError
from rlm_local.session.inputs import ContextLike
from rlm_local.types import Answer, ContextFacts, RunUsage, TokenCount, Usage


def _answer(text: str) -> Answer:
    usage = Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=2)
    facts = ContextFacts(1, 1, 1, TokenCount(1, True), 1, "0")
    return Answer(
        text=text,
        stop_reason="answered",
        mode="rlm",
        turns=2,
        subcalls=3,
        cached_subcalls=0,
        seconds=0.5,
        usage=RunUsage(root=usage, worker=usage),
        context=facts,
        stack="s",
        trace=None,
    )


@dataclass
class FakeModels:
    """Says what a script says, and keeps what it was asked over."""

    said: str = "nothing"
    failure: ModelError | None = None
    paths: list[Path] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    async def acomplete(self, context: ContextLike, question: str | None = None) -> Answer:
        if self.failure is not None:
            raise self.failure
        if isinstance(context, Path):
            assert context.exists()
            self.paths.append(context)
        else:
            self.texts.append(str(context))
        return _answer(self.said)


def _tasks(
    data: DataFolder, family: str = "oolong-sms", seeds: Sequence[int] = (1, 2)
) -> list[Task]:
    return [t for seed in seeds for t in FAMILIES[family].tasks(Request(8_000, seed, data, 4))]


async def _done(
    tasks: Sequence[Task], arm: str, models: FakeModels | None, folder: Path, *, at_once: int = 1
) -> list[Outcome]:
    answer = answerer(arm, models, window_tokens=900)
    return [one async for one in run_tasks(tasks, arm, answer, folder=folder, at_once=at_once)]


async def test_each_context_is_written_once_and_removed_when_it_is_done(
    data: DataFolder, tmp_path: Path
) -> None:
    models = FakeModels()
    tasks = [*_tasks(data), *FAMILIES["code"].tasks(Request(8_000, 1, data, 2))]
    done = await _done(tasks, "rlm", models, tmp_path)
    assert len(done) == len(tasks)
    assert len(set(models.paths)) == 3
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  # a test


async def test_an_answer_is_scored_and_its_costs_are_kept(data: DataFolder, tmp_path: Path) -> None:
    (task,) = FAMILIES["vt"].tasks(Request(8_000, 1, data))
    models = FakeModels(said=f"They are {', '.join(task.truth[:4])}.")
    (done,) = await _done([task], "rlm", models, tmp_path)
    assert done.score == pytest.approx(0.8)
    assert done.scores == {"string_match_all": done.score}
    assert (done.facts["turns"], done.facts["subcalls"]) == (2, 3)
    assert done.facts["prompt_tokens"] == 20
    assert done.facts["task_sha256"] == task.sha256
    assert len(done.facts["context_sha256"]) == 64
    assert done.error == ""


async def test_a_failure_is_scored_0_with_its_reason(data: DataFolder, tmp_path: Path) -> None:
    models = FakeModels(failure=ModelError("the server is gone"))
    done = await _done(_tasks(data), "rlm", models, tmp_path)
    assert {one.score for one in done} == {0.0}
    assert {one.error for one in done} == {"ModelError: the server is gone"}


async def test_controls_without_models_ask_none(data: DataFolder, tmp_path: Path) -> None:
    for arm in ("blind", "regex"):
        done = await _done(_tasks(data), arm, None, tmp_path)
        assert {one.arm for one in done} == {arm}
        assert all(0 <= one.score <= 1 for one in done)
    for arm in set(ARMS) - {"blind", "regex"}:
        with pytest.raises(ValueError, match="asks models"):
            answerer(arm, None, window_tokens=9)


async def test_a_truncated_text_has_its_beginning_and_its_end(
    data: DataFolder, tmp_path: Path
) -> None:
    models = FakeModels()
    tasks = _tasks(data, seeds=[1])
    await _done(tasks, "truncated", models, tmp_path)
    text = tasks[0].context.text()
    (shown,) = set(models.texts)
    first, last = shown.split("\n[...]\n")
    assert text.startswith(first)
    assert text.endswith(last)
    assert len(shown) == pytest.approx(len(text) * 900 / 8_000, rel=0.02)
    assert cut_middle("short", 900) == "short"


async def test_a_closed_book_shows_nothing_of_the_text(data: DataFolder, tmp_path: Path) -> None:
    models = FakeModels()
    tasks = _tasks(data, seeds=[1])
    await _done(tasks, "closed-book", models, tmp_path)
    assert set(models.texts) == {"(there is no text)"}


@dataclass
class SlowModels:
    """Waits with every question until `wanted` are asked at the same time."""

    wanted: int
    waiting: int = 0
    most: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)

    async def acomplete(self, context: ContextLike, question: str | None = None) -> Answer:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        if self.waiting == self.wanted:
            self.full.set()
        await self.full.wait()
        assert isinstance(context, Path)
        assert context.exists()  # a test
        self.waiting -= 1
        return _answer("x")


async def test_as_many_are_asked_together_as_is_said_over_several_contexts(
    data: DataFolder, tmp_path: Path
) -> None:
    models = SlowModels(wanted=6)
    tasks = _tasks(data, seeds=[1, 2, 3])
    answer = answerer("rlm", models, window_tokens=9)
    done = [one async for one in run_tasks(tasks, "rlm", answer, folder=tmp_path, at_once=6)]
    assert models.most == 6
    assert sorted(one.name for one in done) == sorted(task.name for task in tasks)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  # a test


async def test_outcomes_come_before_the_last_is_ready(data: DataFolder, tmp_path: Path) -> None:
    models = SlowModels(wanted=3)
    asked = run_tasks(
        _tasks(data, seeds=[1]),
        "rlm",
        answerer("rlm", models, window_tokens=9),
        folder=tmp_path,
        at_once=3,
    )
    assert (await anext(asked)).answer == "x"
    await asked.aclose()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  # a test


async def test_a_run_that_is_stopped_gives_up_its_questions_and_its_files(
    data: DataFolder, tmp_path: Path
) -> None:
    models = SlowModels(wanted=99)
    answer = answerer("rlm", models, window_tokens=9)

    async def ask() -> list[Outcome]:
        tasks = _tasks(data)
        return [one async for one in run_tasks(tasks, "rlm", answer, folder=tmp_path, at_once=4)]

    asking = asyncio.create_task(ask())
    while models.waiting < 4:  # noqa: ASYNC110  # the fake tells nobody
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  # a test


async def test_a_fault_of_ours_is_no_outcome(data: DataFolder, tmp_path: Path) -> None:
    class Broken:
        async def acomplete(self, context: ContextLike, question: str | None = None) -> Answer:
            raise ZeroDivisionError

    answer = answerer("rlm", Broken(), window_tokens=9)
    asked = run_tasks(_tasks(data), "rlm", answer, folder=tmp_path, at_once=2)
    with pytest.raises(ZeroDivisionError):
        await anext(asked)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  # a test
