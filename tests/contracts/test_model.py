"""What every `Model` keeps: the same cases over each implementation."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rlm_local.capacity import FixedServer
from rlm_local.interfaces import Model
from rlm_local.serving.chat_wire import Dialect
from rlm_local.serving.openai_model import Endpoint, OpenAIModel
from rlm_local.serving.replicas import ReplicatedModel
from rlm_local.serving.scripted_model import ScriptedModel
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.serving.transformers_model import TransformersModel
from rlm_local.types import Choices, Message, ModelRequest, Sampling
from tests.fakes.openai_server import OpenAIServer, ServerOptions
from tests.fakes.tiny_model import save_tiny_model

ASK = ModelRequest((Message("system", "Be short."), Message("user", "Hello?")), Sampling(8))


@pytest.fixture(params=["openai", "vllm", "replicas", "scripted", "transformers"])
async def model(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Model]:
    opened: Model
    match request.param:
        case "scripted":
            opened = ScriptedModel(["Hi."] * 20)
            yield opened
        case "transformers":
            await asyncio.to_thread(save_tiny_model, tmp_path)
            opened = TransformersModel(tmp_path, name="tiny", digest="d", context_tokens=256)
            yield opened
        case "replicas":
            async with (
                OpenAIServer(ServerOptions(replies=["Hi."])) as one,
                OpenAIServer(ServerOptions(replies=["Hi."])) as two,
            ):
                opened = ReplicatedModel([_at(one, "vllm"), _at(two, "vllm")], digest="d")
                yield opened
                await opened.aclose()
        case dialect:
            async with OpenAIServer(ServerOptions(replies=["Hi."])) as server:
                opened = _at(server, dialect)
                yield opened
                await opened.aclose()
    await opened.aclose()


def _at(server: OpenAIServer, dialect: Dialect) -> OpenAIModel:
    return OpenAIModel(
        Endpoint(server.base_url, "key", "root"),
        digest="d",
        context_tokens=4096,
        server=FixedServer(server.base_url, 4),
        tokens=RatioTokenCounter(),
        dialect=dialect,
    )


def test_it_tells_what_a_scheduler_must_know(model: Model) -> None:
    assert model.name
    assert model.digest
    assert model.context_tokens > 0
    assert model.server.sequences > 0


async def test_a_completion_has_text_usage_and_seconds(model: Model) -> None:
    reply = await model.complete(ASK)
    assert reply.text
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.completion_tokens > 0
    assert reply.usage.cached_tokens <= reply.usage.prompt_tokens
    assert reply.seconds >= 0


# Torch's own compiler package warns of torch's own past when Outlines' kernel imports it.
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
async def test_scores_are_those_of_choices_where_any_are_known(model: Model) -> None:
    choices = Choices(("Hi.", "Ho."))
    reply = await model.complete(
        ModelRequest(ASK.messages, Sampling(24), choices, wants_scores=True)
    )
    assert reply.text in choices.values
    assert reply.scores.keys() <= set(choices.values)
    assert all(score <= 0 for score in reply.scores.values())
    assert (await model.complete(ASK)).scores == {}


async def test_many_requests_may_be_in_flight(model: Model) -> None:
    replies = await asyncio.gather(*(model.complete(ASK) for _ in range(9)))
    assert len({reply.text for reply in replies}) == 1


async def test_a_prefill_is_taken_where_it_is_promised(model: Model) -> None:
    if model.supports_prefill:
        opened = (*ASK.messages, Message("assistant", "Hi"))
        await model.complete(ModelRequest(opened, Sampling(8), None, True))


def test_its_counter_takes_any_text(model: Model) -> None:
    assert model.tokens.count("") == 0
    assert model.tokens.count("plain \ud800 \U0001f389") > 0


async def test_closing_twice_is_safe(model: Model) -> None:
    await model.complete(ASK)
    await model.aclose()
    await model.aclose()
