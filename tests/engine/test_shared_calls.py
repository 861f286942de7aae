"""Runs side by side: who asks, who waits, and what becomes of those that wait."""

import asyncio

import pytest

from rlm_local.config import RunConfig
from rlm_local.engine.budget import Budget
from rlm_local.engine.journal import Journal
from rlm_local.engine.known_results import KnownResults
from rlm_local.engine.loop import Engine
from rlm_local.engine.models import Models
from rlm_local.engine.result_keys import kept_key
from rlm_local.engine.scheduler import Asked, Caller, Scheduler
from rlm_local.engine.shared_calls import SharedCalls, SharedReplies
from rlm_local.errors import ModelError, ServerError
from rlm_local.events import RunEnded, SubcallDone
from rlm_local.registry import SamplingSpec
from rlm_local.types import Completion, Limits, ModelRequest, SubcallOutcome, Usage
from tests.engine.scenes import AT_ONCE, TEXT, cell, profile
from tests.fakes.interpreter import InProcessPool
from tests.fakes.parts import (
    Answerer,
    CallableModel,
    HandClock,
    ListSink,
    ScriptedRoot,
    Shelf,
    StringContext,
    completion,
    echo,
)

ASKED = Asked(max_tokens=64)


class Gate:
    """A worker that answers when it is told to; some of its replies may be errors."""

    def __init__(self, *errors: Exception) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._errors = list(errors)

    async def __call__(self, request: ModelRequest) -> Completion:
        self.reached.set()
        await self.open.wait()
        if self._errors:
            raise self._errors.pop(0)
        return completion(f"re: {request.messages[-1].content}")


class Town:
    """A worker and a result cache that several runs share."""

    def __init__(self, answer: Answerer | None = None, *, temperature: float = 0.0) -> None:
        self.worker = CallableModel(answer or echo())
        self.models = Models(
            self.worker, self.worker, worker_sampling=SamplingSpec(temperature=temperature)
        )
        self.shelf = Shelf()
        self.shared: SharedReplies | None = SharedReplies(self.shelf)

    def run(
        self, name: str, *, salt: str | None = None, limits: Limits | None = None, digest: str = "a"
    ) -> "Asker":
        return Asker(self, name, salt, limits or Limits(), digest)


class Asker:
    """The sub-calls of one run."""

    def __init__(
        self, town: Town, name: str, salt: str | None, limits: Limits, digest: str
    ) -> None:
        self.sink = ListSink()
        self.budget = Budget(limits, name, HandClock())
        self._caller = Caller(self.budget, Journal(self.sink, name), 1)
        known = KnownResults(digest, town.shared, None, salt=salt)
        self._scheduler = Scheduler(town.models, AT_ONCE, seed=None, known=known, cache_salt=salt)

    async def ask(self, *prompts: str, asked: Asked = ASKED) -> tuple[SubcallOutcome, ...]:
        return await self._scheduler.ask(prompts, asked, self._caller)

    def begin(self, *prompts: str) -> "asyncio.Task[tuple[SubcallOutcome, ...]]":
        return asyncio.create_task(self.ask(*prompts))

    def origins(self) -> list[str]:
        return [done.origin for done in self.sink.of(SubcallDone)]


def _texts(outcomes: tuple[SubcallOutcome, ...]) -> list[str | None]:
    return [outcome.text for outcome in outcomes]


