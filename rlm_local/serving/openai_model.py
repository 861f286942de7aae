"""A Model behind any OpenAI-shaped endpoint, vLLM included.

Constraints: a vLLM server gets them through Outlines and enforces them; any other server is asked
by JSON schema and in words, and whoever asks checks what it wrote. Retries nothing and queues
nothing: that is the scheduler's work.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from rlm_local.errors import (
    ConfigError,
    ModelError,
    ModelRestarting,
    ModelUnavailable,
    ServerError,
)
from rlm_local.interfaces import Server, TokenCounter
from rlm_local.serving.chat_wire import SCORE_KEYS, ChatWire, Dialect
from rlm_local.serving.constraints import check_constraint, text_that_fits
from rlm_local.serving.endpoint import Endpoint, Transport
from rlm_local.serving.one_token_choices import OneTokenChoices
from rlm_local.serving.structured import TypedChat
from rlm_local.types import Choices, Completion, Constraint, Json, ModelRequest

__all__ = ["Endpoint", "EndpointFacts", "OpenAIModel", "probe"]

CHAT = "chat/completions"
PROBE_TIMEOUT_S = 20.0


@dataclass(slots=True)
class OpenAIModel:
    """One model name at one endpoint. Connections open at the first request."""

    endpoint: Endpoint
    _: KW_ONLY
    digest: str
    context_tokens: int
    server: Server
    tokens: TokenCounter
    dialect: Dialect
    chat_template_kwargs: Mapping[str, Json] = field(default_factory=dict)
    priority_scheduling: bool = False
    """Whether the server was started with `--scheduling-policy priority` (dialect "vllm")."""
    timeout_s: float = 1800.0
    """For one whole request; a long prefill on a CPU takes minutes."""
    failure: Callable[[], ServerError | ModelRestarting | None] = lambda: None
    """Of a server of ours: why it is no more, or not now. Asked when it does not answer."""
    _wire: ChatWire = field(init=False, repr=False)
    _transport: Transport = field(init=False, repr=False)
    _typed: TypedChat = field(init=False, repr=False)
    _one_token: OneTokenChoices = field(init=False, repr=False)
    _knows_schemas: bool = field(init=False, repr=False, default=True)
    _knows_scores: bool = field(init=False, repr=False, default=True)

    def __post_init__(self) -> None:
        self._wire = ChatWire(
            self.endpoint.model,
            self.dialect,
            self.tokens,
            self.chat_template_kwargs,
            self.priority_scheduling,
        )
        # How many are in flight is decided before; a second limit here would only hide it.
        self._transport = Transport(self.endpoint, max_connections=0, timeout_s=self.timeout_s)
        self._typed = TypedChat(self._wire, self._send)
        self._one_token = OneTokenChoices(self._typed.complete)

    @property
    def name(self) -> str:
        """The name requests carry."""
        return self.endpoint.model

    @property
    def supports_prefill(self) -> bool:
        """Only vLLM is known to continue an assistant message."""
        return self.dialect == "vllm"

    async def complete(self, request: ModelRequest) -> Completion:
        """One reply; see `interfaces.Model`."""
        if request.continue_final and not self.supports_prefill:
            raise ModelError(f"{self.name}: this endpoint cannot continue an assistant message")
        if request.constraint is None:
            return await self._send(request, self._wire.body(request))
        constraint = request.constraint
        check_constraint(constraint)
        if self.dialect != "vllm":
            return await self._ask_for(request, constraint)
        if request.wants_scores and isinstance(constraint, Choices):
            return await self._one_token.complete(request, constraint)
        return await self._typed.complete(request, constraint)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._typed.aclose()
        await self._transport.aclose()

    async def _send(self, request: ModelRequest, body: dict[str, Any]) -> Completion:
        """A reply; without log-probabilities where the server does not take their keys."""
        if SCORE_KEYS.isdisjoint(body):
            return await self._post(request, body)
        plain = {key: value for key, value in body.items() if key not in SCORE_KEYS}
        if not self._knows_scores:
            return await self._post(request, plain)
        try:
            return await self._post(request, body)
        except ModelError as error:
            if error.status not in (400, 422):
                raise
            completion = await self._post(request, plain)
            self._knows_scores = False  # without them the same request went through
            return completion

    async def _post(self, request: ModelRequest, body: dict[str, Any]) -> Completion:
        started = time.perf_counter()
        try:
            reply = await self._transport.post(CHAT, body, self._wire.headers(request))
        except ModelUnavailable as error:
            if gone := self.failure():  # it says more: no retry, or one that waits
                raise gone from error
            raise
        return self._wire.completion(request, reply, seconds=time.perf_counter() - started)

    async def _ask_for(self, request: ModelRequest, constraint: Constraint) -> Completion:
        """The reply of a server that may know JSON schemas, or may not: it fits where it can."""
        with_schema = self._knows_schemas
        try:
            body = self._wire.asking_body(request, constraint, with_schema=with_schema)
            completion = await self._send(request, body)
        except ModelError as error:
            if not with_schema or error.status not in (400, 422):
                raise
            body = self._wire.asking_body(request, constraint, with_schema=False)
            completion = await self._send(request, body)
            self._knows_schemas = False  # without it the same request went through
        text = text_that_fits(completion.text, constraint)
        return completion if text is None else replace(completion, text=text)


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """What an endpoint says of itself."""

    dialect: Dialect
    context_tokens: int | None
    """The window of the model asked for, where the server tells it."""
    models: tuple[str, ...]
    """Names it serves; empty when it does not list them."""


async def probe(endpoint: Endpoint) -> EndpointFacts:
    """Ask an endpoint what it is, with `GET models`.

    Raises:
        ModelUnavailable: it cannot be reached.
        ModelError: it answers with something else than a listing.
        ConfigError: no URL; it refuses the key; or it does not serve the model (names those it
            does).
    """
    transport = Transport(endpoint, max_connections=1, timeout_s=PROBE_TIMEOUT_S)
    try:
        listing = (await transport.get("models")).get("data")
    except ModelError as error:
        if error.status in (401, 403):
            raise ConfigError(f"{error}; give the endpoint's key") from error
        if error.status not in (404, 405):
            raise
        return EndpointFacts("openai", None, ())  # the listing is optional; chat is not
    finally:
        await transport.aclose()
    entries = (
        [item for item in listing if isinstance(item, dict)] if isinstance(listing, list) else []
    )
    return _facts(endpoint, entries)


def _facts(endpoint: Endpoint, entries: list[dict[str, Any]]) -> EndpointFacts:
    names = tuple(str(entry.get("id")) for entry in entries)
    if names and endpoint.model not in names:
        raise ConfigError(
            f"{endpoint.shown_url} does not serve {endpoint.model!r}; it serves {', '.join(names)}"
        )
    mine = next((entry for entry in entries if entry.get("id") == endpoint.model), {})
    window = mine.get("max_model_len")
    return EndpointFacts(
        "vllm" if mine.get("owned_by") == "vllm" else "openai",
        window if isinstance(window, int) and window > 0 else None,
        names,
    )
