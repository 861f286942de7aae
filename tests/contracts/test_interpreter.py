"""The promises the engine rests on, held by the real REPL and by its in-process stand-in alike."""

from collections.abc import AsyncIterator, Callable
from typing import Literal

import pytest

from rlm_local.capacity import FixedServer
from rlm_local.config import RunConfig
from rlm_local.engine.loop import Engine, Models
from rlm_local.errors import ServerError
from rlm_local.events import RunStarted, SubcallDone
from rlm_local.interfaces import InterpreterPool
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.serving.endpoint import Endpoint
from rlm_local.serving.openai_model import OpenAIModel
from rlm_local.types import Answer, CellCall, CellReply, Completion, Limits, ModelRequest
from tests.engine.scenes import AT_ONCE, cell, profile
from tests.fakes.interpreter import InProcessPool
from tests.fakes.memory_context import MemoryContext
from tests.fakes.openai_server import OpenAIServer, ServerOptions
from tests.fakes.parts import (
    CallableModel,
    HandClock,
    ListSink,
    ScriptedRoot,
    WordCounter,
    completion,
    echo,
)

TEXT = "alpha line\n" * 4000 + "the key is 42\n" + "omega line\n" * 4000


class _NoHost:
    async def call(self, call: CellCall) -> CellReply:
        raise AssertionError(call)


class _Stage:
    """A pool over a text, and engines to run on it."""

    def __init__(self, context: MemoryContext, pool: InterpreterPool) -> None:
        self.context, self.pool, self.sink = context, pool, ListSink()

    async def ask(
        self, *replies: str, worker: CallableModel | OpenAIModel | None = None,
        limits: Limits | None = None,
    ) -> Answer:  # fmt: skip
        root = ScriptedRoot(*replies)
        engine = Engine(
            Models(root, worker or CallableModel(echo())),
            profile=profile(),
            config=RunConfig(mode="rlm", limits=limits or Limits()),
            sink=self.sink,
            clock=HandClock(),
            retries=AT_ONCE,
        )
        return await engine.run("What is the key?", self.context, self.pool)


@pytest.fixture(params=["in process", "zygote"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[_Stage]:
    context = MemoryContext(TEXT)
    kind: Literal["in process", "zygote"] = request.param
    pool: InterpreterPool
    if kind == "zygote":
        pool = await ZygotePool.open(context, ReplFacts(20_000, 7000))
    else:
        pool = InProcessPool(context)
    yield _Stage(context, pool)
    await pool.aclose()
    context.close()


async def test_variables_live_on_after_a_cell_that_failed(stage: _Stage) -> None:
    repl = await stage.pool.start()
    failed = await repl.run("kept = 5\n1 / 0", _NoHost(), timeout_s=10)
    assert failed.error_type == "ZeroDivisionError"
    assert "division by zero" in (failed.error or "")
    shown = await repl.run("print(kept)\nkept + 1", _NoHost(), timeout_s=10)
    assert (shown.stdout, shown.result, shown.error) == ("5\n", "6", None)
    await repl.aclose()
    await repl.aclose()


@pytest.mark.parametrize(
    "code",
    [
        "FINAL('done')",
        "x = 'done'\nFINAL_VAR('x')",
        "answer = {'content': 'done', 'ready': True}",
        "try:\n    FINAL('done')\nexcept Exception:\n    FINAL('caught')",
    ],
)
async def test_all_spellings_finish(stage: _Stage, code: str) -> None:
    repl = await stage.pool.start()
    result = await repl.run(code, _NoHost(), timeout_s=10)
    assert (result.final, result.error) == ("done", None)
    await repl.aclose()


async def test_a_run_looks_and_answers(stage: _Stage) -> None:
    answer = await stage.ask(cell("print(grep('key is'))"), cell("FINAL('42')"))
    assert (answer.text, answer.stop_reason, answer.turns) == ("42", "answered", 2)


async def test_a_batch_reaches_the_worker_and_identical_prompts_once(stage: _Stage) -> None:
    answer = await stage.ask(cell("FINAL('|'.join(llm_query_batched(['a', 'b', 'a'])))"))
    assert answer.text == "re: a|re: b|re: a"
    assert (answer.subcalls, answer.cached_subcalls) == (3, 1)


async def test_a_child_run_reads_the_text_it_was_given(stage: _Stage) -> None:
    async def root(request: ModelRequest) -> Completion:
        if "SUB" in str(request.messages):
            return completion(cell("FINAL(len(context))"))
        return completion(cell("FINAL(rlm_query('SUB: how long?', context[5:80_000]))"))

    engine = Engine(
        Models(CallableModel(root, name="root"), CallableModel(echo())),
        profile=profile(), config=RunConfig(mode="rlm"), sink=stage.sink, clock=HandClock(),
    )  # fmt: skip
    answer = await engine.run("How long?", stage.context, stage.pool)
    assert answer.text == "79995"
    assert stage.sink.of(RunStarted)[1].context.chars == 79_995


async def test_a_dead_server_ends_the_run(stage: _Stage) -> None:
    async def dead(request: ModelRequest) -> Completion:
        raise ServerError("the worker's server died")

    answer = await stage.ask(
        cell("print('seen so far')"), cell("print(llm_query('a'))"), worker=CallableModel(dead)
    )
    assert (answer.text, answer.stop_reason) == ("seen so far", "error")
    assert answer.error == "the worker's server died"


async def test_a_refused_call_is_an_error_in_the_cell(stage: _Stage) -> None:
    reply = cell(
        "try:\n    llm_query('a', choices=['x'])\nexcept RuntimeError as e:\n    FINAL(str(e))"
    )
    assert "choices must be 2 to 1000" in (await stage.ask(reply)).text


async def test_items_beyond_the_budget_fail_and_the_cell_goes_on(stage: _Stage) -> None:
    answer = await stage.ask(
        cell("print(llm_query_batched(['a', 'b', 'c']))"), "a",
        limits=Limits(max_subcalls=2),
    )  # fmt: skip
    assert (answer.text, answer.stop_reason) == ("a", "max_subcalls")


FAULTS: list[tuple[ServerOptions, Callable[[str | None], bool]]] = [
    (ServerOptions(), lambda error: error is None),
    (ServerOptions(fault="429", fault_count=1, retry_after="0"), lambda error: error is None),
    (ServerOptions(fault="500", fault_count=1), lambda error: error is None),
    (ServerOptions(fault="400"), lambda error: "400" in (error or "")),
    (ServerOptions(fault="garbage"), lambda error: error is not None),
    (ServerOptions(fault="reset"), lambda error: error is not None),
]


@pytest.mark.parametrize(
    ("options", "is_right"), FAULTS, ids=lambda value: getattr(value, "fault", "")
)
async def test_what_a_real_server_does_becomes_an_outcome(
    options: ServerOptions, is_right: Callable[[str | None], bool]
) -> None:
    context = MemoryContext(TEXT)
    stage = _Stage(context, InProcessPool(context))
    async with OpenAIServer(options) as server:
        worker = OpenAIModel(
            Endpoint(server.base_url, "key", "worker"),
            digest="d", context_tokens=8000, server=FixedServer("here", 4), tokens=WordCounter(),
            dialect="openai",
        )  # fmt: skip
        answer = await stage.ask(cell("FINAL(repr(llm_query('a')))"), worker=worker)
        await worker.aclose()
    context.close()
    assert answer.stop_reason == "answered"
    assert all(is_right(event.error) for event in stage.sink.of(SubcallDone))
