"""Small stand-ins for the seams: a context in memory, a list of events, a clock turned by hand."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from rlm_local.capacity import FixedServer
from rlm_local.events import Event
from rlm_local.interfaces import (
    Clock,
    Context,
    EventSink,
    Model,
    ResultCache,
    Server,
    TokenCounter,
)
from rlm_local.types import (
    Completion,
    ContextFacts,
    ContextSlice,
    DocumentSpan,
    FinishReason,
    ModelRequest,
    Passage,
    TokenCount,
    Usage,
)

__all__ = [
    "Answerer",
    "CallableModel",
    "HandClock",
    "ListSink",
    "ScriptedRoot",
    "Shelf",
    "StringContext",
    "WordCounter",
    "completion",
    "echo",
]

EventT = TypeVar("EventT", bound=Event)


class WordCounter:
    """Counts one token for four characters, rounded up."""

    exact = True

    def count(self, text: str) -> int:
        """Tokens of `text`."""
        return (len(text) + 3) // 4


class HandClock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.time_s = 100.0

    def now_s(self) -> float:
        """The time it was turned to."""
        return self.time_s


class ListSink:
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Keep it."""
        self.events.append(event)

    def of(self, kind: type[EventT]) -> list[EventT]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]


class Shelf:
    """A result cache in memory."""

    def __init__(self) -> None:
        self.replies: dict[bytes, str] = {}

    async def get(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        """The replies known."""
        await asyncio.sleep(0)
        return {key: self.replies[key] for key in keys if key in self.replies}

    def put(self, key: bytes, reply: str) -> None:
        """Keep one reply."""
        self.replies[key] = reply


class StringContext:
    """A text in memory as a context, with `tokens` set at will."""

    def __init__(
        self, text: str, *, tokens: int | None = None, documents: Sequence[DocumentSpan] = ()
    ) -> None:
        self.text = text
        self.documents: Sequence[DocumentSpan] = documents
        self.searched: list[tuple[str, int]] = []
        data = text.encode()
        self.facts = ContextFacts(
            chars=len(text),
            bytes=len(data),
            lines=len(text.splitlines()),
            tokens=TokenCount(
                WordCounter().count(text) if tokens is None else tokens, exact=tokens is None
            ),
            documents=max(1, len(documents)),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    def fileno(self) -> int:
        """There is no file."""
        raise OSError("no file")

    def head(self, n_chars: int) -> str:
        """The first characters."""
        return self.text[:n_chars]

    def tail(self, n_chars: int) -> str:
        """The last characters."""
        return self.text[-n_chars:]

    def read(self, part: ContextSlice) -> str:
        """One slice."""
        return self.text[part.start_char : part.end_char]

    async def search(self, query: str, k: int) -> tuple[Passage, ...]:
        """Lines that hold any word of the query, in order."""
        self.searched.append((query, k))
        hits, at = [], 0
        for line in self.text.split("\n"):
            if any(word in line for word in query.split()):
                hits.append(Passage("context", at, at + len(line), line, 1.0))
            at += len(line) + 1
        return tuple(hits[:k])

    def close(self) -> None:
        """Nothing to release."""


def completion(
    text: str, *, finish: FinishReason = "stop", prompt_tokens: int = 10, completion_tokens: int = 5
) -> Completion:
    """A reply with usual counts."""
    return Completion(text, finish, Usage(prompt_tokens, 0, completion_tokens), 0.01)


Answerer = Callable[[ModelRequest], Awaitable[Completion]]


@dataclass
class CallableModel:
    """A model whose reply is what a function says."""

    answer: Answerer
    name: str = "worker"
    digest: str = "sha256:fake"
    context_tokens: int = 8000
    max_concurrency: int = 8
    kv_tokens: int | None = None
    supports_prefill: bool = True
    tokens: TokenCounter = field(default_factory=WordCounter)
    requests: list[ModelRequest] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    cancelled: int = 0

    @property
    def server(self) -> Server:
        """It takes `max_concurrency` at once, and holds `kv_tokens`."""
        return FixedServer(self.name, self.max_concurrency, kv_tokens=self.kv_tokens)

    async def complete(self, request: ModelRequest) -> Completion:
        """Count the request and answer it."""
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self.answer(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1

    async def aclose(self) -> None:
        """Nothing to release."""

    @property
    def prompts(self) -> list[str]:
        """The last message of every request."""
        return [request.messages[-1].content for request in self.requests]


def echo(prefix: str = "re: ") -> Answerer:
    """Answers with the prompt itself."""

    async def answer(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        return completion(prefix + request.messages[-1].content)

    return answer


def ScriptedRoot(  # noqa: N802  # reads as the class it stands in for
    *replies: str | Completion | Exception, **settings: object
) -> CallableModel:
    """A model that gives these replies in turn; an exception is raised; the last one repeats."""
    waiting = list(replies)

    async def answer(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(reply, Exception):
            raise reply
        return completion(reply) if isinstance(reply, str) else reply

    model = CallableModel(answer, name="root")
    for name, value in settings.items():
        setattr(model, name, value)
    return model


_context: type[Context] = StringContext
_sink: type[EventSink] = ListSink
_clock: type[Clock] = HandClock
_results: type[ResultCache] = Shelf
_model: type[Model] = CallableModel