async def _settled() -> None:
    """Everybody gets as far as they can without a reply."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_runs_that_ask_the_same_at_once_send_it_once() -> None:
    gate = Gate()
    town = Town(gate)
    first, second = town.run("first"), town.run("second")
    both = first.begin("x", "y"), second.begin("y", "x", "z")
    await _settled()
    gate.open.set()
    assert _texts(await both[0]) == ["re: x", "re: y"]
    assert _texts(await both[1]) == ["re: y", "re: x", "re: z"]
    assert sorted(town.worker.prompts) == ["x", "y", "z"]
    assert sorted(second.origins()) == ["beside", "beside", "worker"]


async def test_who_waits_spends_nothing_and_counts_the_sub_call_as_known() -> None:
    gate = Gate()
    town = Town(gate)
    first, second = town.run("first"), town.run("second", limits=Limits(max_subcalls=0))
    both = first.begin("x"), second.begin("x")
    await _settled()
    gate.open.set()
    await asyncio.gather(*both)
    assert (first.budget.subcalls, first.budget.cached_subcalls) == (1, 0)
    assert (second.budget.subcalls, second.budget.cached_subcalls) == (1, 1)
    assert second.budget.usage.worker == Usage()
    (done,) = second.sink.of(SubcallDone)
    assert (done.cached, done.usage, done.attempts, done.reply) == (True, Usage(), 0, "re: x")


async def test_when_the_run_that_asks_is_cancelled_one_that_waits_asks() -> None:
    gate = Gate()
    town = Town(gate)
    first, others = town.run("first"), [town.run(f"other {number}") for number in range(3)]
    asking = first.begin("x")
    await gate.reached.wait()
    waiting = [other.begin("x") for other in others]
    await _settled()
    assert town.worker.prompts == ["x"]
    asking.cancel()
    await asyncio.wait([asking])
    await _settled()
    gate.open.set()
    assert [_texts(outcomes) for outcomes in await asyncio.gather(*waiting)] == [["re: x"]] * 3
    assert town.worker.prompts == ["x", "x"]
    assert town.worker.cancelled == 1
    assert sorted(other.origins() for other in others) == [["beside"], ["beside"], ["worker"]]


async def test_a_run_that_is_cancelled_while_it_waits_takes_nothing_from_who_asks() -> None:
    gate = Gate()
    town = Town(gate)
    first, second = town.run("first"), town.run("second")
    asking = first.begin("x")
    await gate.reached.wait()
    waiting = second.begin("x")
    await _settled()
    waiting.cancel()
    await asyncio.wait([waiting])
    gate.open.set()
    assert _texts(await asking) == ["re: x"]
    assert town.worker.cancelled == 0


async def test_where_the_worker_fails_one_run_the_others_ask_by_themselves_at_once() -> None:
    gate = Gate(ModelError("refused"))
    town = Town(gate)
    first, second, third = (town.run(name) for name in ("first", "second", "third"))
    asking = first.begin("x")
    await gate.reached.wait()
    waiting = second.begin("x"), third.begin("x")
    await _settled()
    gate.open.set()
    assert (await asking)[0].error == "refused"
    assert [_texts(outcomes) for outcomes in await asyncio.gather(*waiting)] == [["re: x"]] * 2
    assert town.worker.prompts == ["x"] * 3


async def test_a_run_without_budget_for_a_call_leaves_it_to_one_that_waits() -> None:
    town = Town()
    poor, rich = town.run("poor", limits=Limits(max_tokens=1)), town.run("rich")
    refused, answered = await asyncio.gather(poor.ask("x"), rich.ask("x"))
    assert "max_tokens" in (refused[0].error or "")
    assert _texts(answered) == ["re: x"]


async def test_a_server_that_died_ends_every_run_that_needed_it() -> None:
    gate = Gate(ServerError("died"), ServerError("died"))
    town = Town(gate)
    both = town.run("first").begin("x"), town.run("second").begin("x")
    await _settled()
    gate.open.set()
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ServerError, ServerError]


@pytest.fixture(params=["salts", "models", "options", "no cache", "drawn at random"])
def apart(request: pytest.FixtureRequest) -> tuple[Town, Asker, Asker, Asked]:
    """Two runs that have nothing of each other, and how the second one asks."""
    what = request.param
    town = Town(temperature=0.7 if what == "drawn at random" else 0.0)
    if what == "no cache":
        town.shared = None
    first = town.run("first", salt="a" if what == "salts" else None)
    second = town.run(
        "second", salt="b" if what == "salts" else None, digest="b" if what == "models" else "a"
    )
    return town, first, second, Asked(65) if what == "options" else ASKED


async def test_runs_that_may_not_share_ask_each_by_itself(
    apart: tuple[Town, Asker, Asker, Asked],
) -> None:
    town, first, second, asked = apart
    await asyncio.gather(first.ask("x"), second.ask("x", asked=asked))
    assert town.worker.prompts == ["x", "x"]
    assert first.origins() == second.origins() == ["worker"]


async def test_runs_of_one_salt_share() -> None:
    town = Town()
    await asyncio.gather(*(town.run(name, salt="me").ask("x") for name in ("first", "second")))
    assert town.worker.prompts == ["x"]


async def test_a_call_that_ends_while_the_disk_is_looked_up_is_not_sent_again() -> None:
    class SlowShelf(Shelf):
        """What it finds is what was there before it was slow."""

        async def get(self, keys: object) -> dict[bytes, str]:
            found = dict(self.replies)
            looked_up.set()
            await go_on.wait()
            return found

    gate, looked_up, go_on = Gate(), asyncio.Event(), asyncio.Event()
    town = Town(gate)
    asking = town.run("first").begin("x")
    await gate.reached.wait()
    assert town.shared
    town.shared = SharedReplies(SlowShelf(), town.shared.calls)
    second = town.run("second")
    waiting = second.begin("x")
    await looked_up.wait()
    gate.open.set()
    await asking
    go_on.set()
    assert _texts(await waiting) == ["re: x"]
    assert second.origins() == ["beside"]


async def test_a_reply_is_kept_by_who_asked_for_it() -> None:
    town = Town()
    await asyncio.gather(town.run("first").ask("x"), town.run("second").ask("x"))
    assert list(town.shelf.replies.values()) == ["re: x"]
    assert all(len(key) == len(kept_key("a", b"")) for key in town.shelf.replies)


async def test_nothing_is_left_under_way() -> None:
    calls = SharedCalls()
    with calls.asking(b"name") as end, calls.asking(b"name") as end_again:
        end_again("not told")
        end("told")
        found = calls.find(b"name")
    assert calls.find(b"name") is None
    assert await calls.reply_of(b"name", found) == "told"
    assert await calls.reply_of(b"name") is None


async def test_one_engine_asks_once_for_questions_at_the_same_time() -> None:
    labels = "print(llm_query_batched([f'label: {n}' for n in range(9)]))\nFINAL(len(context))"
    root, worker = ScriptedRoot(cell(labels)), CallableModel(echo())
    sink, context = ListSink(), StringContext(TEXT)
    engine = Engine(
        Models(root, worker),
        profile=profile(),
        config=RunConfig(mode="rlm", stack="test"),
        sink=sink,
        clock=HandClock(),
        retries=AT_ONCE,
        results=SharedReplies(Shelf()),
    )
    questions = [f"How many characters? ({number})" for number in range(4)]
    answers = await asyncio.gather(
        *(engine.run(question, context, InProcessPool(context)) for question in questions)
    )
    assert {answer.text for answer in answers} == {str(len(TEXT))}
    assert len(worker.prompts) == len(set(worker.prompts)) == 9
    assert sum(answer.cached_subcalls for answer in answers) == 27
    assert sum(end.usage.worker.prompt_tokens for end in sink.of(RunEnded)) == 90
