"""Samples of one run that vote: whose answer counts, what they share, when they stop."""

import asyncio
import dataclasses
from collections.abc import Callable

import pytest

from rlm_local.config import RunConfig
from rlm_local.engine.agreement import agree, parts_of_sample
from rlm_local.engine.journal import Journal
from rlm_local.engine.loop import Engine, Models
from rlm_local.engine.recording import Recording
from rlm_local.engine.retry import RetryPolicy
from rlm_local.engine.run_state import Parts
from rlm_local.errors import UserError
from rlm_local.events import Notice, RunEnded, RunStarted, SubcallDone
from rlm_local.registry import SamplingSpec
from rlm_local.types import Answer, Completion, Limits, ModelRequest, RunMode
from tests.engine.scenes import AT_ONCE, TEXT, cell, profile
from tests.fakes.interpreter import InProcessPool
from tests.fakes.parts import (
    CallableModel,
    HandClock,
    ListSink,
    StringContext,
    completion,
    echo,
)

QUESTION = "How many lines are there?"


def _sample_of(request: ModelRequest) -> int:
    """Which sample asks, by its seed."""
    return (request.sampling.seed or 0) // 1000


class Jury:
    """An engine whose samples answer as `cells` say, by their number."""

    def __init__(
        self,
        *codes: str,
        agreement: int | None = None,
        limits: Limits | None = None,
        mode: RunMode = "rlm",
        direct_tokens: int = 8192,
        before: Callable[[int], object] = lambda sample: None,
    ) -> None:
        async def reply(request: ModelRequest) -> Completion:
            sample = _sample_of(request)
            wait = before(sample)
            await (wait if isinstance(wait, asyncio.Future) else asyncio.sleep(0))
            return completion(cell(codes[sample % len(codes)]))

        self.root = CallableModel(reply, name="root")
        self.worker = CallableModel(echo())
        self.sink, self.context = ListSink(), StringContext(TEXT)
        self.pool = InProcessPool(self.context)
        self.engine = Engine(
            Models(self.root, self.worker),
            profile=profile(),
            config=RunConfig(
                mode=mode,
                agreement=agreement or len(codes),
                limits=limits or Limits(),
                stack="test",
                direct_tokens=direct_tokens,
            ),
            sink=self.sink,
            clock=HandClock(),
            retries=AT_ONCE,
        )

    async def ask(self, recording: Recording | None = None) -> Answer:
        return await self.engine.run(QUESTION, self.context, self.pool, recording=recording)

    def told(self) -> str:
        (notice,) = self.sink.of(Notice)
        return notice.text


async def test_the_answer_most_samples_give_is_the_answer() -> None:
    jury = Jury("FINAL('7')", "FINAL('1,034')", "FINAL(1034)")
    answer = await jury.ask()
    assert (answer.text, answer.stop_reason, answer.turns) == ("1,034", "answered", 1)
    assert jury.told() == "agreement of 3: 2 x '1,034'; 1 x '7'"


async def test_where_all_differ_the_first_sample_is_believed() -> None:
    assert (await Jury("FINAL('b')", "FINAL('a')", "FINAL('c')").ask()).text == "b"


async def test_a_sample_without_an_answer_does_not_vote() -> None:
    jury = Jury(
        "while True: raise ValueError", "FINAL('a')", "FINAL('a')", limits=Limits(max_turns=1)
    )
    jury.root.answer = _never_forced(jury)
    assert (await jury.ask()).text == "a"


def _never_forced(jury: Jury) -> Callable[[ModelRequest], "asyncio.Future[Completion]"]:
    """The last reply, asked for without code, is empty."""
    by_turn = jury.root.answer

    async def answer(request: ModelRequest) -> Completion:
        is_forced = len(request.messages) > len(jury.root.requests[0].messages)
        return completion("") if is_forced else await by_turn(request)

    return lambda request: asyncio.ensure_future(answer(request))


async def test_where_nobody_has_an_answer_the_run_ends_as_the_first_did() -> None:
    jury = Jury("print('seen')", agreement=3, limits=Limits(max_turns=1))
    jury.root.answer = _never_forced(jury)
    answer = await jury.ask()
    assert (answer.text, answer.stop_reason) == ("seen", "max_turns")
    assert jury.told() == "agreement of 3: no answer, 3 without an answer"


async def test_the_first_sample_is_a_run_as_usual_and_the_others_are_drawn_apart() -> None:
    jury = Jury("print(context[:9])\nFINAL(1)", agreement=3)
    await jury.ask()
    first: dict[int, ModelRequest] = {}
    for request in jury.root.requests:  # a guard may have some drawn again
        first.setdefault(_sample_of(request), request)
    knobs = {n: (r.sampling.temperature, r.sampling.seed) for n, r in first.items()}
    assert knobs == {0: (0.0, None), 1: (0.7, 1000), 2: (0.7, 2000)}
    assert len({request.messages for request in first.values()}) == 1, "one prefix"


