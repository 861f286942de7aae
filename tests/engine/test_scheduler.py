import asyncio
import gc
import weakref
from dataclasses import replace

import pytest

from rlm_local.engine.budget import Budget
from rlm_local.engine.journal import Journal
from rlm_local.engine.models import Models
from rlm_local.engine.scheduler import Asked, Caller, Scheduler
from rlm_local.engine.worker_prompts import Preamble
from rlm_local.errors import ModelBusy, ModelError, ModelUnavailable, ServerError
from rlm_local.events import SubcallDone, SubcallsStarted
from rlm_local.registry import SamplingSpec
from rlm_local.types import (
    Choices,
    Completion,
    JsonSchema,
    Limits,
    ModelRequest,
    Regex,
    SubcallOutcome,
    Usage,
)
from tests.engine.scenes import AT_ONCE
from tests.fakes.parts import (
    Answerer,
    CallableModel,
    HandClock,
    ListSink,
    ScriptedRoot,
    completion,
    echo,
)

ASKED = Asked(max_tokens=64)


class _Desk:
    """A scheduler with its worker, and whoever calls."""

    def __init__(self, answer: Answerer, *, limits: Limits | None = None) -> None:
        self.worker = CallableModel(answer)
        self.sink = ListSink()
        self.budget = Budget(limits or Limits(), "run", HandClock())
        self.caller = Caller(self.budget, Journal(self.sink, "run"), 1)
        models = Models(self.worker, self.worker, worker_sampling=SamplingSpec(temperature=0.3))
        self.scheduler = Scheduler(models, AT_ONCE, seed=11)

    async def ask(self, *prompts: str, asked: Asked = ASKED) -> tuple[SubcallOutcome, ...]:
        return await self.scheduler.ask(prompts, asked, self.caller)

    async def texts(self, *prompts: str, asked: Asked = ASKED) -> list[str | None]:
        return [outcome.text for outcome in await self.ask(*prompts, asked=asked)]


def _in_turn(*replies: str | Completion | Exception) -> Answerer:
    return ScriptedRoot(*replies).answer


async def test_replies_keep_the_order_of_the_prompts() -> None:
    async def late_first(request: ModelRequest) -> Completion:
        prompt = request.messages[-1].content
        await asyncio.sleep(0.02 if prompt == "0" else 0)
        return completion(f"re: {prompt}")

    assert await _Desk(late_first).texts("0", "1", "2") == ["re: 0", "re: 1", "re: 2"]


async def test_identical_prompts_of_a_batch_are_sent_once() -> None:
    desk = _Desk(echo())
    assert await desk.texts("a", "b", "a", "a") == ["re: a", "re: b", "re: a", "re: a"]
    assert sorted(desk.worker.prompts) == ["a", "b"]
    assert (desk.budget.subcalls, desk.budget.cached_subcalls) == (4, 2)
    started = desk.sink.of(SubcallsStarted)[0]
    assert (started.prompts, started.duplicates) == (4, 2)
    done = {event.item: event for event in desk.sink.of(SubcallDone)}
    assert [done[item].cached for item in range(4)] == [False, False, True, True]
    assert done[0].usage == Usage(10, 0, 5)
    assert done[2].usage == Usage()


async def test_a_prompt_of_an_earlier_batch_is_not_sent_again() -> None:
    desk = _Desk(echo())
    await desk.texts("a")
    assert await desk.texts("a", "b") == ["re: a", "re: b"]
    assert desk.worker.prompts == ["a", "b"]
    assert (desk.budget.subcalls, desk.budget.cached_subcalls) == (3, 1)


async def test_a_prompt_under_way_in_another_batch_is_waited_for() -> None:
    desk = _Desk(echo())
    both = await asyncio.gather(desk.texts("a"), desk.texts("a"))
    assert list(both) == [["re: a"], ["re: a"]]
    assert desk.worker.prompts == ["a"]


