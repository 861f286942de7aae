"""A Model that replies from a list: for demos and tests.

Counts tokens by a ratio, waits for nothing, and holds no constraint by itself.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from rlm_local.capacity import FixedServer
from rlm_local.errors import ModelError
from rlm_local.interfaces import Server, TokenCounter
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.types import Completion, ModelRequest, Usage

__all__ = ["Reply", "ScriptedModel"]

Reply: TypeAlias = str | Callable[[ModelRequest], str]
"""A reply, or what makes it from the request; it may raise to play a failing server."""


class ScriptedModel:
    """Gives its replies out in order. `requests` holds what it was asked."""

    def __init__(
        self,
        replies: Sequence[Reply],
        *,
        name: str = "scripted",
        context_tokens: int = 32_768,
        supports_prefill: bool = True,
        max_concurrency: int = 16,
    ) -> None:
        self.requests: list[ModelRequest] = []
        self._replies = tuple(replies)
        self._name = name
        self._context_tokens = context_tokens
        self._supports_prefill = supports_prefill
        self._server = FixedServer(f"scripted {name}", max_concurrency)
        self._tokens = RatioTokenCounter()

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    @property
    def digest(self) -> str:
        """The name: there are no weights."""
        return self._name

    @property
    def context_tokens(self) -> int:
        """As given; not enforced."""
        return self._context_tokens

    @property
    def server(self) -> Server:
        """This process; it takes `max_concurrency` at once, as given."""
        return self._server

    @property
    def supports_prefill(self) -> bool:
        """As given."""
        return self._supports_prefill

    @property
    def tokens(self) -> TokenCounter:
        """Four characters a token."""
        return self._tokens

    async def complete(self, request: ModelRequest) -> Completion:
        """The next reply.

        Raises:
            ModelError: the script is exhausted; quotes the request that came too much.
        """
        self.requests.append(request)
        if len(self.requests) > len(self._replies):
            asked = request.messages[-1].content if request.messages else ""
            raise ModelError(
                f"{self._name}: the script has {len(self._replies)} replies and this is request "
                f"{len(self.requests)}: {asked!r:.200}"
            )
        reply = self._replies[len(self.requests) - 1]
        text = reply if isinstance(reply, str) else reply(request)
        usage = Usage(
            prompt_tokens=sum(self._tokens.count(item.content) for item in request.messages),
            completion_tokens=self._tokens.count(text),
        )
        return Completion(text, "stop", usage, seconds=0.0)

    async def aclose(self) -> None:
        """Nothing to release."""
