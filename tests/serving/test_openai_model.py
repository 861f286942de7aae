import asyncio
import dataclasses
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rlm_local.capacity import FixedServer
from rlm_local.engine.batch_items import Caller
from rlm_local.engine.budget import Budget
from rlm_local.engine.journal import Journal
from rlm_local.engine.models import Models
from rlm_local.engine.retry import RetryPolicy
from rlm_local.engine.scheduler import Asked, Scheduler
from rlm_local.engine.typed_replies import misfit
from rlm_local.errors import ConfigError, ModelBusy, ModelError, ModelUnavailable, ServerError
from rlm_local.serving.chat_wire import Dialect
from rlm_local.serving.openai_model import Endpoint, OpenAIModel, probe
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.types import (
    Choices,
    Constraint,
    JsonSchema,
    Limits,
    Message,
    ModelRequest,
    Regex,
    Sampling,
    Usage,
)
from tests.fakes.openai_server import Fault, OpenAIServer
from tests.fakes.parts import HandClock, ListSink

KEY = "sk-very-secret"
CONSTRAINTS = [Choices(("yes", "no")), Regex("yes|no"), JsonSchema('{"enum": ["yes", "no"]}')]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


def model_at(
    server: OpenAIServer, *, dialect: Dialect = "openai", timeout_s: float = 20.0
) -> OpenAIModel:
    return OpenAIModel(
        Endpoint(server.base_url, KEY, "worker", server.uds),
        digest="d",
        context_tokens=4096,
        server=FixedServer("here", 8),
        tokens=RatioTokenCounter(),
        dialect=dialect,
        timeout_s=timeout_s,
    )


def ask(
    text: str = "What colour is the sky?",
    *,
    sampling: Sampling | None = None,
    constraint: Constraint | None = None,
) -> ModelRequest:
    return ModelRequest((Message("user", text),), sampling or Sampling(64), constraint)


async def complete(server: OpenAIServer, request: ModelRequest, dialect: Dialect) -> str:
    model = model_at(server, dialect=dialect)
    try:
        return (await model.complete(request)).text
    finally:
        await model.aclose()


async def failure(server: OpenAIServer, fault: Fault, dialect: Dialect = "openai") -> ModelError:
    server.options.fault = fault
    constraint = Choices(("yes", "no")) if dialect == "vllm" else None
    with pytest.raises(ModelError) as caught:
        await complete(server, ask(constraint=constraint), dialect)
    assert KEY not in str(caught.value)
    return caught.value


async def test_a_reply_has_text_finish_reason_and_usage(server: OpenAIServer) -> None:
    server.options.replies = ["It is blue."]
    model = model_at(server)
    reply = await model.complete(ask())
    await model.aclose()
    assert (reply.text, reply.finish_reason) == ("It is blue.", "stop")
    assert reply.usage == Usage(prompt_tokens=5, completion_tokens=3)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_a_plain_server_is_sent_nothing_that_only_vllm_knows(server: OpenAIServer) -> None:
    sampling = Sampling(9, 0.5, top_p=0.9, top_k=20, repetition_penalty=1.1, seed=3, stop=("```",))
    await complete(server, ask(sampling=sampling), "openai")
    assert server.requests[0] == {
        "model": "worker",
        "messages": [{"role": "user", "content": "What colour is the sky?"}],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["```"],
    }


async def test_vllm_is_sent_prefill_priority_and_template_arguments(server: OpenAIServer) -> None:
    model = OpenAIModel(
        Endpoint(server.base_url, None, "root"),
        digest="d",
        context_tokens=4096,
        server=FixedServer("here", 1),
        tokens=RatioTokenCounter(),
        dialect="vllm",
        chat_template_kwargs={"enable_thinking": False},
        priority_scheduling=True,
    )
    messages = (Message("user", "Hi"), Message("assistant", "```python\n"))
    sampling = Sampling(9, top_k=20, repetition_penalty=1.1)
    await model.complete(ModelRequest(messages, sampling, continue_final=True, priority=10))
    await model.aclose()
    body = server.requests[0]
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False
    assert body["priority"] == 10
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert (body["top_k"], body["repetition_penalty"]) == (20, 1.1)
    assert "Authorization" not in server.headers[0]


async def test_priority_is_kept_from_a_server_that_was_not_started_for_it(
    server: OpenAIServer,
) -> None:
    await complete(server, ask(), "vllm")
    assert "priority" not in server.requests[0]


async def test_prefill_is_refused_where_it_is_not_understood(server: OpenAIServer) -> None:
    model = model_at(server)
    assert not model.supports_prefill
    with pytest.raises(ModelError, match="cannot continue"):
        await model.complete(ModelRequest((Message("assistant", "x"),), Sampling(1), None, True))