async def test_samples_share_what_the_worker_said_and_have_a_repl_each() -> None:
    jury = Jury("x = len(llm_query_batched(['a', 'b', 'c']))\nFINAL(x)", agreement=3)
    answer = await jury.ask()
    assert answer.text == "3"
    assert sorted(jury.worker.prompts) == ["a", "b", "c"]
    assert answer.usage.worker.prompt_tokens == 30
    assert len(jury.pool.started) == 3
    assert all(interpreter.closed for interpreter in jury.pool.started)
    assert {done.origin for done in jury.sink.of(SubcallDone)} == {"worker", "run"}


async def test_samples_spend_from_one_budget() -> None:
    codes = [f"FINAL(len([r for r in llm_query_batched(['{n}a', '{n}b']) if r]))" for n in range(3)]
    answer = await Jury(*codes, limits=Limits(max_subcalls=3)).ask()
    assert answer.subcalls == 3
    assert answer.usage.root.prompt_tokens >= 30


async def test_a_certain_majority_stops_the_others() -> None:
    never: list[asyncio.Future[None]] = []

    def last_hangs(sample: int) -> object:
        if sample < 2:
            return None
        never.append(asyncio.get_running_loop().create_future())
        return never[-1]

    jury = Jury("FINAL('a')", "FINAL('A')", "FINAL('b')", before=last_hangs)
    answer = await jury.ask()
    assert answer.text == "a"
    assert jury.root.cancelled == 1
    assert jury.told() == "agreement of 3: 2 x 'a', 1 not needed"
    reasons = sorted(end.stop_reason for end in jury.sink.of(RunEnded) if end.depth == 1)
    assert reasons == ["answered", "answered", "interrupted"]
    assert all(interpreter.closed for interpreter in jury.pool.started)


async def test_cancelling_the_run_cancels_every_sample() -> None:
    reached, forever = asyncio.Event(), asyncio.Event()

    async def hang(request: ModelRequest) -> Completion:
        reached.set()
        await forever.wait()
        raise AssertionError

    jury = Jury("FINAL(1)", agreement=3)
    jury.root.answer = hang
    asked = asyncio.create_task(jury.ask())
    await reached.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert [end.depth for end in jury.sink.of(RunEnded)] == [1, 1, 1, 0]
    assert {end.stop_reason for end in jury.sink.of(RunEnded)} == {"interrupted"}
    assert all(interpreter.closed for interpreter in jury.pool.started)


async def test_samples_are_runs_below_the_one_that_counts() -> None:
    jury = Jury("FINAL(1)", "FINAL(1)", "FINAL(1)")
    await jury.ask()
    top, *samples = jury.sink.of(RunStarted)
    assert (top.depth, top.agreement) == (0, 3)
    assert {(s.depth, s.parent_run_id, s.agreement) for s in samples} == {(1, top.run_id, 1)}


async def test_samples_may_go_as_deep_as_a_run_alone() -> None:
    def depths(jury: Jury) -> list[int]:
        return sorted({start.depth for start in jury.sink.of(RunStarted)})

    deeper = "FINAL(rlm_query('what?', context))"
    alone = Jury(deeper, agreement=1, mode="rlm", direct_tokens=0)
    sampled = Jury(deeper, agreement=2, direct_tokens=0)
    await alone.ask()
    await sampled.ask()
    assert depths(alone) == [0, 1]
    assert depths(sampled) == [0, 1, 2]


async def test_a_text_that_goes_straight_to_the_root_is_asked_once() -> None:
    jury = Jury("FINAL(1)", agreement=3, mode="auto", direct_tokens=100_000)
    answer = await jury.ask()
    assert answer.mode == "direct"
    assert len(jury.root.requests) == 1
    assert jury.sink.of(RunStarted)[0].agreement == 1


async def test_a_killed_vote_goes_on_from_its_trace() -> None:
    first = Jury("FINAL(1)", "FINAL(2)", "FINAL(2)")
    await first.ask()
    events = [event for event in first.sink.events if not isinstance(event, RunEnded)]
    again = Jury("FINAL(1)", "FINAL(2)", "FINAL(2)")
    assert (await again.ask(Recording.of("trace", events))).text == "2"
    assert again.root.requests == []


async def test_what_a_sample_raises_ends_all() -> None:
    cancelled = asyncio.Event()

    async def sample(number: int) -> Answer:
        if number == 1:
            raise UserError("change it")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    with pytest.raises(UserError, match="change it"):
        await agree(3, Journal(ListSink(), "run"), sample)
    assert cancelled.is_set()


def test_a_warm_root_is_not_made_colder() -> None:
    root = CallableModel(echo())
    models = Models(root, root, root_sampling=SamplingSpec(temperature=1.0))
    config = RunConfig(agreement=2, seed=5)
    parts = Parts(models, profile(), config, ListSink(), HandClock(), RetryPolicy())
    second = parts_of_sample(parts, 1)
    assert second.models.root_sampling.temperature == 1.0
    assert (second.config.seed, second.config.agreement) == (1005, 1)
    first = parts_of_sample(parts, 0)
    assert first == dataclasses.replace(parts, config=first.config)
    assert first.config.seed == 5
