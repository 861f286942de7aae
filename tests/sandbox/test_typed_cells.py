"""Typed replies in real REPLs: what a cell defines stays there, and comes back as a value of it."""

import textwrap
from typing import Literal

import pytest

from rlm_local.types import CellCall, CellReply, SubcallOutcome
from tests.fakes.memory_context import EchoHost
from tests.sandbox.conftest import OpenRepl

PLAIN = {
    "llm_query('true', type=bool)": "True",
    "llm_query('[1, 2]', type=list[int])": "[1, 2]",
    "llm_query('free text', type=str)": "'free text'",
    "from typing import Literal\nllm_query('b', type=Literal['a', 'b'])": "'b'",
    "import datetime\nllm_query('\"2024-05-06\"', type=datetime.date).month": "5",
    "llm_query_batched(['1', '2'], type=int)": "[1, 2]",
    "llm_query(['1', '2'], type=int)": "[1, 2]",
    "ask_each('?', ['a'], type=bool)": "[<sub-call failed: the reply is not of the type",
}

DATACLASS = """
    from dataclasses import dataclass
    from enum import Enum

    class Mood(Enum):
        GOOD = "good"
        BAD = "bad"

    @dataclass
    class Scene:
        mood: Mood
        people: list[str]

    scene = llm_query('{"mood": "bad", "people": ["a"]}', type=Scene)
    print(scene, scene.mood is Mood.BAD, llm_query("good", type=Mood))
    FINAL([scene, Mood.GOOD])
    """

MODEL = """
    from pydantic import BaseModel, Field, field_validator

    class Part(BaseModel):
        name: str = Field(max_length=5)

    class Whole(BaseModel):
        parts: list[Part]
        n: int = Field(ge=1, default=1)

        @field_validator("n")
        @classmethod
        def odd(cls, n):
            if not n % 2:
                raise ValueError("n is even")
            return n

    whole = llm_query('{"parts": [{"name": "x"}]}', type=Whole)
    print(type(whole) is Whole, whole.parts[0].name)
    failed, = llm_query_batched(['{"parts": [], "n": 2}'], type=Whole)
    print(bool(failed), failed.reason, failed.text)
    try:
        llm_query('{"parts": [], "n": 2}', type=Whole)
    except ReplyTypeError as error:
        print("n is even" in error.reason, error.text)
    FINAL(whole)
    """


def same(prompt: str) -> str:
    return prompt


@pytest.mark.parametrize(("code", "shown"), PLAIN.items())
async def test_a_reply_is_a_value_of_its_type(open_repl: OpenRepl, code: str, shown: str) -> None:
    result = await (await open_repl(host=EchoHost(same)))(code)
    assert result.error is None
    assert (result.result or "").startswith(shown)


@pytest.mark.parametrize("policy", ["auto", "sealed"])
async def test_values_of_a_cells_own_classes_are_made_in_the_cell(
    open_repl: OpenRepl, policy: Literal["auto", "sealed"]
) -> None:
    host = EchoHost(same)
    repl = await open_repl(host=host, policy=policy)
    result = await repl(textwrap.dedent(DATACLASS))
    assert result.error is None
    assert result.stdout == "Scene(mood=<Mood.BAD: 'bad'>, people=['a']) True Mood.GOOD\n"
    assert result.final == '[{"mood": "bad", "people": ["a"]}, "good"]'
    assert [set(call.args) for call in host.calls] == [{"schema"}, {"choices"}]


@pytest.mark.parametrize("policy", ["auto", "sealed"])
async def test_a_pydantic_model_of_a_cell_is_held_to_its_own_validators(
    open_repl: OpenRepl, policy: Literal["auto", "sealed"]
) -> None:
    repl = await open_repl(host=EchoHost(same), policy=policy)
    result = await repl(textwrap.dedent(MODEL))
    assert result.error is None
    lines = result.stdout.splitlines()
    assert lines[0] == "True x"
    assert lines[1].startswith("False the reply is not of the type that was asked for (n: ")
    assert lines[2] == 'True {"parts": [], "n": 2}'
    assert result.final == '{"parts": [{"name": "x"}], "n": 1}'


async def test_a_reply_that_never_fitted_raises_with_its_text(open_repl: OpenRepl) -> None:
    class Misfit:
        async def call(self, call: CellCall) -> CellReply:
            reason = 'the reply does not have the form that was asked for: "so so"'
            return CellReply((SubcallOutcome(None, reason),))

    repl = await open_repl(host=Misfit())
    for form in ("type=bool", "choices=['a', 'b']", "regex='a'", "schema={}"):
        result = await repl(
            f"try:\n    llm_query('p', {form})\n"
            "except ReplyTypeError as error:\n    print(repr(error.text))"
        )
        assert result.stdout == "'so so'\n"
    result = await repl("r, = llm_query_batched(['p'], type=bool)\nbool(r), r.text")
    assert result.result == "(False, 'so so')"
    assert (await repl("isinstance(r, SubcallFailure)")).result == "True"


async def test_a_call_that_failed_raises_where_a_value_was_asked_for(open_repl: OpenRepl) -> None:
    repl = await open_repl(host=EchoHost(lambda prompt: None))
    result = await repl("llm_query('p', type=bool)")
    assert result.error_type == "SubcallError"
    assert (await repl("bool(llm_query('p'))")).result == "False"
    result = await repl("llm_query_batched(['p'], type=bool)")
    assert result.result == "[<sub-call failed: no luck>]"


async def test_types_that_cannot_be_asked_for_are_told_in_the_cell(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    for code, said in {
        "llm_query('p', type=bool, choices=['a'])": "give one of type, choices, regex and schema",
        "llm_query('p', type=len)": "cannot be asked for as JSON",
        "llm_query('p', type=['a'])": "type: ['a'] cannot be asked for",
    }.items():
        result = await repl(code)
        assert said in (result.error or ""), code
        assert not result.restarted


async def test_what_a_validator_breaks_is_a_failure_of_its_item(open_repl: OpenRepl) -> None:
    code = """
    from dataclasses import dataclass

    @dataclass
    class Share:
        of: int

        def __post_init__(self):
            self.part = 1 / self.of

    llm_query_batched(['{"of": 0}', '{"of": 2}'], type=Share)
    """
    repl = await open_repl(host=EchoHost(same))
    result = await repl(textwrap.dedent(code))
    assert result.error is None
    assert "ZeroDivisionError: division by zero" in (result.result or "")
    assert (result.result or "").endswith("Share(of=2)]")


OWN_ERROR = """
    from dataclasses import dataclass

    class Bad(Exception):
        pass

    @dataclass
    class Scored:
        score: int

        def __post_init__(self):
            if self.score < 0:
                raise Bad("negative")

    llm_query_batched(['{"score": 1}', '{"score": -1}', '{"score": 2}'], type=Scored)
    """


async def test_what_a_validator_raises_is_the_failure_of_its_own_item(open_repl: OpenRepl) -> None:
    repl = await open_repl(host=EchoHost(same))
    result = await repl(textwrap.dedent(OWN_ERROR))
    assert result.error is None
    shown = await repl("one, two, three = _\nprint(one, three)\ntwo.reason")
    assert shown.stdout == "Scored(score=1) Scored(score=2)\n"
    assert "Bad: negative" in (shown.result or "")