async def test_no_content_is_an_empty_text(server: OpenAIServer) -> None:
    server.options.fault = "null-content"
    assert await complete(server, ask(), "openai") == ""


async def test_missing_usage_is_estimated(server: OpenAIServer) -> None:
    server.options.fault = "no-usage"
    model = model_at(server)
    reply = await model.complete(ask("12345678"))
    await model.aclose()
    assert reply.usage == Usage(prompt_tokens=2, completion_tokens=1)


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504", "reset"])
async def test_what_may_pass_is_retryable(
    server: OpenAIServer, fault: Fault, dialect: Dialect
) -> None:
    error = await failure(server, fault, dialect)
    assert isinstance(error, ModelUnavailable)
    assert error.status == (int(fault) if fault.isdigit() else None)


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
@pytest.mark.parametrize("fault", ["400", "401", "404", "422"])
async def test_a_refusal_carries_the_servers_own_words(
    server: OpenAIServer, fault: Fault, dialect: Dialect
) -> None:
    error = await failure(server, fault, dialect)
    assert not isinstance(error, ModelUnavailable)
    assert f"this request gets {fault}" in str(error)
    assert error.status == int(fault)


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("garbage", "not JSON.*html"),
        ("truncated", "not JSON"),
        ("empty", "with nothing"),
        ("not-an-object", "not an object"),
        ("no-choices", "without a message"),
    ],
)
async def test_a_reply_of_the_wrong_shape_is_an_error_that_says_so(
    server: OpenAIServer, fault: Fault, says: str, dialect: Dialect
) -> None:
    error = await failure(server, fault, dialect)
    assert not isinstance(error, ModelUnavailable)
    with pytest.raises(ModelError, match=says):
        raise error


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)]
)
async def test_retry_after_is_kept(
    server: OpenAIServer, header: str, seconds: float | None
) -> None:
    server.options.retry_after = header
    assert (await failure(server, "429")).retry_after_s == seconds


async def test_nobody_listening_is_retryable_and_names_the_address() -> None:
    model = OpenAIModel(
        Endpoint("http://127.0.0.1:9/v1", KEY, "worker"),
        digest="d",
        context_tokens=1,
        server=FixedServer("here", 1),
        tokens=RatioTokenCounter(),
        dialect="openai",
    )
    with pytest.raises(ModelUnavailable, match=r"cannot reach http://127\.0\.0\.1:9/v1"):
        await model.complete(ask())
    await model.aclose()


async def test_a_server_that_hangs_is_given_up(server: OpenAIServer) -> None:
    server.options.fault = "hang"
    model = model_at(server, timeout_s=0.2)
    with pytest.raises(ModelUnavailable, match="in time"):
        await model.complete(ask())
    await model.aclose()


async def test_an_echoed_key_and_a_password_in_the_address_stay_out_of_errors(
    server: OpenAIServer,
) -> None:
    server.options.api_key = "another"
    address = server.base_url.replace("http://", "http://user:hunter2@")
    with pytest.raises(ConfigError) as caught:
        await probe(Endpoint(address, None, "root"))
    assert "hunter2" not in str(caught.value)
    assert Endpoint("", KEY, "").redact(f"bad key {KEY}!") == "bad key [key]!"
    assert KEY not in repr(Endpoint("", KEY, ""))


async def test_cancelling_drops_the_request_at_the_server(server: OpenAIServer) -> None:
    server.options.fault = "hang"
    model = model_at(server)
    task = asyncio.create_task(model.complete(ask()))
    await server.arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.dropped.wait()
    await model.aclose()


async def test_all_it_is_given_is_sent_at_once(server: OpenAIServer) -> None:
    server.options.fault = "hang"
    model = model_at(server)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(model.complete(ask(str(n)))) for n in range(40)]
        async with asyncio.timeout(20.0):
            while server.in_flight < 40:  # noqa: ASYNC110  # the fake has no event for the 40th
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
    await model.aclose()


@pytest.mark.parametrize("constraint", [None, Choices(("yes", "no"))])
async def test_a_conversation_goes_by_its_name_before_a_router(
    server: OpenAIServer, constraint: Constraint | None
) -> None:
    server.options.replies = ["yes"]
    request = dataclasses.replace(ask(constraint=constraint), cache_salt="one", session="run-1")
    await complete(server, request, "vllm")
    await complete(server, request, "openai")
    assert [headers.get("X-Session-ID") for headers in server.headers] == ["run-1", None]
    assert [body.get("cache_salt") for body in server.requests] == ["one", None]


@pytest.mark.parametrize(("fault", "is_busy"), [("429", True), ("503", True), ("500", False)])
async def test_too_much_at_once_is_told_from_broken(
    server: OpenAIServer, fault: Fault, is_busy: bool
) -> None:
    assert isinstance(await failure(server, fault), ModelBusy) == is_busy