async def test_a_prompt_whose_first_asker_left_is_sent_by_the_second() -> None:
    gate = asyncio.Event()

    async def held(request: ModelRequest) -> Completion:
        await gate.wait()
        return completion("late")

    desk = _Desk(held)
    first = asyncio.ensure_future(desk.texts("a"))
    second = asyncio.ensure_future(desk.texts("a"))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.wait([first])
    gate.set()
    assert await second == ["late"]
    assert desk.worker.cancelled == 1


async def test_other_options_make_another_call() -> None:
    desk = _Desk(echo())
    await desk.texts("a")
    await desk.texts("a", asked=Asked(max_tokens=65))
    assert desk.worker.prompts == ["a", "a"]


async def test_another_system_text_turn_or_wish_for_scores_makes_another_call() -> None:
    async def ham(request: ModelRequest) -> Completion:
        return completion("ham")

    desk = _Desk(ham)
    plain = Asked(64, Choices(("ham", "spam")))
    others = [
        replace(plain, preamble=Preamble("Label it.")),
        replace(plain, preamble=Preamble("Label it.", (("a", "ham"),))),
        replace(plain, preamble=Preamble("Label it.", (("a", "spam"),))),
        replace(plain, wants_scores=True),
    ]
    for asked in (plain, *others, plain, *others):
        await desk.ask("a", asked=asked)
    assert len(desk.worker.requests) == 5
    assert len({request.messages for request in desk.worker.requests}) == 4


async def test_a_preamble_counts_as_tokens_of_every_prompt() -> None:
    desk = _Desk(echo(), limits=Limits(max_tokens=300))
    asked = Asked(64, preamble=Preamble("s" * 400), preamble_tokens=108)
    assert await desk.texts("a", asked=asked) == ["re: a"]
    (outcome,) = await desk.ask("b", asked=replace(asked, preamble_tokens=300))
    assert "max_tokens" in (outcome.error or "")


async def test_a_request_carries_the_workers_sampling_and_comes_behind_root_turns() -> None:
    desk = _Desk(echo())
    await desk.texts("a")
    request = desk.worker.requests[0]
    assert (request.sampling.temperature, request.sampling.max_tokens) == (0.3, 64)
    assert request.sampling.seed == 11
    assert request.priority > 0


async def test_no_more_are_under_way_than_the_worker_takes() -> None:
    async def slow(request: ModelRequest) -> Completion:
        await asyncio.sleep(0.001)
        return completion("x")

    desk = _Desk(slow)
    other = Scheduler(Models(desk.worker, desk.worker), AT_ONCE, seed=None)
    prompts = [str(n) for n in range(50)]
    await asyncio.gather(desk.texts(*prompts), other.ask(prompts, ASKED, desk.caller))
    assert desk.worker.most_in_flight == desk.worker.max_concurrency


