"""What a trace has on record of a run that was killed, ready to be used again.

A reply is used again only for the very request it was given to, found by its key: so a run that
takes another course than before asks its models, and one that does not asks nothing twice.
Reads events; opens no file and asks no model.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from rlm_local.errors import UserError
from rlm_local.events import (
    CellRan,
    CellStarted,
    Event,
    ExamplesShown,
    GuardFired,
    HistoryCompacted,
    Notice,
    RootReplied,
    RunEnded,
    RunStarted,
    SubcallDone,
    SubcallsStarted,
    TurnStarted,
)
from rlm_local.types import (
    CellResult,
    Completion,
    ContextFacts,
    FinishReason,
    StopReason,
)

__all__ = ["RecordedRun", "Recording", "Replies"]

_WHOLE: frozenset[StopReason] = frozenset({"answered", "direct"})
_FINISHES: dict[str, FinishReason] = {"stop": "stop", "length": "length"}
_SHOWN_CHARS = 60


@dataclass(slots=True)
class RecordedRun:
    """One run of the trace, a child's too; used up while it is replayed.

    Attributes:
        has_repl: whether it was no direct answer.
        opening: the first message that told of context and question.
        replies_left: replies of the root that were not used again yet.
        is_live: whether the root was asked since.
        cells: code and outcome of each cell, in order; no outcome of one that was under way.
    """

    has_repl: bool = False
    opening: str | None = None
    replies_left: int = 0
    is_live: bool = False
    cells: deque[tuple[str, CellRan | None]] = field(default_factory=deque)

    def compare(self, code: str, result: CellResult) -> str | None:
        """Set a cell that has run again against its record.

        Returns:
            How it came out otherwise, in words, if it did; told once a run.
        """
        before_code, before = self.cells.popleft() if self.cells else ("", None)
        if before is None or code != before_code:
            return None
        for name in ("error", "final", "result", "stdout"):
            then, now = getattr(before, name), getattr(result, name)
            if then != now:
                self.cells.clear()
                return (
                    f"resume: a cell came out otherwise than before: {name} was "
                    f"{_around_difference(then, now)}, now is {_around_difference(now, then)}; "
                    "the run goes on from what is so now"
                )
        return None

    def tell_live(self) -> str:
        """What the first request that is not on record says of the replay."""
        self.is_live = True
        if not self.replies_left:
            return "resume: all that is on record was used; the run goes on"
        replies = "1 reply" if self.replies_left == 1 else f"{self.replies_left:,} replies"
        return f"resume: the root is asked otherwise than before; {replies} on record go unused"


@dataclass(slots=True)
class Replies:
    """What the worker replied to one request, failures of cells that ended first."""

    waiting: deque[SubcallDone] = field(default_factory=deque)

    @property
    def is_answered(self) -> bool:
        """Whether the last of them is an answer, after which nothing more is asked."""
        return bool(self.waiting) and self.waiting[-1].error is None

    def add(self, done: SubcallDone) -> None:
        """Put one on record."""
        if not self.is_answered:
            self.waiting.append(done)

    def take(self) -> SubcallDone | None:
        """The next; an answer stays."""
        if not self.waiting:
            return None
        return self.waiting[0] if self.waiting[0].error is None else self.waiting.popleft()


class Recording:
    """The last run of a trace and its child runs.

    Attributes:
        name: of the trace, for messages and the new trace.
        start: how the run began.
        end: how it ended, if it got there.
    """

    def __init__(self, name: str, start: RunStarted) -> None:
        self.name = name
        self.start = start
        self.end: RunEnded | None = None
        self._roots: defaultdict[str, deque[Completion]] = defaultdict(deque)
        self._workers: defaultdict[str, Replies] = defaultdict(Replies)
        self._runs: defaultdict[tuple[str, str], deque[RecordedRun]] = defaultdict(deque)

    @classmethod
    def of(cls, name: str, events: Iterable[Event]) -> "Recording":
        """Take in a trace.

        Raises:
            UserError: it holds no run, or one of a version that wrote no keys.
        """
        reader: _Reader | None = None
        for event in events:
            if isinstance(event, RunStarted) and event.parent_run_id is None:
                reader = _Reader(cls(name, event))
            if reader is not None:
                reader.read(event)
        if reader is None:
            raise UserError(f"cannot resume {name}: no run begins in it")
        return reader.recording

    def after(self, older: "Recording | None") -> "Recording":
        """This one, and what only the run it had resumed itself got to."""
        for key, replies in older._roots.items() if older else ():
            if len(replies) > len(self._roots[key]):
                self._roots[key] = replies
        for key, known in older._workers.items() if older else ():
            if not self._workers[key].is_answered:
                self._workers[key] = known
        for place, runs in older._runs.items() if older else ():
            own = self._runs[place]
            if sum(run.replies_left for run in runs) > sum(run.replies_left for run in own):
                self._runs[place] = runs
        return self

    def check_unfinished(self) -> None:
        """Make sure that there is something left to do.

        Raises:
            UserError: the run has its answer.
        """
        if self.end is not None and self.end.stop_reason in _WHOLE:
            raise UserError(
                f"nothing to resume: the run of {self.name} ended with an answer; "
                f"see `rlm-local trace show {self.name}`"
            )

    def check_question(self, question: str | None) -> None:
        """Make sure that no other question is asked.

        Raises:
            UserError: it is another; quotes both.
        """
        if question is not None and question.strip() != self.start.question:
            raise UserError(
                f"the run of {self.name} asks {self.start.question!r:.200}, not "
                f"{question.strip()!r:.200}; leave the question out, or ask anew without --resume"
            )

    def check_context(self, context: ContextFacts) -> None:
        """Make sure that it is the same text.

        Raises:
            UserError: it is another; names both hashes.
        """
        before = self.start.context
        if context.sha256 != before.sha256:
            raise UserError(
                f"cannot resume {self.name}: its run read another text: then sha256 "
                f"{before.sha256} ({before.chars:,} characters), now sha256 {context.sha256} "
                f"({context.chars:,} characters); give the same files in the same order"
            )

    def check_models(self, models: dict[str, str]) -> None:
        """Make sure that the same models are asked.

        Args:
            models: role -> digest.

        Raises:
            UserError: another model plays a role; names both.
        """
        for role, digest in models.items():
            before = self.start.models.get(role, digest)
            if _weights_of(digest) != _weights_of(before):
                raise UserError(
                    f"cannot resume {self.name}: its {role} was {before}, now it is {digest}; "
                    f"use stack {self.start.stack!r} as it was then, or ask anew without --resume"
                )

    def take_run(self, question: str, sha256: str) -> RecordedRun:
        """The record of a run of this question over this text; an empty one if there is none."""
        waiting = self._runs.get((question, sha256))
        return waiting.popleft() if waiting else RecordedRun()

    def take_root_reply(self, key: bytes) -> Completion | None:
        """What the root replied to a request, if it is on record."""
        waiting = self._roots.get(key.hex())
        return waiting.popleft() if waiting else None

    def has_worker_reply(self, key: bytes) -> bool:
        """Whether a request to the worker is on record."""
        replies = self._workers.get(key.hex())
        return replies is not None and bool(replies.waiting)

    def take_worker_reply(self, key: bytes) -> SubcallDone | None:
        """What became of a request to the worker, if it is on record."""
        replies = self._workers.get(key.hex())
        return replies.take() if replies else None


class _Reader:
    """Sorts one run's events into a recording."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._runs: dict[str, RecordedRun] = {}
        self._failed: defaultdict[str, list[SubcallDone]] = defaultdict(list)

    def read(self, event: Event) -> None:
        match event:
            case RunStarted() | TurnStarted() | RunEnded():
                self._follow(event)
            case RootReplied():
                self._take_reply(event)
            case CellStarted():
                self._run(event).cells.append((event.code, None))
            case CellRan():
                self._end_cell(event)
            case SubcallDone():
                self._take_subcall(event)
            case SubcallsStarted() | GuardFired() | ExamplesShown() | HistoryCompacted() | Notice():
                pass
            case _:
                assert_never(event)

    def _run(self, event: Event) -> RecordedRun:
        return self._runs.setdefault(event.run_id, RecordedRun())

    def _follow(self, event: RunStarted | TurnStarted | RunEnded) -> None:
        run = self._run(event)
        match event:
            case RunStarted():
                run.has_repl = event.mode == "rlm"
                place = (event.question, event.context.sha256)
                self.recording._runs[place].append(run)
            case TurnStarted():
                is_first = event.n_messages_before == 0 and run.opening is None
                if run.has_repl and is_first and event.new_messages:
                    run.opening = event.new_messages[-1].content
            case RunEnded():
                if event.parent_run_id is None:
                    self.recording.end = event
            case _:
                assert_never(event)

    def _take_reply(self, event: RootReplied) -> None:
        if not event.key:
            raise UserError(
                f"cannot resume {self.recording.name}: an earlier version of rlm_local wrote it, "
                "which did not name its requests; ask anew without --resume"
            )
        self._run(event).replies_left += 1
        finish = _FINISHES.get(event.finish_reason, "other")
        reply = Completion(event.reply, finish, event.usage, event.seconds)
        self.recording._roots[event.key].append(reply)

    def _end_cell(self, event: CellRan) -> None:
        run = self._run(event)
        if run.cells:
            run.cells[-1] = (run.cells[-1][0], event)
        for failed in self._failed.pop(event.run_id, []):
            self.recording._workers[failed.key].add(failed)

    def _take_subcall(self, event: SubcallDone) -> None:
        """A failure counts once its cell has ended: one that is run again may have better luck."""
        if not event.key:
            return
        if event.reply is not None and event.error is None:
            self.recording._workers[event.key].add(event)
        elif event.attempts:
            self._failed[event.run_id].append(event)


def _weights_of(digest: str) -> str:
    """Of an endpoint we know a name only, and it may have moved to another port."""
    return digest.rpartition(" ")[2] if "://" in digest else digest


def _around_difference(text: object, other: object) -> str:
    if not isinstance(text, str) or not isinstance(other, str):
        return f"{text!r:.{_SHOWN_CHARS}}"
    same = next((n for n, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), None)
    start = max(0, (min(len(text), len(other)) if same is None else same) - _SHOWN_CHARS // 3)
    return f"{text[start : start + _SHOWN_CHARS]!r}"