async def test_a_lone_surrogate_reaches_the_server_as_a_replacement(server: OpenAIServer) -> None:
    await complete(server, ask("a\ud800b"), "openai")
    assert server.requests[0]["messages"][0]["content"] == "a�b"


async def test_a_unix_socket_takes_the_place_of_the_port(tmp_path: Path) -> None:
    async with OpenAIServer(uds=tmp_path / "s") as server:
        assert await complete(server, ask(), "openai") == "ok"
        assert (await probe(Endpoint(server.base_url, None, "root", server.uds))).models


async def test_closing_twice_is_safe(server: OpenAIServer) -> None:
    model = model_at(server)
    await model.complete(ask())
    await model.aclose()
    await model.aclose()


@pytest.mark.parametrize("constraint", CONSTRAINTS)
async def test_vllm_is_given_the_constraint_to_enforce(
    server: OpenAIServer, constraint: Constraint
) -> None:
    reply = '"yes"' if isinstance(constraint, JsonSchema) else "yes"
    server.options.replies = [reply]
    assert await complete(server, ask(constraint=constraint), "vllm") == reply
    body = server.requests[0]
    assert body["messages"][-1]["content"] == "What colour is the sky?"
    if isinstance(constraint, JsonSchema):
        assert '"yes"' in body["structured_outputs"]["regex"]
    else:
        assert "yes" in body["structured_outputs"]["regex"]
    assert "response_format" not in body


async def test_concurrent_typed_calls_keep_their_own_replies(server: OpenAIServer) -> None:
    server.options.replies = [lambda body: str(body["messages"][0]["content"])]
    model = model_at(server, dialect="vllm")
    requests = [ask(f"x{n}", constraint=Regex(r"x\d+")) for n in range(30)]
    replies = await asyncio.gather(*map(model.complete, requests))
    await model.aclose()
    assert [reply.text for reply in replies] == [f"x{n}" for n in range(30)]


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
async def test_a_reply_that_does_not_fit_comes_back_for_the_caller_to_judge(
    server: OpenAIServer, dialect: Dialect
) -> None:
    server.options.replies = ["perhaps"]
    assert await complete(server, ask(constraint=Choices(("yes", "no"))), dialect) == "perhaps"


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
async def test_a_sub_call_that_does_not_fit_is_asked_again_and_then_a_typed_failure(
    server: OpenAIServer, dialect: Dialect
) -> None:
    model = model_at(server, dialect=dialect)
    scheduler = Scheduler(Models(model, model), RetryPolicy(), seed=None)
    caller = Caller(Budget(Limits(), "run", HandClock()), Journal(ListSink(), "run"), 1)
    asked = Asked(8, Choices(("yes", "no")))
    try:
        server.options.replies = ["perhaps", "yes"]
        assert (await scheduler.ask(["a"], asked, caller))[0].text == "yes"
        assert [body["max_tokens"] for body in server.requests] == [8, 32]
        server.options.replies = ["perhaps"]
        assert (await scheduler.ask(["b"], asked, caller))[0].error == misfit("perhaps")
    finally:
        await model.aclose()


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
async def test_a_constrained_reply_cut_by_length_comes_back_as_it_is(
    server: OpenAIServer, dialect: Dialect
) -> None:
    server.options.replies = ["ye"]
    server.options.fault = "length"
    model = model_at(server, dialect=dialect)
    reply = await model.complete(ask(constraint=Choices(("yes", "no"))))
    await model.aclose()
    assert (reply.text, reply.finish_reason) == ("ye", "length")


@pytest.mark.parametrize("constraint", CONSTRAINTS)
async def test_a_plain_server_is_asked_by_schema_and_in_words(
    server: OpenAIServer, constraint: Constraint
) -> None:
    plain = isinstance(constraint, JsonSchema)
    server.options.replies = ['"yes"' if plain else '{"value": "yes"}']
    text = await complete(server, ask(constraint=constraint), "openai")
    assert text == ('"yes"' if plain else "yes")
    body = server.requests[0]
    assert body["response_format"]["type"] == "json_schema"
    assert "yes" in body["messages"][-1]["content"]


async def test_a_server_without_schemas_is_asked_in_words_from_then_on(
    server: OpenAIServer,
) -> None:
    server.options.replies = ["yes"]
    server.options.rejects = ["response_format"]
    model = model_at(server)
    for _ in range(2):
        await model.complete(ask(constraint=Choices(("yes", "no"))))
    await model.aclose()
    assert ["response_format" in body for body in server.requests] == [True, False, False]


