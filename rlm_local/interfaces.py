"""The seams: what the parts of rlm_local ask of each other. Read this file first.

Each Protocol says who implements it. Holds no implementation.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rlm_local.capacity import ServerLoad
from rlm_local.events import Event
from rlm_local.types import (
    CellCall,
    CellReply,
    CellResult,
    Completion,
    ContextFacts,
    ContextSlice,
    DocumentSpan,
    ModelRequest,
    Passage,
)

__all__ = [
    "CellHost",
    "Clock",
    "Context",
    "EventSink",
    "Interpreter",
    "InterpreterPool",
    "Model",
    "ResultCache",
    "Server",
    "TokenCounter",
]


class TokenCounter(Protocol):
    """Counts tokens of one model. Implemented by `serving.tokenizer`; pure and thread-safe."""

    @property
    def exact(self) -> bool:
        """False where no tokenizer is at hand and characters are divided by a usual ratio."""
        ...

    def count(self, text: str) -> int:
        """Tokens of `text`, special tokens not added. Never raises for any `str`."""
        ...


class Server(Protocol):
    """What answers the requests of one or more models: a capacity they share.

    Implemented by `serving.server_capacity`, `serving.replicas` and `capacity.FixedServer`.
    What is said may change while it is used.
    """

    @property
    def name(self) -> str:
        """Tells it from others; equal names are one server."""
        ...

    @property
    def sequences(self) -> int:
        """Requests it works on at once; the highest worth trying where that `is_certain` not."""
        ...

    @property
    def is_certain(self) -> bool:
        """Whether `sequences` is known and not guessed."""
        ...

    @property
    def has_priorities(self) -> bool:
        """Whether its own queue goes by `ModelRequest.priority`."""
        ...

    @property
    def kv_tokens(self) -> int | None:
        """Tokens its KV cache holds; None where it is not known."""
        ...

    async def load(self) -> ServerLoad | None:
        """What it is doing now; None where it does not tell. Does not raise."""
        ...


class Model(Protocol):
    """A language model that answers chat requests.

    Implemented by `serving.openai_model` (any OpenAI-shaped endpoint, vLLM included),
    `serving.transformers_model` (in process) and `serving.scripted_model` (a list of replies).
    """

    @property
    def name(self) -> str:
        """The name requests carry, such as "root"."""
        ...

    @property
    def digest(self) -> str:
        """Identifies the weights: a hash where we know them, else the endpoint's model name."""
        ...

    @property
    def context_tokens(self) -> int:
        """Prompt and completion together must fit this many tokens."""
        ...

    @property
    def server(self) -> "Server":
        """What answers, and how much of it there is; models of one server share its name."""
        ...

    @property
    def supports_prefill(self) -> bool:
        """Whether `ModelRequest.continue_final` is understood."""
        ...

    @property
    def tokens(self) -> TokenCounter:
        """The counter for this model's tokenizer."""
        ...

    async def complete(self, request: ModelRequest) -> Completion:
        """One reply, of the constraint's form where there is one.

        vLLM and transformers hold it unless `finish_reason` is "length"; other servers are asked
        for it and may not: whoever asks must check.

        Cancelling the task cancels the request at the server.

        Raises:
            ModelUnavailable: busy, restarting, unreachable, timed out; worth a retry.
            ModelError: refused (with the server's words), or the reply is not of the right shape.
        """
        ...

    async def aclose(self) -> None:
        """Release connections or memory. Safe to call twice."""
        ...


class Context(Protocol):
    """The text of a run, on the host's side. Implemented by `context.mapped_file`.

    Never holds the whole text as a `str`; all offsets are characters unless they say bytes.
    """

    @property
    def facts(self) -> ContextFacts:
        """Sizes, token count and hash."""
        ...

    @property
    def documents(self) -> Sequence[DocumentSpan]:
        """The documents in order; empty when the context is one text."""
        ...

    def fileno(self) -> int:
        """A descriptor of the UTF-8 file, open while the context is; read by pread or mmap only."""
        ...

    def head(self, n_chars: int) -> str:
        """The first characters, at most `n_chars`."""
        ...

    def tail(self, n_chars: int) -> str:
        """The last characters, at most `n_chars`."""
        ...

    def read(self, part: ContextSlice) -> str:
        """The text of one slice; costs its own size, not the file's."""
        ...

    async def search(self, query: str, k: int) -> tuple[Passage, ...]:
        """BM25 over passages, best first; builds the index at first use, in a thread."""
        ...

    def close(self) -> None:
        """Unmap and remove what the context made on disk. Safe to call twice."""
        ...


class CellHost(Protocol):
    """What a running cell can reach. Implemented by `engine.subcalls`."""

    async def call(self, call: CellCall) -> CellReply:
        """Serve one call of a cell. Several may be under way at once.

        Failures of single items are outcomes, refusals of a whole call are `CellReply.refusal`;
        raises only what must end the run (`RunError`).
        """
        ...


class Interpreter(Protocol):
    """One REPL over one context. Implemented by `sandbox.worker_process`.

    Variables persist between cells, also after a cell that raised.
    """

    async def run(self, code: str, host: CellHost, *, timeout_s: float) -> CellResult:
        """Run one cell. The time limit does not run while the cell waits for the host.

        On expiry the cell is interrupted; if that does not help the process is killed and a new
        one started over the same context (`CellResult.restarted`). Cancelling does the same.

        Raises:
            SandboxError: the process cannot be kept alive (too many restarts, protocol broken).
        """
        ...

    async def aclose(self) -> None:
        """Kill the process and wait for it. Safe to call twice."""
        ...


class InterpreterPool(Protocol):
    """Starts REPLs over one context; the text is decoded once and shared copy-on-write.

    Implemented by `sandbox.zygote_pool`.
    """

    async def start(
        self, *, part: ContextSlice | None = None, text: str | None = None
    ) -> Interpreter:
        """A fresh REPL whose `context` is the whole text, a slice of it, or a text of its own.

        Raises:
            SandboxUnavailable: this machine cannot confine it as the policy asks.
        """
        ...

    async def aclose(self) -> None:
        """Kill every process of the pool and wait for them. Safe to call twice."""
        ...


class EventSink(Protocol):
    """Takes a run's events as they happen. Implemented by `trace.jsonl` and `cli.progress`."""

    def emit(self, event: Event) -> None:
        """Write one event down; must not raise and must not block for long."""
        ...


class ResultCache(Protocol):
    """Replies of earlier runs by key, kept beyond the process. Implemented by `results.disk_cache`.

    A key names everything that decides a reply (`engine.result_keys`). Neither method raises:
    what cannot be read is not known, what cannot be written is not kept.
    """

    async def get(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        """The replies known, by key; never blocks the event loop."""
        ...

    def put(self, key: bytes, reply: str) -> None:
        """Keep one reply; returns at once."""
        ...


class Clock(Protocol):
    """Monotonic time, so that tests can turn it by hand."""

    def now_s(self) -> float:
        """Seconds since an arbitrary moment."""
        ...
