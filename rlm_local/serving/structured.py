"""Typed replies through Outlines: one layer for vLLM servers and for in-process models.

`TypedChat` asks a vLLM server (the server masks tokens); `token_vocabulary` and `token_mask` are
the two ends of an automaton for an in-process model (Outlines masks them), which
`compiled_constraints` builds and keeps. Whether a text fits is `typed.fitting`'s judgement.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

from rlm_local.errors import ModelError
from rlm_local.serving.chat_wire import ChatWire
from rlm_local.serving.grammar_schemas import automaton_schema, has_open_parts, server_schema
from rlm_local.serving.pattern_sizes import pattern_chars
from rlm_local.typed.schema_limits import children
from rlm_local.typed.schemas import parsed_schema
from rlm_local.types import Choices, Completion, Constraint, Json, JsonSchema, ModelRequest, Regex

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = [
    "Automaton",
    "TypedChat", "automaton_order", "output_type", "preload", "token_mask", "token_vocabulary",
]  # fmt: skip

OutlinesModel: TypeAlias = Any  # Outlines ships no types
OutlinesType: TypeAlias = Any
LogitsProcessor: TypeAlias = Any
Module: TypeAlias = Any

Send = Callable[[ModelRequest, dict[str, Any]], Awaitable[Completion]]
"""Sends one body for a request and reads the reply; raises ModelError."""

_ONE_SPACE = " ?"
_LONGEST_PATTERN = 20_000

_request: ContextVar[ModelRequest] = ContextVar("request")
_completion: ContextVar[Completion] = ContextVar("completion")


class TypedChat:
    """Constrained chat requests to one vLLM server through `outlines.from_vllm`."""

    def __init__(self, wire: ChatWire, send: Send) -> None:
        self._wire = wire
        self._send = send
        self._client: AsyncOpenAI | None = None
        self._model: OutlinesModel | None = None
        self._opening = asyncio.Lock()

    async def complete(self, request: ModelRequest, constraint: Constraint) -> Completion:
        """One reply, which the server holds to the constraint until it runs out of tokens.

        Of a JSON schema it holds what grammars can. The caller checks: not every server does.

        Raises:
            ModelUnavailable: worth a retry.
            ModelError: refused, with the keyword where it was the schema's fault.
        """
        model = self._model or await self._open()
        from outlines.exceptions import APIError
        from outlines.inputs import Chat

        _request.set(request)
        try:
            await model.generate(
                Chat(self._wire.messages(request)),
                _term(constraint),
                extra_body=self._wire.vllm_settings(request),
                **self._wire.settings(request),
            )
        except APIError as error:  # Outlines wraps whatever has a status
            raise _explained(error.original_exception or error, constraint) from None
        return _completion.get()

    async def aclose(self) -> None:
        """Close the client. Safe to call twice."""
        client, self._client, self._model = self._client, None, None
        if client is not None:
            await client.close()

    async def _open(self) -> OutlinesModel:
        async with self._opening:
            if self._model is None:
                await preload()
                import outlines

                self._client = _client_over(_Completions(self._send))
                self._model = outlines.from_vllm(self._client, self._wire.model)
            return self._model


async def preload() -> None:
    """Import Outlines and the OpenAI client in a thread; they take a second or two."""
    await asyncio.to_thread(_import_outlines)


def output_type(constraint: Constraint) -> OutlinesType:
    """The constraint as Outlines spells it: a Literal, or a Regex or JsonSchema of its own.

    A schema becomes the pattern that an automaton is built of, where that is short: servers let
    a model write white space between the parts of JSON, and small ones then never stop.

    Raises:
        ModelError: Outlines does not take the schema; it reads each as draft 7, fetching nothing.
    """
    import jsonschema  # type: ignore[import-untyped]  # ships no types
    import outlines.types

    match constraint:
        case Choices(values):
            return Literal[values]
        case Regex(pattern):
            return outlines.types.Regex(pattern)
        case JsonSchema(schema):
            if (compact := _compact_pattern(schema)) is not None:
                return outlines.types.Regex(compact)
            try:
                return outlines.types.JsonSchema(server_schema(schema))
            except (jsonschema.SchemaError, ArithmeticError, ValueError, RecursionError) as error:
                first_line = str(error).partition("\n")[0]
                raise ModelError(f"cannot constrain a reply by its schema: {first_line}") from error
        case _:
            assert_never(constraint)


@functools.lru_cache(maxsize=64)
def _compact_pattern(schema: str) -> str | None:
    """What texts of a schema look like, at most one space between two parts.

    None for schemas that leave a part open, which no pattern holds at every depth, and for those
    whose pattern would be long: those are not tried, as a few levels can ask for gigabytes.
    """
    if has_open_parts(schema):
        return None
    written = automaton_schema(schema)
    if pattern_chars(written) > _LONGEST_PATTERN:
        return None
    from outlines_core.json_schema import build_regex_from_schema

    try:
        compact: str = build_regex_from_schema(written, _ONE_SPACE)
    except (ValueError, TypeError):
        return None
    return compact if len(compact) <= _LONGEST_PATTERN else None


def automaton_order(constraint: Constraint) -> dict[str, str]:
    """What `index_builder` makes an automaton of: a pattern or a JSON schema."""
    from outlines.types.dsl import to_regex

    if isinstance(constraint, JsonSchema):
        return {"schema": automaton_schema(constraint.schema)}
    return {"regex": to_regex(_term(constraint))}


def token_vocabulary(model: Module, tokenizer: Module) -> bytes:
    """The tokens of a model of transformers, as `index_builder` reads them."""
    import outlines
    from outlines.backends.outlines_core import OutlinesCoreBackend

    vocabulary = OutlinesCoreBackend(outlines.from_transformers(model, tokenizer)).vocabulary
    _, (data,) = vocabulary.__reduce__()  # it gives its bytes in no other way
    return bytes(data)


@dataclass(frozen=True, slots=True, eq=False)
class Automaton:
    """What each state allows of a model's tokens. `index` is Outlines' own, shared by batches."""

    index: Any
    n_bytes: int
    """In memory, about: twice of what it is written as."""

    @classmethod
    def of(cls, data: bytes) -> "Automaton":
        """One as `index_builder` wrote it."""
        from outlines_core import Index

        return cls(Index.from_binary(data), 2 * len(data))


def token_mask(automaton: Automaton) -> LogitsProcessor:
    """A logits processor for one batch."""
    from outlines.backends.outlines_core import OutlinesCoreLogitsProcessor

    return OutlinesCoreLogitsProcessor(automaton.index, "torch")


class _Completions:
    """The one method of the OpenAI client that Outlines calls, over our own connections.

    The client's own path costs 2.6 ms of processor time a request, this one a tenth: a batch of
    a thousand labels is bound by it. Besides, Outlines hands on only the text; the whole
    completion is kept for the caller, in whose context this runs.
    """

    def __init__(self, send: Send) -> None:
        self._send = send

    async def create(self, *, extra_body: dict[str, Json], **settings: Json) -> SimpleNamespace:
        """Send a chat request; returns what Outlines reads of a reply."""
        completion = await self._send(_request.get(), settings | extra_body)
        _completion.set(completion)
        message = SimpleNamespace(content=completion.text, refusal=None)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])


def _client_over(completions: _Completions) -> "AsyncOpenAI":
    import openai

    class Client(openai.AsyncOpenAI):
        @property
        def chat(self) -> SimpleNamespace:  # type: ignore[override]  # all that Outlines uses
            return SimpleNamespace(completions=completions)

    http_client = openai.DefaultAsyncHttpxClient(trust_env=False)
    # Neither is used: requests go over our own connections, with the endpoint's own key.
    return Client(api_key="unused", base_url="http://localhost", http_client=http_client)


_OF_GRAMMARS = ("grammar", "guid", "regex", "schema", "structured", "xgrammar")


def _explained(error: Exception, constraint: Constraint) -> Exception:
    """A refusal that is the constraint's fault says so, with the keyword the server names."""
    words = str(error).lower()
    if getattr(error, "status", None) != 400 or not any(word in words for word in _OF_GRAMMARS):
        return error
    asked = f"{constraint!r:.200}"
    if isinstance(constraint, JsonSchema):
        named = [key for key in _keywords(constraint.schema) if key.lower() in words]
        used = ", ".join(named or _keywords(constraint.schema))
        asked = f"a JSON schema ({'because of' if named else 'one of'}: {used})"
    return ModelError(f"the server cannot hold a reply to {asked}: {error}", status=400)


def _keywords(schema: str) -> list[str]:
    found: dict[str, None] = {}
    rest: list[object] = [parsed_schema(server_schema(schema))]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            found |= dict.fromkeys(key for key in part if key not in ("type", "properties"))
            rest += [inner for _, inner in children(part)]
    return sorted(found)


@functools.lru_cache(maxsize=64)
def _term(constraint: Constraint) -> OutlinesType:
    from outlines.types.dsl import python_types_to_terms

    return python_types_to_terms(output_type(constraint))


def _import_outlines() -> None:
    import openai  # noqa: F401
    import outlines  # noqa: F401
