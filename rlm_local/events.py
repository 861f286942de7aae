"""What a run writes down: one record a kind, in the order things happen.

`EVENT_KINDS` maps the `kind` tag to its record, for readers. A record holds plain values only
(text, numbers, tuples, dicts), so that `dataclasses.asdict` gives its JSON. Knows no file format.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from rlm_local.types import ContextFacts, Message, RunUsage, StopReason, Usage

__all__ = [
    "EVENT_KINDS",
    "CellRan",
    "CellStarted",
    "Event",
    "ExamplesShown",
    "GuardFired",
    "HistoryCompacted",
    "Notice",
    "RootReplied",
    "RunEnded",
    "RunStarted",
    "SubcallDone",
    "SubcallsStarted",
    "TurnStarted",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stamp:
    """Fields every event has."""

    run_id: str
    parent_run_id: str | None = None
    depth: int = 0
    time_s: float = 0.0
    """Unix time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(_Stamp):
    """A question over a context; the context itself is named by its hash."""

    kind: ClassVar[str] = "run_started"
    question: str
    mode: str
    stack: str
    profile: str
    context: ContextFacts
    limits: dict[str, float | int | None] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    """Role -> digest of the weights."""
    versions: dict[str, str] = field(default_factory=dict)
    sandbox: dict[str, str] = field(default_factory=dict)
    """How cells are confined: `policy`, `level`, each property, each layer as `layer.NAME`."""
    seed: int | None = None
    agreement: int = 1
    """Samples of the root whose answers are counted; each is a run of its own below this one."""
    resumed_from: str | None = None
    """Path of the trace whose run this one goes on with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted(_Stamp):
    """The root is asked. Only messages not sent before are written; history is append-only."""

    kind: ClassVar[str] = "turn_started"
    turn: int
    attempt: int
    n_messages_before: int
    new_messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RootReplied(_Stamp):
    """The root's reply, whole."""

    kind: ClassVar[str] = "root_replied"
    turn: int
    attempt: int
    reply: str
    finish_reason: str
    usage: Usage
    seconds: float
    key: str = ""
    """Names the request, as `engine.result_keys` does; by it the reply is found when resuming."""
    replayed: bool = False
    """Taken from the trace of the run that is resumed; the root was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFired(_Stamp):
    """A guard stopped a reply or a cell, or noted something about it."""

    kind: ClassVar[str] = "guard_fired"
    turn: int
    guard: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStarted(_Stamp):
    """A cell goes to the REPL."""

    kind: ClassVar[str] = "cell_started"
    turn: int
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRan(_Stamp):
    """What a cell gave; texts as shown to the root."""

    kind: ClassVar[str] = "cell_ran"
    turn: int
    stdout: str
    stdout_chars: int
    result: str | None
    error: str | None
    final: str | None
    seconds: float
    host_wait_s: float
    interrupted: bool
    restarted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubcallsStarted(_Stamp):
    """A batch of prompts goes to the worker; `duplicates` are sent once."""

    kind: ClassVar[str] = "subcalls_started"
    batch: int
    prompts: int
    duplicates: int
    preamble: tuple[Message, ...] = ()
    """What stands before each prompt: a system text, worked turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubcallDone(_Stamp):
    """One prompt of a batch is answered or has failed for good."""

    kind: ClassVar[str] = "subcall_done"
    batch: int
    item: int
    prompt: str
    reply: str | None
    error: str | None
    usage: Usage
    seconds: float
    attempts: int
    cached: bool
    """Answered from an identical prompt, without asking the worker."""
    key: str = ""
    """Names the request, as `engine.result_keys` does; by it the reply is found when resuming."""
    origin: Literal["worker", "run", "beside", "disk", "trace"] = "worker"
    """Whose reply it is: the worker's now, one of this run, of a run beside it that asked the same
    meanwhile, of the result cache, or of the run that is resumed (whose usage is told again)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplesShown(_Stamp):
    """Which worked examples the root was shown, picked by the kind of the question."""

    kind: ClassVar[str] = "examples_shown"
    question_kind: str
    """What the question was taken for; "" where no rule knows it."""
    coverage: str
    """`shown`: one of the same kind; `near`: of another; `uncovered`: the kind is not known."""
    examples: tuple[str, ...]
    """Their kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCompacted(_Stamp):
    """The window was nearly full; older turns were replaced by one summary, in one step."""

    kind: ClassVar[str] = "history_compacted"
    turn: int
    tokens_before: int
    tokens_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(_Stamp):
    """Something a person reading the trace should know: a limit, a retry, a warning."""

    kind: ClassVar[str] = "notice"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(_Stamp):
    """The end of a run, with what it cost."""

    kind: ClassVar[str] = "run_ended"
    answer: str
    stop_reason: StopReason
    turns: int
    subcalls: int
    cached_subcalls: int
    seconds: float
    usage: RunUsage
    error: str | None = None


Event: TypeAlias = (
    RunStarted
    | TurnStarted
    | RootReplied
    | GuardFired
    | CellStarted
    | CellRan
    | ExamplesShown
    | SubcallsStarted
    | SubcallDone
    | HistoryCompacted
    | Notice
    | RunEnded
)

EVENT_KINDS: dict[str, type[Event]] = {
    record.kind: record
    for record in (
        RunStarted,
        TurnStarted,
        RootReplied,
        GuardFired,
        CellStarted,
        CellRan,
        ExamplesShown,
        SubcallsStarted,
        SubcallDone,
        HistoryCompacted,
        Notice,
        RunEnded,
    )
}
