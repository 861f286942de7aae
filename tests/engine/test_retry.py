import asyncio
from collections.abc import Callable

import pytest

from rlm_local.engine.places import Place, Ticket
from rlm_local.engine.retry import Answered, RetryPolicy, complete_with_retries
from rlm_local.engine.server_queue import queue_of
from rlm_local.errors import (
    LimitExceeded,
    ModelBusy,
    ModelError,
    ModelRestarting,
    ModelUnavailable,
)
from rlm_local.types import Completion, Message, ModelRequest, Sampling
from tests.fakes.parts import CallableModel, ScriptedRoot, completion

REQUEST = ModelRequest((Message("user", "hi"),), Sampling(max_tokens=5))
AT_ONCE = RetryPolicy(base_s=0.0)


def _place(model: CallableModel) -> Place:
    return queue_of(model.server).place(Ticket("worker", "run", 0, 5))


async def _ask(
    model: CallableModel,
    request: ModelRequest,
    policy: RetryPolicy,
    *,
    attempts: int,
    on_retry: Callable[[ModelError, float], None] = lambda error, pause_s: None,
) -> Answered:
    return await complete_with_retries(
        model, request, policy, attempts=attempts, place=_place(model), on_retry=on_retry
    )


async def test_what_may_work_later_is_tried_again() -> None:
    model = ScriptedRoot(ModelUnavailable("a"), ModelUnavailable("b"), "c")
    told: list[str] = []
    answered = await _ask(
        model, REQUEST, AT_ONCE, attempts=3, on_retry=lambda error, pause_s: told.append(str(error))
    )
    assert (answered.completion.text, answered.attempts, told) == ("c", 3, ["a", "b"])


async def test_the_last_error_is_raised() -> None:
    model = ScriptedRoot(ModelUnavailable("a"), ModelUnavailable("b"))
    with pytest.raises(ModelUnavailable, match="b"):
        await _ask(model, REQUEST, AT_ONCE, attempts=3)
    assert len(model.requests) == 3


async def test_waiting_for_a_server_that_is_started_again_costs_no_try() -> None:
    restarting = [ModelRestarting("again", retry_after_s=0.0)] * 20
    model = ScriptedRoot(*restarting, ModelUnavailable("a"), *restarting, "c")
    told: list[str] = []
    answered = await _ask(
        model, REQUEST, AT_ONCE, attempts=2, on_retry=lambda error, pause_s: told.append(str(error))
    )
    assert (answered.completion.text, answered.attempts, told) == ("c", 2, ["a"])


async def test_what_cannot_work_is_not_tried_again() -> None:
    model = ScriptedRoot(ModelError("400"))
    with pytest.raises(ModelError, match="400"):
        await _ask(model, REQUEST, AT_ONCE, attempts=3)
    assert len(model.requests) == 1


async def test_the_server_says_how_long_to_wait() -> None:
    pauses: list[float] = []
    await _ask(
        ScriptedRoot(ModelUnavailable("429", retry_after_s=0.01), "x"),
        REQUEST,
        RetryPolicy(base_s=60),
        attempts=2,
        on_retry=lambda error, pause_s: pauses.append(pause_s),
    )
    assert pauses == [0.01]


async def test_pauses_grow_and_differ_but_stay_bounded() -> None:
    pauses: list[float] = []
    with pytest.raises(ModelUnavailable):
        await _ask(
            ScriptedRoot(ModelUnavailable("a")),
            REQUEST,
            RetryPolicy(base_s=0.001, longest_s=0.003),
            attempts=5,
            on_retry=lambda error, pause_s: pauses.append(pause_s),
        )
    assert 0.0005 <= pauses[0] <= 0.0015
    assert all(pause <= 0.003 for pause in pauses)


async def test_a_try_without_a_reply_is_given_up() -> None:
    async def hang(request: ModelRequest) -> Completion:
        await asyncio.sleep(60)
        return completion("never")

    model = CallableModel(hang)
    policy = RetryPolicy(base_s=0.0, try_timeout_s=0.01)
    with pytest.raises(ModelUnavailable, match=r"'worker' gave no reply within 0\.01 s"):
        await _ask(model, REQUEST, policy, attempts=2)
    assert model.cancelled == 2


async def test_no_attempts_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        await _ask(ScriptedRoot("x"), REQUEST, AT_ONCE, attempts=0)


async def test_a_busy_server_costs_no_try() -> None:
    busy = [ModelBusy("429", retry_after_s=0.001)] * 20
    model = ScriptedRoot(*busy, ModelUnavailable("a"), *busy, "c")
    answered = await _ask(model, REQUEST, AT_ONCE, attempts=2)
    assert (answered.completion.text, answered.attempts) == ("c", 2)


