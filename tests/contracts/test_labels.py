"""`classify` through all of it: REPL, wire, engine, scheduler, an HTTP server with likelihoods."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

import pytest

from rlm_local.capacity import FixedServer
from rlm_local.config import RunConfig
from rlm_local.engine.loop import Engine, Models
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.serving.openai_model import Endpoint, OpenAIModel
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.types import Answer
from tests.engine.scenes import AT_ONCE, cell, profile
from tests.fakes.memory_context import MemoryContext
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.parts import HandClock, ListSink, ScriptedRoot

PREJUDICED = """
texts = [f"wet {n}" for n in range(30)] + [f"dry {n}" for n in range(30)]
labels = classify(texts, ["rain", "sun"], "What is the weather?", examples=[("a storm", "rain")])
FINAL([labels.count("rain"), labels[:30].count("rain")])
"""
INVENTING = """
labels = classify([f"wet {n}" for n in range(9)], ["rain", "sun"], "What is the weather?")
FINAL(labels.count("rain"))
"""


def shares(body: dict[str, Any]) -> Mapping[str, float]:
    """A worker that says `rain` to everything, though less surely where it is dry."""
    said = body["messages"][-1]["content"]
    if "Write new texts" in said:
        return {
            "- rain: clouds burst\n- sun: a hot day\n- rain: it pours down\n- sun: a blue sky": 1.0
        }
    sure = 0.99 if "wet" in said else 0.6
    return {"rain": sure, "sun": 1 - sure}


class _Stage:
    def __init__(self, context: MemoryContext, pool: ZygotePool, server: OpenAIServer) -> None:
        self._context, self._pool, self._server = context, pool, server

    async def run(self, code: str) -> Answer:
        worker = OpenAIModel(
            Endpoint(self._server.base_url, None, "worker"), digest="d", context_tokens=4096,
            server=FixedServer("here", 8), tokens=RatioTokenCounter(), dialect="vllm",
        )  # fmt: skip
        engine = Engine(
            Models(ScriptedRoot(cell(code)), worker),
            profile=profile(), config=RunConfig(mode="rlm"), sink=ListSink(), clock=HandClock(),
            retries=AT_ONCE,
        )  # fmt: skip
        try:
            return await engine.run("?", self._context, self._pool)
        finally:
            await worker.aclose()


@pytest.fixture(params=["auto", "sealed"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[tuple[_Stage, OpenAIServer]]:
    policy: Literal["auto", "sealed"] = request.param
    context = MemoryContext("a text\n" * 500)
    pool = await ZygotePool.open(context, ReplFacts(8000, 2000), policy=policy)
    async with OpenAIServer() as server:
        server.options.shares = shares
        yield _Stage(context, pool, server), server
    await pool.aclose()
    context.close()


async def test_a_worker_that_leans_to_one_label_is_put_right(
    stage: tuple[_Stage, OpenAIServer],
) -> None:
    runs, server = stage
    assert (await runs.run(PREJUDICED)).text == "30, 30"
    assert len(server.requests) == 60
    body = server.requests[0]
    assert [message["role"] for message in body["messages"]] == [
        "system", "user", "assistant", "user",
    ]  # fmt: skip
    assert body["messages"][0]["content"].startswith("What is the weather?")
    assert (body["max_tokens"], body["top_logprobs"]) == (1, 20)


async def test_a_worker_without_examples_invents_some_once(
    stage: tuple[_Stage, OpenAIServer],
) -> None:
    runs, server = stage
    assert (await runs.run(INVENTING)).text == "9"
    assert len(server.requests) == 10
    order, *asked = server.requests
    assert "- wet 0\n" in order["messages"][-1]["content"]
    turns = [message["content"] for message in asked[0]["messages"]]
    assert turns[1:5] == ["Text: clouds burst\nLabel:", "rain", "Text: a hot day\nLabel:", "sun"]
    assert len(turns) == 10
