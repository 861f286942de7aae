import asyncio

import pytest

from rlm_local.engine.retry import RetryPolicy, complete_with_retries
from rlm_local.errors import ModelError, ModelRestarting, ModelUnavailable
from rlm_local.types import Completion, Message, ModelRequest, Sampling
from tests.fakes.parts import CallableModel, ScriptedRoot, completion

REQUEST = ModelRequest((Message("user", "hi"),), Sampling(max_tokens=5))
AT_ONCE = RetryPolicy(base_s=0.0)


async def test_what_may_work_later_is_tried_again() -> None:
    model = ScriptedRoot(ModelUnavailable("a"), ModelUnavailable("b"), "c")
    told: list[str] = []
    answered = await complete_with_retries(
        model, REQUEST, AT_ONCE, attempts=3, on_retry=lambda error, pause_s: told.append(str(error))
    )
    assert (answered.completion.text, answered.attempts, told) == ("c", 3, ["a", "b"])


async def test_the_last_error_is_raised() -> None:
    model = ScriptedRoot(ModelUnavailable("a"), ModelUnavailable("b"))
    with pytest.raises(ModelUnavailable, match="b"):
        await complete_with_retries(model, REQUEST, AT_ONCE, attempts=3)
    assert len(model.requests) == 3


async def test_waiting_for_a_server_that_is_started_again_costs_no_try() -> None:
    restarting = [ModelRestarting("again", retry_after_s=0.0)] * 20
    model = ScriptedRoot(*restarting, ModelUnavailable("a"), *restarting, "c")
    told: list[str] = []
    answered = await complete_with_retries(
        model, REQUEST, AT_ONCE, attempts=2, on_retry=lambda error, pause_s: told.append(str(error))
    )
    assert (answered.completion.text, answered.attempts, told) == ("c", 2, ["a"])


async def test_what_cannot_work_is_not_tried_again() -> None:
    model = ScriptedRoot(ModelError("400"))
    with pytest.raises(ModelError, match="400"):
        await complete_with_retries(model, REQUEST, AT_ONCE, attempts=3)
    assert len(model.requests) == 1


async def test_the_server_says_how_long_to_wait() -> None:
    pauses: list[float] = []
    await complete_with_retries(
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
        await complete_with_retries(
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
        await complete_with_retries(model, REQUEST, policy, attempts=2)
    assert model.cancelled == 2


async def test_no_attempts_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        await complete_with_retries(ScriptedRoot("x"), REQUEST, AT_ONCE, attempts=0)
