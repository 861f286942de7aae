"""Frozen values that cross module borders: no behaviour beyond addition and small properties."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = [
    "Answer",
    "CallMode",
    "CellCall",
    "CellReply",
    "CellResult",
    "Choices",
    "Completion",
    "Constraint",
    "ContextFacts",
    "ContextSlice",
    "DocumentSpan",
    "FinishReason",
    "Json",
    "JsonSchema",
    "Limits",
    "Message",
    "ModelRequest",
    "Passage",
    "Regex",
    "ReplyStyle",
    "Role",
    "RunMode",
    "RunUsage",
    "Sampling",
    "StopReason",
    "SubcallOutcome",
    "TokenCount",
    "Usage",
]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "other"]
ReplyStyle = Literal["prefill", "fence", "json", "tool"]
"""How a root replies; see `docs/architecture.md`, "Root turns"."""
RunMode = Literal["auto", "rlm", "direct"]
CallMode = Literal["rlm", "direct"]
StopReason = Literal[
    "answered",  # the root called FINAL in one of its spellings
    "direct",  # the whole context fitted the root's window and went straight to it
    "forced",  # turns ran out; the answer was asked for in one last, constrained reply
    "max_turns",
    "max_subcalls",
    "max_tokens",
    "max_seconds",
    "error",  # a part of ours or a server broke; the answer, if any, is partial
    "interrupted",
]


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Knobs of one model call. `None` leaves the server's default."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """The reply must be one of these texts."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Regex:
    """The whole reply must match this pattern."""

    pattern: str


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The reply must be JSON that fits this schema.

    `schema` is JSON text with sorted keys, but for properties: replies have them in that order.
    """

    schema: str


Constraint: TypeAlias = Choices | Regex | JsonSchema


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a model.

    With `continue_final`, the last message is the assistant's and the model continues it: the
    completion holds only what was added. For models whose `supports_prefill` is true.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    constraint: Constraint | None = None
    continue_final: bool = False
    priority: int = 0
    """Lower is served earlier, where the server has such a queue."""
    cache_salt: str | None = None
    """Requests with different salts share nothing in the server's prefix cache."""
    session: str | None = None
    """Requests with the same one are best answered by the same replica, behind a router."""
    wants_scores: bool = False
    """Whether `Completion.scores` is wanted, of a request whose constraint is `Choices`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more calls; adds with `+`. `cached_tokens` is part of `prompt_tokens`."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    @property
    def total_tokens(self) -> int:
        """Prompt and completion tokens together; what a token budget counts."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def prefix_hit_rate(self) -> float | None:
        """Part of the prompt tokens that came from the prefix cache; None without a prompt."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else None


@dataclass(frozen=True, slots=True)
class RunUsage:
    """Tokens of a run by role, child runs included."""

    root: Usage = field(default_factory=Usage)
    worker: Usage = field(default_factory=Usage)

    def __add__(self, other: "RunUsage") -> "RunUsage":
        return RunUsage(self.root + other.root, self.worker + other.worker)


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply of a model. `seconds` is wall time from sending to the last token."""

    text: str
    finish_reason: FinishReason
    usage: Usage
    seconds: float
    scores: Mapping[str, float] = field(default_factory=dict)
    """Log-probabilities of the choices, those that are known; empty where the model tells none."""


@dataclass(frozen=True, slots=True)
class TokenCount:
    """A number of tokens, and whether it was counted or estimated from samples."""

    tokens: int
    exact: bool


@dataclass(frozen=True, slots=True)
class DocumentSpan:
    """Where one document's text lies in the context file, header line not included.

    Characters are code points of the decoded file; bytes are UTF-8 offsets. Ends are exclusive.
    """

    name: str
    start_char: int
    end_char: int
    start_byte: int
    end_byte: int


@dataclass(frozen=True, slots=True)
class ContextSlice:
    """A part of the mapped context file, in characters; what a child run sees."""

    start_char: int
    end_char: int


@dataclass(frozen=True, slots=True)
class ContextFacts:
    """What is known of a context without reading it again; goes into prompt, trace and answer."""

    chars: int
    bytes: int
    lines: int
    tokens: TokenCount
    documents: int
    sha256: str
    """Of the mapped file's bytes, lower-case hex."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One hit of a full-text search. `score` is BM25: comparable within one search only."""

    document: str
    start_char: int
    end_char: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class CellCall:
    """What a running cell asks of the host. `texts` carries long strings such as prompts.

    fn and the arguments each takes, besides `texts`:
      llm_query   texts = prompts; choices?: list[str], regex?: str, schema?: object,
                  max_tokens?: int; before each prompt: system?: str and worked turns,
                  shots?: list[[asked, replied]]; scores?: bool: outcomes are JSON,
                  {"value": the choice, "scores": {choice: its log-probability, where known}}
      rlm_query   has_context: bool; slices: list. Without contexts: texts = questions, slices = [].
                  With: one slice a question, [start, end] in characters of the mapped file, or
                  None where the context's text stands in texts right after its question
      search      texts = [query]; k: int
    """

    fn: Literal["llm_query", "rlm_query", "search"]
    args: dict[str, Json]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubcallOutcome:
    """What became of one item of a batch: `text`, or the reason it failed for good."""

    text: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CellReply:
    """What the host answers a `CellCall`.

    outcomes: one an item, in order, for llm_query and rlm_query.
    passages: hits, best first, for search.
    notes: short lines the cell prints, such as a prompt that was cut to the worker's window.
    refusal: set when the whole call was refused; raised in the cell as a RuntimeError.
    """

    outcomes: tuple[SubcallOutcome, ...] = ()
    passages: tuple[Passage, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class CellResult:
    """What running one cell gave.

    Texts are cut to the output cap in the middle, the true length told in the text; `error` is a
    traceback (or the reason a cell was stopped) fit to show to the root.
    `final` is the answer, when the cell finished the run.
    `restarted` means the process had to go: `lost_names` are gone, the context is there again.
    """

    stdout: str
    stdout_chars: int
    result: str | None
    error: str | None
    error_type: str | None
    final: str | None
    seconds: float
    host_wait_s: float = 0.0
    """Part of `seconds` spent waiting for the host (sub-calls); the time limit leaves it out."""
    interrupted: bool = False
    restarted: bool = False
    lost_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may spend, `None`: no limit. A child run spends from its parent's budget too."""

    max_turns: int = 12
    max_subcalls: int | None = 10_000
    max_tokens: int | None = None
    max_seconds: float | None = None
    max_depth: int = 1
    """Levels of child runs; at the last one `rlm_query` becomes `llm_query`."""
    cell_timeout_s: float = 60.0
    cell_memory_bytes: int | None = None
    """Address space of the REPL process; `None`: 2 GiB and six times the context."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run gives back. `text` is "" only when there is no answer at all."""

    text: str
    stop_reason: StopReason
    mode: CallMode
    turns: int
    subcalls: int
    cached_subcalls: int
    seconds: float
    usage: RunUsage
    context: ContextFacts
    stack: str
    trace: str | None
    error: str | None = None
    """Why the run stopped early, when it did."""
    sandbox: str = "off"
    """The policy asked for; `off` is stamped into every result."""
    sandbox_level: str = "off"
    """What that came to on this machine: `full`, `standard`, `sealed` or `off`."""
