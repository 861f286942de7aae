"""What one run knows while it lasts. State and small questions about it; takes no step."""

from dataclasses import dataclass, field

from rlm_local.config import RunConfig
from rlm_local.engine.budget import Budget
from rlm_local.engine.child_rooms import ChildRooms
from rlm_local.engine.guards import RunView
from rlm_local.engine.history import History
from rlm_local.engine.journal import Journal
from rlm_local.engine.models import Models
from rlm_local.engine.observations import is_evidence, shown
from rlm_local.engine.prompts import Profile, is_shown_whole
from rlm_local.engine.recording import RecordedRun, Recording
from rlm_local.engine.retry import RetryPolicy
from rlm_local.engine.scheduler import Scheduler
from rlm_local.engine.subcalls import Subcalls
from rlm_local.engine.syntax import assigned_names, normal_form
from rlm_local.interfaces import Clock, Context, EventSink, Interpreter, InterpreterPool
from rlm_local.types import CellResult, RunMode

__all__ = ["Findings", "Parts", "Repl", "Run", "Task"]

_EVIDENCE_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Parts:
    """What all runs of an engine share."""

    models: Models
    profile: Profile
    config: RunConfig
    sink: EventSink
    clock: Clock
    policy: RetryPolicy


@dataclass(frozen=True, slots=True)
class Task:
    """One question and where it is asked: what a run is started with.

    Attributes:
        child_rooms: where child runs of the whole tree wait for room.
        recording: the trace of the run that is resumed.
        recorded: this run's own part of it.
    """

    question: str
    context: Context
    pool: InterpreterPool | None
    mode: RunMode
    budget: Budget
    journal: Journal
    scheduler: Scheduler
    child_rooms: ChildRooms
    recording: Recording | None = None
    recorded: RecordedRun | None = None


@dataclass(slots=True)
class Findings:
    """What cells have shown so far.

    Attributes:
        cells_run: normal forms of the cells that ran.
        names: what they assigned.
        evidence: everything shown, oldest first.
        latest: the last output that says something; the answer of a run that is cut off.
    """

    cells_run: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    evidence: list[str] = field(default_factory=list)
    latest: str = ""

    def note(self, code: str, result: CellResult) -> None:
        """Take in one cell."""
        self.cells_run.add(normal_form(code))
        self.names.update(assigned_names(code))
        if result.restarted:
            self.names.clear()
            self.cells_run.clear()
        if is_evidence(result):
            self.evidence.append(shown(result, _EVIDENCE_CHARS))
            self.latest = (result.result or "").strip() or result.stdout.strip()


@dataclass(slots=True)
class Repl:
    """A run's REPL, and what its cells have shown; the root need not have been asked yet."""

    parts: Parts
    task: Task
    interpreter: Interpreter
    host: Subcalls
    findings: Findings = field(default_factory=Findings)

    @property
    def budget(self) -> Budget:
        """This run's ledger."""
        return self.task.budget

    @property
    def journal(self) -> Journal:
        """Where this run writes."""
        return self.task.journal


@dataclass(slots=True, kw_only=True)
class Run(Repl):
    """One run under way: a REPL and what the root was told and replied.

    Attributes:
        examples: the worked examples the root was shown, as one text.
        told: what it was told of the text, examples left out.
        labels: names that the text's lines can be labelled with.
        repeats: turns in a row in which the root only repeated itself.
    """

    history: History
    examples: str = ""
    told: str = ""
    labels: tuple[str, ...] = ()
    repeats: int = 0

    def __post_init__(self) -> None:
        """A context that stands in the first message whole is evidence from the start."""
        if is_shown_whole(self.task.context):
            self.findings.evidence.append(self.told)

    def view(self) -> RunView:
        """What guards may know."""
        return RunView(
            question=self.task.question,
            cells_run=frozenset(self.findings.cells_run),
            evidence="\n".join(self.findings.evidence),
            examples=self.examples,
            told=self.told,
            labels=self.labels,
            mends_form=self.parts.profile.first_look,
        )
