"""Typed replies through Outlines: one layer for vLLM servers and for in-process models.

`TypedChat` asks a vLLM server (the server masks tokens); `token_mask` gives the logits processor
of an in-process model (Outlines masks them). Checks nothing itself: `serving.constraints` does.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

from rlm_local.errors import ModelError
from rlm_local.serving.chat_wire import ChatWire
from rlm_local.serving.constraints import fits
from rlm_local.types import Choices, Completion, Constraint, Json, JsonSchema, ModelRequest, Regex

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["TypedChat", "output_type", "preload", "token_mask"]

OutlinesModel: TypeAlias = Any  # Outlines ships no types
OutlinesType: TypeAlias = Any
LogitsProcessor: TypeAlias = Any

Send = Callable[[ModelRequest, dict[str, Any]], Awaitable[Completion]]
"""Sends one body for a request and reads the reply; raises ModelError."""

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
        """One reply that satisfies the constraint unless it ran out of tokens.

        Raises:
            ModelUnavailable: worth a retry.
            ModelError: refused, or the server did not hold the constraint.
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
            raise error.original_exception or error from None
        completion = _completion.get()
        if completion.finish_reason != "length" and not fits(completion.text, constraint):
            raise ModelError(
                f"{self._wire.model}: the server did not hold the constraint "
                f"{constraint!r:.200}; it wrote {completion.text!r:.200}"
            )
        return completion

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
            try:
                return outlines.types.JsonSchema(schema)
            except (jsonschema.SchemaError, ArithmeticError, ValueError, RecursionError) as error:
                first_line = str(error).partition("\n")[0]
                raise ModelError(f"cannot constrain a reply by its schema: {first_line}") from error
        case _:
            assert_never(constraint)


def token_mask(outlines_model: OutlinesModel, constraint: Constraint) -> LogitsProcessor:
    """A logits processor for a model of `outlines.from_transformers`; seconds to build: keep it.

    Raises:
        ModelError: no automaton can be built from the constraint.
    """
    import outlines

    try:
        return outlines.Generator(outlines_model, output_type(constraint)).logits_processor
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ModelError(f"cannot constrain a reply by {constraint!r:.200}: {error}") from error


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


@functools.lru_cache(maxsize=256)
def _term(constraint: Constraint) -> OutlinesType:
    from outlines.types.dsl import python_types_to_terms

    return python_types_to_terms(output_type(constraint))


def _import_outlines() -> None:
    import openai  # noqa: F401
    import outlines  # noqa: F401
