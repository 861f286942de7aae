"""What goes to a vLLM server through Outlines, and what its refusals become."""

import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rlm_local.errors import ModelError, ModelUnavailable
from rlm_local.serving.chat_wire import ChatWire
from rlm_local.serving.structured import TypedChat, automaton_order, output_type
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.types import (
    Choices,
    Completion,
    Constraint,
    FinishReason,
    JsonSchema,
    Message,
    ModelRequest,
    Regex,
    Sampling,
    Usage,
)

REQUEST = ModelRequest((Message("user", "?"),), Sampling(10))
AGED = JsonSchema('{"properties": {"age": {"minimum": 3, "type": "integer"}}, "type": "object"}')


class Server:
    """Stands behind a `TypedChat`; says `text`, or fails."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.text = "yes"
        self.finish: FinishReason = "stop"
        self.failure: Exception | None = None
        self.chat = TypedChat(ChatWire("worker", "vllm", RatioTokenCounter()), self.send)

    async def send(self, request: ModelRequest, body: dict[str, Any]) -> Completion:
        self.bodies.append(body)
        if self.failure:
            raise self.failure
        return Completion(self.text, self.finish, Usage(), 0.0)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = Server()
    yield running
    await running.chat.aclose()


async def test_a_schema_travels_as_grammars_can_hold_it(server: Server) -> None:
    server.text = "[1, 1]"
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "array", "uniqueItems": True}}}
    await server.chat.complete(REQUEST, JsonSchema(json.dumps(schema)))
    assert server.bodies[0]["structured_outputs"] == {"json": {"type": "array", "items": {}}}


async def test_a_schema_whose_parts_are_known_leaves_no_room_for_white_space(
    server: Server,
) -> None:
    server.text = '{"age": 5}'
    await server.chat.complete(REQUEST, AGED)
    pattern = re.compile(server.bodies[0]["structured_outputs"]["regex"])
    assert pattern.fullmatch('{"age": 5}')
    assert not pattern.fullmatch('{"age":  5}')
    assert not pattern.fullmatch('{"age":\n5}')


async def test_what_was_never_promised_is_for_the_caller_to_check(server: Server) -> None:
    server.text = "[1, 1]"
    unique = JsonSchema('{"type": "array", "uniqueItems": true}')
    assert (await server.chat.complete(REQUEST, unique)).text == "[1, 1]"


@pytest.mark.parametrize(
    ("constraint", "text"),
    [(AGED, '{"age": "1"}'), (Choices(("no", "ja")), "yes"), (Regex("n"), "y")],
)
async def test_what_a_server_wrote_in_spite_of_its_promise_is_for_the_caller_to_check(
    server: Server, constraint: Constraint, text: str
) -> None:
    server.text = text
    assert (await server.chat.complete(REQUEST, constraint)).text == text
    server.finish = "length"
    assert (await server.chat.complete(REQUEST, constraint)).text == text


@pytest.mark.parametrize(
    ("words", "constraint", "said"),
    [
        ("Grammar error: unsupported minimum", AGED, r"a JSON schema \(because of: minimum\)"),
        ("xgrammar cannot compile this", AGED, r"a JSON schema \(one of: .*minimum"),
        ("invalid regex", Regex("a+"), r"cannot hold a reply to Regex\(pattern='a\+'\)"),
    ],
)
async def test_a_refused_constraint_is_named(
    server: Server, words: str, constraint: Constraint, said: str
) -> None:
    server.failure = ModelError(f"http://x answered 400: {words}", status=400)
    with pytest.raises(ModelError, match=said) as caught:
        await server.chat.complete(REQUEST, constraint)
    assert words in str(caught.value)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "failure",
    [
        ModelError("the prompt is too long", status=400),
        ModelUnavailable("busy with a schema", status=503),
    ],
)
async def test_other_refusals_stay_as_they_are(server: Server, failure: ModelError) -> None:
    server.failure = failure
    with pytest.raises(ModelError) as caught:
        await server.chat.complete(REQUEST, AGED)
    assert caught.value is failure


def test_an_automaton_is_ordered_by_pattern_or_by_schema() -> None:
    assert automaton_order(Regex("a|b")) == {"regex": "(a|b)"}
    assert automaton_order(Choices(("a.", "b"))) == {"regex": r"(a\.|b)"}
    assert json.loads(automaton_order(AGED)["schema"])["properties"] == {"age": {"type": "integer"}}


def test_what_is_no_schema_is_an_error_of_the_call() -> None:
    with pytest.raises(ModelError, match="not JSON"):
        output_type(JsonSchema("{"))


@pytest.mark.parametrize("kind", ["array", "object"])
def test_a_pattern_that_would_take_gigabytes_is_never_made(kind: str) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(24):
        schema = {"type": kind, "items" if kind == "array" else "additionalProperties": schema}
    begun = time.process_time()
    asked = output_type(JsonSchema(json.dumps(schema)))
    assert type(asked).__name__ == "JsonSchema"
    assert time.process_time() - begun < 1