async def test_a_server_that_answers_nobody_is_not_taken_for_busy_forever() -> None:
    model = ScriptedRoot(ModelBusy("503 no replica", retry_after_s=0.001))
    with pytest.raises(ModelBusy, match="503 no replica"):
        await _ask(model, REQUEST, RetryPolicy(busy_timeout_s=0.05), attempts=2)
    assert len(model.requests) > 2


async def test_a_server_that_answers_others_is_waited_for() -> None:
    calm = asyncio.Event()

    async def answer(request: ModelRequest) -> Completion:
        if request.messages[-1].content == "hi" and not calm.is_set():
            raise ModelBusy("429", retry_after_s=0.001)
        return completion("x")

    model, policy = CallableModel(answer), RetryPolicy(busy_timeout_s=1.0)
    waiting = asyncio.create_task(_ask(model, REQUEST, policy, attempts=1))
    other = ModelRequest((Message("user", "another"),), Sampling(max_tokens=5))
    now_s = asyncio.get_running_loop().time
    ends_s = now_s() + 2 * policy.busy_timeout_s
    while now_s() < ends_s:
        await _ask(model, other, policy, attempts=1)
    assert not waiting.done()
    calm.set()
    assert (await waiting).completion.text == "x"


async def test_all_tries_of_a_request_have_one_deadline() -> None:
    async def never(request: ModelRequest) -> Completion:
        await asyncio.sleep(3600)
        return completion("x")

    policy = RetryPolicy(base_s=0.0, item_timeout_s=0.05)
    model = CallableModel(never)
    with pytest.raises(ModelUnavailable, match="gave no reply within"):
        await _ask(model, REQUEST, policy, attempts=100)
    assert len(model.requests) < 100


async def test_no_pause_reaches_beyond_the_deadline() -> None:
    model = ScriptedRoot(ModelUnavailable("later", retry_after_s=20.0), "x")
    with pytest.raises(ModelUnavailable, match="later"):
        await _ask(model, REQUEST, RetryPolicy(item_timeout_s=1.0), attempts=5)


async def test_a_wait_for_a_server_that_is_started_again_is_left_out_of_the_deadline() -> None:
    restarting = [ModelRestarting("again", retry_after_s=0.02)] * 10
    model = ScriptedRoot(*restarting, "x")
    answered = await _ask(model, REQUEST, RetryPolicy(item_timeout_s=0.15), attempts=1)
    assert answered.completion.text == "x"


async def test_what_a_turn_meets_ends_the_request_and_gives_the_turn_on() -> None:
    class Spent:
        async def begin(self) -> None:
            raise LimitExceeded("max_tokens", "run", "spent")

        def give_back(self) -> None:
            raise AssertionError("nothing was booked")

    model = ScriptedRoot("x")
    place = _place(model)
    with pytest.raises(LimitExceeded):
        await complete_with_retries(model, REQUEST, AT_ONCE, attempts=3, place=place, turn=Spent())
    assert (model.requests, queue_of(model.server).in_flight) == ([], 0)


async def test_a_request_that_waits_for_a_busy_server_holds_nothing_meanwhile() -> None:
    told: list[str] = []

    class Booked:
        async def begin(self) -> None:
            told.append("begin")

        def give_back(self) -> None:
            told.append("give back")

    model = ScriptedRoot(ModelBusy("429", retry_after_s=0.001), ModelUnavailable("a"), "x")
    place = _place(model)
    await complete_with_retries(model, REQUEST, AT_ONCE, attempts=3, place=place, turn=Booked())
    assert told == ["begin", "give back", "begin"], "it is kept through a pause between tries"


async def test_while_a_server_is_down_only_those_whose_turn_it_is_ask_it() -> None:
    down = True

    async def answer(request: ModelRequest) -> Completion:
        if down:
            raise ModelUnavailable("refused")
        return completion("x")

    model = CallableModel(answer)
    policy = RetryPolicy(base_s=0.2)
    asking = [asyncio.create_task(_ask(model, REQUEST, policy, attempts=9)) for _ in range(200)]
    await asyncio.sleep(0.05)
    assert len(model.requests) == model.max_concurrency
    down = False
    assert [(await task).completion.text for task in asking] == ["x"] * 200


async def test_the_wait_for_a_further_turn_is_left_out_of_the_deadline() -> None:
    async def answer(request: ModelRequest) -> Completion:
        if request.messages[-1].content == "hi" and len(model.requests) == 1:
            raise ModelBusy("429", retry_after_s=0.3)
        return completion("x")

    model = CallableModel(answer)
    answered = await _ask(model, REQUEST, RetryPolicy(item_timeout_s=0.15), attempts=1)
    assert answered.completion.text == "x"