async def test_a_probe_tells_a_plain_server_from_vllm(server: OpenAIServer) -> None:
    facts = await probe(Endpoint(server.base_url, None, "root"))
    assert (facts.dialect, facts.context_tokens) == ("openai", None)
    assert facts.models == ("root", "worker")


async def test_a_probe_for_a_model_that_is_not_served_names_those_that_are(
    server: OpenAIServer,
) -> None:
    with pytest.raises(ConfigError, match="does not serve 'gpt'; it serves root, worker"):
        await probe(Endpoint(server.base_url, None, "gpt"))


async def test_a_probe_with_a_wrong_key_asks_for_the_right_one(server: OpenAIServer) -> None:
    server.options.api_key = "right"
    with pytest.raises(ConfigError, match=r"401: .*give the endpoint's key"):
        await probe(Endpoint(server.base_url, "wrong", "root"))


@pytest.mark.parametrize(
    "address", ["", "localhost:8000", "ftp://127.0.0.1/v1", "http://[::1", "http://"]
)
async def test_what_is_no_address_is_told_as_such(address: str) -> None:
    with pytest.raises(ConfigError, match="not a"):
        await probe(Endpoint(address, None, "root"))


async def test_a_server_of_ours_that_is_gone_is_told_of_rather_than_tried_again(
    server: OpenAIServer,
) -> None:
    model = dataclasses.replace(model_at(server), failure=lambda: ServerError("vLLM ended"))
    try:
        assert (await model.complete(ask())).text == "ok"
        server.options.fault = "500"
        with pytest.raises(ServerError, match="vLLM ended"):
            await model.complete(ask())
    finally:
        await model.aclose()


LABELS = Choices(("ham", "spam", "spaniel"))


def scored(choices: Choices = LABELS) -> ModelRequest:
    return dataclasses.replace(ask(constraint=choices), wants_scores=True)


async def scored_reply(model: OpenAIModel, request: ModelRequest) -> tuple[str, dict[str, float]]:
    reply = await model.complete(request)
    assert reply.finish_reason == "stop"
    return reply.text, {name: round(math.exp(it), 3) for name, it in reply.scores.items()}


async def test_vllm_decides_a_choice_by_one_token_and_tells_how_likely_the_others_were(
    server: OpenAIServer,
) -> None:
    server.options.shares = lambda body: {"ham": 0.6, "spam": 0.3, "spaniel": 0.1}
    model = model_at(server, dialect="vllm")
    told = await scored_reply(model, scored())
    await model.aclose()
    assert told == ("ham", {"ham": 0.6, "spam": 0.3, "spaniel": 0.1})
    (body,) = server.requests
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20)
    assert "spaniel" in body["structured_outputs"]["regex"]


async def test_labels_that_begin_with_the_same_token_are_written_out(
    server: OpenAIServer,
) -> None:
    server.options.shares = lambda body: {"spam!": 0.5, "spam?": 0.2, "ham": 0.3}
    model = model_at(server, dialect="vllm")
    for _ in range(2):
        told = await scored_reply(model, scored(Choices(("spam!", "spam?", "ham"))))
        assert told == ("spam!", {"spam!": 0.5, "spam?": 0.2, "ham": 0.3})
    await model.aclose()
    assert [body["max_tokens"] for body in server.requests] == [1, 64, 64]


async def test_a_plain_servers_log_probabilities_are_read_where_it_gives_them(
    server: OpenAIServer,
) -> None:
    said = {'{"value": "ham"}': 0.8, '{"value": "spam"}': 0.2}
    server.options.shares = lambda body: said
    model = model_at(server)
    text, scores = await scored_reply(model, scored())
    assert (text, scores["ham"]) == ("ham", 0.8)
    server.options.shares = None
    server.options.replies = ['{"value": "spam"}']
    assert await scored_reply(model, scored()) == ("spam", {})
    await model.aclose()


@pytest.mark.parametrize("dialect", ["openai", "vllm"])
async def test_a_server_that_refuses_log_probabilities_is_asked_without_them(
    server: OpenAIServer, dialect: Dialect
) -> None:
    server.options.rejects = ["logprobs", "top_logprobs"]
    server.options.replies = ["ham"]
    model = model_at(server, dialect=dialect)
    for _ in range(2):
        assert await scored_reply(model, scored()) == ("ham", {})
    await model.aclose()
    assert ["logprobs" in body for body in server.requests] == [True, False, False]


async def test_nobody_is_asked_for_scores_that_are_not_wanted(server: OpenAIServer) -> None:
    server.options.replies = ["ham"]
    for dialect in ("openai", "vllm"):
        await complete(server, ask(constraint=LABELS), dialect)
    assert not any("logprobs" in body for body in server.requests)
    assert {body["max_tokens"] for body in server.requests} == {64}
