"""`llm_query(type=...)` through all but the model: REPL, wire, engine, scheduler and back."""

from collections.abc import AsyncIterator, Callable

import pytest

from rlm_local.config import RunConfig
from rlm_local.engine.loop import Engine, Models
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.types import Answer, Choices, Completion, JsonSchema, ModelRequest
from tests.engine.scenes import AT_ONCE, cell, profile
from tests.fakes.memory_context import MemoryContext
from tests.fakes.parts import CallableModel, HandClock, ListSink, ScriptedRoot, completion

MODEL = """
from pydantic import BaseModel, Field

class Bridge(BaseModel):
    name: str = Field(max_length=8)
    opened: int = Field(ge=1800)
"""


class _Stage:
    def __init__(self, context: MemoryContext, pool: ZygotePool) -> None:
        self._context, self._pool = context, pool
        self.asked: list[ModelRequest] = []

    async def run(self, code: str, reply: Callable[[ModelRequest], Completion]) -> Answer:
        async def worker(request: ModelRequest) -> Completion:
            self.asked.append(request)
            return reply(request)

        engine = Engine(
            Models(ScriptedRoot(cell(code)), CallableModel(worker)),
            profile=profile(), config=RunConfig(mode="rlm"), sink=ListSink(), clock=HandClock(),
            retries=AT_ONCE,
        )  # fmt: skip
        return await engine.run("?", self._context, self._pool)


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    context = MemoryContext("a text\n" * 500)
    pool = await ZygotePool.open(context, ReplFacts(20_000, 7000))
    yield _Stage(context, pool)
    await pool.aclose()
    context.close()


async def test_a_cells_own_model_comes_back_as_a_value_of_it(stage: _Stage) -> None:
    code = MODEL + "b = llm_query('?', type=Bridge)\nFINAL([type(b) is Bridge, b.opened + 1])"
    reply = '{"name": "Tay", "opened": 1878}'
    assert (await stage.run(code, lambda _: completion(reply))).text == "True, 1879"
    constraint = stage.asked[0].constraint
    assert isinstance(constraint, JsonSchema)
    assert '"properties": {"name": {"maxLength": 8' in constraint.schema


async def test_labels_cross_as_choices(stage: _Stage) -> None:
    code = (
        "from enum import Enum\nMood = Enum('Mood', {'GOOD': 'good', 'BAD': 'bad'})\n"
        "FINAL(llm_query('?', type=Mood) is Mood.BAD)"
    )
    assert (await stage.run(code, lambda _: completion("bad"))).text == "True"
    assert stage.asked[0].constraint == Choices(("good", "bad"))


async def test_what_was_cut_is_asked_once_more_with_more_room(stage: _Stage) -> None:
    def reply(request: ModelRequest) -> Completion:
        cut = request.sampling.max_tokens < 40
        return completion("[1, " if cut else "[1, 2]", finish="length" if cut else "stop")

    code = "FINAL(llm_query('?', type=list[int], max_tokens=10))"
    assert (await stage.run(code, reply)).text == "1, 2"
    assert [request.sampling.max_tokens for request in stage.asked] == [10, 40]


async def test_what_no_grammar_holds_is_checked_and_then_a_typed_failure(stage: _Stage) -> None:
    """The year satisfies the JSON schema's grammar, but not its `minimum`."""
    code = MODEL + (
        "try:\n    llm_query('?', type=Bridge)\n"
        "except ReplyTypeError as error:\n    FINAL([error.text, isinstance(error, SubcallError)])"
    )
    reply = '{"name": "Tay", "opened": 878}'
    text = (await stage.run(code, lambda _: completion(reply))).text
    assert reply in text
    assert text.endswith(", True")
    assert len(stage.asked) == 2


async def test_one_misfit_of_a_batch_is_a_failure_of_that_item_alone(stage: _Stage) -> None:
    code = (
        "a, b = llm_query_batched(['a', 'b'], type=bool)\n"
        "FINAL([a, bool(b), isinstance(b, SubcallFailure), b.text])"
    )

    def reply(request: ModelRequest) -> Completion:
        return completion("true" if request.messages[0].content == "a" else "maybe")

    text = (await stage.run(code, reply)).text
    assert text.startswith("True, False, True, ")
    assert "maybe" in text


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("schema={'$ref': 'file:///etc/passwd'}", "only to its own parts"),
        ("schema={'maxlength': 3}", "keyword that nobody knows"),
        ("schema={'anyOf': [{}] * 3000}", "more than 500 parts"),
        ("regex='(a{999}){999}'", "not a usable regular expression"),
    ],
)
async def test_a_hostile_constraint_is_an_error_in_the_cell_and_never_asked(
    stage: _Stage, call: str, said: str
) -> None:
    code = f"try:\n    llm_query('?', {call})\nexcept RuntimeError as error:\n    FINAL(error)"
    assert said in (await stage.run(code, lambda _: completion("x"))).text
    assert stage.asked == []


async def test_nothing_a_cell_defines_leaves_it_but_its_schema(stage: _Stage) -> None:
    code = (
        "import dataclasses\n"
        "@dataclasses.dataclass\nclass Trap:\n    n: int\n"
        "    def __reduce__(self):\n        raise SystemExit('pickled')\n"
        "FINAL(llm_query('?', type=Trap).n)"
    )
    assert (await stage.run(code, lambda _: completion('{"n": 3}'))).text == "3"
    assert stage.asked[0].constraint == JsonSchema(
        '{"additionalProperties": false, "properties": {"n": {"type": "integer"}}, '
        '"required": ["n"], "type": "object"}'
    )