def test_a_loop_and_a_model_that_are_done_with_are_let_go() -> None:
    async def slow(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        return completion("x")

    def ask_on_a_loop_of_its_own() -> list["weakref.ref[object]"]:
        desk, loop = _Desk(slow), asyncio.new_event_loop()
        try:
            loop.run_until_complete(desk.texts(*map(str, range(20))))
        finally:
            loop.close()
        assert desk.worker.most_in_flight == desk.worker.max_concurrency, "some had to wait"
        return [weakref.ref(loop), weakref.ref(desk.worker)]

    kept = ask_on_a_loop_of_its_own()
    gc.collect()
    assert [item() for item in kept] == [None, None]


async def test_a_busy_worker_is_asked_again() -> None:
    desk = _Desk(_in_turn(ModelUnavailable("429"), ModelUnavailable("429"), "third"))
    assert await desk.texts("a") == ["third"]
    assert desk.sink.of(SubcallDone)[0].attempts == 3


async def test_an_item_that_fails_for_good_is_a_typed_failure_beside_the_others() -> None:
    async def some(request: ModelRequest) -> Completion:
        if request.messages[-1].content == "bad":
            raise ModelError("400: prompt refused", status=400)
        if request.messages[-1].content == "busy":
            raise ModelUnavailable("503")
        return completion("fine")

    desk = _Desk(some)
    outcomes = await desk.ask("good", "bad", "busy", "bad")
    assert [outcome.text for outcome in outcomes] == ["fine", None, None, None]
    assert [outcome.error for outcome in outcomes] == [
        None, "400: prompt refused", "503", "400: prompt refused",
    ]  # fmt: skip
    attempts = {
        event.prompt: event.attempts for event in desk.sink.of(SubcallDone) if event.item < 3
    }
    assert attempts == {"good": 1, "bad": 1, "busy": 3}
    assert not any(event.cached for event in desk.sink.of(SubcallDone))


async def test_a_failure_is_not_remembered() -> None:
    desk = _Desk(_in_turn(ModelError("once"), "now"))
    assert await desk.texts("a") == [None]
    assert await desk.texts("a") == ["now"]


async def test_a_dead_server_ends_the_batch_and_leaves_nothing_under_way() -> None:
    async def dead(request: ModelRequest) -> Completion:
        if request.messages[-1].content == "0":
            raise ServerError("died")
        await asyncio.sleep(60)
        return completion("never")

    desk = _Desk(dead)
    with pytest.raises(ServerError):
        await desk.ask(*map(str, range(20)))
    assert desk.worker.in_flight == 0
    assert desk.budget.reserve(0).tokens == 0


async def test_cancelling_a_batch_cancels_its_requests() -> None:
    async def hang(request: ModelRequest) -> Completion:
        await asyncio.sleep(60)
        return completion("never")

    desk = _Desk(hang)
    batch = asyncio.ensure_future(desk.texts(*map(str, range(20))))
    await asyncio.sleep(0.01)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert desk.worker.cancelled == desk.worker.max_concurrency
    await asyncio.sleep(0)
    assert {event.error for event in desk.sink.of(SubcallDone)} == {"cancelled"}


async def test_items_beyond_the_budget_fail_one_by_one() -> None:
    desk = _Desk(echo(), limits=Limits(max_subcalls=3))
    outcomes = await desk.ask(*map(str, range(5)))
    assert [outcome.text is not None for outcome in outcomes] == [True] * 3 + [False] * 2
    assert "max_subcalls reached" in (outcomes[4].error or "")
    assert desk.budget.subcalls == 3


async def test_tokens_are_reserved_before_and_settled_after() -> None:
    desk = _Desk(echo(), limits=Limits(max_tokens=200))
    outcomes = await desk.ask(*[f"prompt {n}" for n in range(30)])
    spent = desk.budget.usage.worker.total_tokens
    assert spent <= 200
    assert sum(outcome.text is not None for outcome in outcomes) == spent // 15
    assert "max_tokens reached" in (outcomes[-1].error or "")


async def test_thoughts_are_left_out_of_replies() -> None:
    desk = _Desk(_in_turn("<think>hm</think>\n\nyes"))
    assert await desk.texts("a") == ["yes"]


async def test_a_cut_typed_reply_is_asked_for_again_with_more_room() -> None:
    cut = completion('{"name": "Joh', finish="length")
    desk = _Desk(_in_turn(cut, '{"name": "John"}'))
    asked = Asked(64, JsonSchema("{}"))
    assert await desk.texts("a", asked=asked) == ['{"name": "John"}']
    assert [request.sampling.max_tokens for request in desk.worker.requests] == [64, 256]
    done = desk.sink.of(SubcallDone)[0]
    assert (done.attempts, done.usage.completion_tokens) == (2, 10)
    assert desk.budget.subcalls == 1


async def test_a_reply_of_the_wrong_type_fails_after_one_repair() -> None:
    desk = _Desk(_in_turn("maybe"))
    outcome = (await desk.ask("a", asked=Asked(8, Choices(("yes", "no")))))[0]
    assert outcome.text is None
    assert 'form that was asked for: "maybe"' in (outcome.error or "")
    assert len(desk.worker.requests) == 2


async def test_a_repair_that_fails_is_a_failure() -> None:
    desk = _Desk(_in_turn("maybe", ModelError("gone")))
    outcome = (await desk.ask("a", asked=Asked(8, Choices(("yes", "no")))))[0]
    assert outcome.error == "gone"


async def test_a_cut_pattern_is_repaired_and_space_around_a_value_does_not_matter() -> None:
    desk = _Desk(_in_turn(completion("12", finish="length"), " 1234 \n"))
    assert await desk.texts("a", asked=Asked(8, Regex(r"\d+"))) == ["1234"]


async def test_an_untyped_reply_that_was_cut_is_taken() -> None:
    desk = _Desk(_in_turn(completion("half a sen", finish="length")))
    assert await desk.texts("a") == ["half a sen"]


async def test_a_lone_surrogate_is_just_a_character() -> None:
    desk = _Desk(_in_turn("fine"))
    assert await desk.texts("bad \ud800 text") == ["fine"]


async def test_an_empty_batch_is_no_call() -> None:
    desk = _Desk(echo())
    assert await desk.texts() == []


async def test_prompts_that_begin_alike_are_sent_after_each_other() -> None:
    desk = _Desk(echo())
    texts = ["one", "two", "three"]
    prompts = [f"{text}: question {number}" for number in range(3) for text in texts]
    assert await desk.texts(*prompts) == [f"re: {prompt}" for prompt in prompts]
    sent = [prompt.partition(":")[0] for prompt in desk.worker.prompts]
    assert sent == ["one"] * 3 + ["three"] * 3 + ["two"] * 3


async def test_a_batch_holds_what_its_prompts_share_once_in_the_kv_cache() -> None:
    desk = _Desk(echo())
    desk.worker.kv_tokens = 1000
    shared = "instruction " * 200  # 800 tokens by our careful count
    await desk.texts(*[f"{shared}{number}" for number in range(40)], asked=Asked(max_tokens=100))
    assert desk.worker.most_in_flight == 2


async def test_a_batch_takes_no_more_of_the_kv_cache_than_there_is() -> None:
    desk = _Desk(echo())
    desk.worker.kv_tokens = 1000
    prompts = [f"{number} {'word ' * 180}" for number in range(40)]  # 300 tokens each
    assert len(await desk.texts(*prompts)) == 40
    assert desk.worker.most_in_flight == 2


async def test_a_child_runs_sub_calls_come_behind_its_parents() -> None:
    desk = _Desk(echo())
    child = Caller(
        desk.budget.child("child", Limits()), Journal(desk.sink, "run").child("child"), 1
    )
    await desk.texts("own")
    await desk.scheduler.ask(["child's"], ASKED, child)
    own, childs = desk.worker.requests
    assert own.priority < childs.priority


@pytest.mark.parametrize(("setting", "salt"), [(None, None), ("run", "run id"), ("me", "me")])
async def test_requests_carry_the_salt_of_their_run_or_their_user(
    setting: str | None, salt: str | None
) -> None:
    worker, sink = CallableModel(echo()), ListSink()
    scheduler = Scheduler(Models(worker, worker), AT_ONCE, seed=None, cache_salt=setting)
    budget = Budget(Limits(), "run id", HandClock())
    child = Caller(budget.child("child", Limits()), Journal(sink, "run id").child("child"), 1)
    await scheduler.ask(["a"], ASKED, Caller(budget, Journal(sink, "run id"), 1))
    await scheduler.ask(["b"], ASKED, child)
    assert [request.cache_salt for request in worker.requests] == [salt, salt]


async def test_sub_calls_may_go_to_any_replica() -> None:
    desk = _Desk(echo())
    await desk.texts("a")
    assert desk.worker.requests[0].session is None


async def test_a_batch_meets_a_server_that_is_full_with_fewer_at_once() -> None:
    running = 0

    async def full(request: ModelRequest) -> Completion:
        nonlocal running
        if running >= 2:
            raise ModelBusy("429", status=429, retry_after_s=0.001)
        running += 1
        await asyncio.sleep(0.002)
        running -= 1
        return completion("x")

    desk = _Desk(full)
    assert await desk.texts(*map(str, range(60))) == ["x"] * 60
    assert all(event.attempts == 1 for event in desk.sink.of(SubcallDone))
    refused = len(desk.worker.requests) - 60
    assert refused < 60, "nearly every second request would be one that knocks in vain"
