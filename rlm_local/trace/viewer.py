"""Prints a trace for a person: header, turns with code and output, batches, guards, the end.

Escapes what a model or a text could do to the terminal. Reads no file; see `trace.jsonl`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text

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
    TurnStarted,
)
from rlm_local.trace.printable import one_line, printable
from rlm_local.trace.story import Batch, RunPart, RunStory, tell
from rlm_local.types import Usage

__all__ = ["show"]

_SHOWN_CHARS = 4000
_SHOWN_ERRORS = 3
_NAME_CHARS = 100
_PATH_CHARS = 200
_INDENT = 4
_UNCONFINED = "OFF: code the model wrote ran as the user, unconfined"


def show(events: Iterable[Event], console: Console, *, full: bool = False) -> None:
    """Print the runs of a trace, child runs indented where they began.

    Args:
        events: in the order they happened.
        console: where to.
        full: also print messages sent, whole replies, every sub-call, and long texts uncut.
    """
    printer = _Printer(console, full)
    for run in tell(events, keep_subcalls=full):
        printer.run(run)


class _Printer:
    def __init__(self, console: Console, full: bool) -> None:
        self._console = console
        self._full = full
        self._indent = 0

    def run(self, run: RunStory) -> None:
        if run.started:
            self._header(run.started)
        for position, part in enumerate(run.parts):
            self._part(part, has_cell=_leads_to_cell(run.parts, position))
        if run.ended:
            self._end(run.ended)
        else:
            self._line(
                f"run {run.run_id} did not end: it was killed, or is still going", "bold red"
            )

    def _part(self, part: RunPart, *, has_cell: bool) -> None:
        match part:
            case TurnStarted():
                self._turn(part)
            case RootReplied():
                self._reply(part, has_cell)
            case CellStarted():
                code = printable(part.code)
                self._put(Syntax(code, "python", word_wrap=True, background_color="default"))
            case CellRan():
                self._cell_ran(part)
            case ExamplesShown():
                self._line(_picked(part), "dim")
            case GuardFired() | HistoryCompacted() | Notice():
                self._line(_remark(part), "yellow")
            case Batch():
                self._batch(part)
            case RunStory():
                self._indent += _INDENT
                self.run(part)
                self._indent -= _INDENT
            case _:
                assert_never(part)

    def _header(self, event: RunStarted) -> None:
        facts = event.context
        about = "" if facts.tokens.exact else "about "
        began = datetime.fromtimestamp(event.time_s).astimezone().isoformat(" ", "seconds")
        name = one_line(event.run_id, _NAME_CHARS)
        self._put(Rule(Text(f"{'run' if event.depth == 0 else 'child run'} {name}")))
        self._line(self._cut(event.question), "bold")
        rows = {
            "context": f"{facts.chars:,} characters, {about}{facts.tokens.tokens:,} tokens, "
            f"{facts.lines:,} lines, {_count(facts.documents or 1, 'document')}, "
            f"sha256 {facts.sha256[:12]}"
        }
        if event.depth == 0:  # a child run has these from its parent
            rows |= {
                "stack": f"{event.stack}, profile {event.profile}, began {began}",
                "models": _pairs({role: one_line(d, 20) for role, d in event.models.items()}),
                "limits": _pairs({k: v for k, v in event.limits.items() if v is not None}),
                "sandbox": _sandbox(event.sandbox),
                "versions": _pairs(event.versions),
                "seed": "" if event.seed is None else str(event.seed),
                "resumes": one_line(event.resumed_from or "", _PATH_CHARS),
            }
        rows["mode"] = event.mode
        for name, value in rows.items():
            if value:
                self._line(f"{name:<9}{value}", "bold red" if value == _UNCONFINED else "dim")
        if self._full and event.depth == 0:
            for name, state in event.sandbox.items():
                self._line(f"{'':<9}{name}: {state}", "dim")

    def _turn(self, event: TurnStarted) -> None:
        again = f", try {event.attempt + 1}" if event.attempt else ""
        self._put(Rule(Text(f"turn {event.turn}{again}"), style="dim", align="left"))
        if self._full:
            for message in event.new_messages:
                self._line(f"[{message.role}]", "dim bold")
                self._line(message.content, "dim")

    def _reply(self, event: RootReplied, has_cell: bool) -> None:
        if self._full or not has_cell:
            self._line(self._cut(event.reply))
        cut = ", cut at its length limit" if event.finish_reason == "length" else ""
        self._line(f"root: {_tokens(event.usage)}, {event.seconds:.1f} s{cut}", "dim")

    def _cell_ran(self, event: CellRan) -> None:
        self._line(self._cut(event.stdout.rstrip("\n")))
        self._line(self._cut(event.result or ""), "cyan")
        self._line(self._cut(event.error or ""), "red")
        if event.final is not None:
            self._line(f"FINAL: {self._cut(event.final)}", "green")
        waited = f", {event.host_wait_s:.1f} s of it for sub-calls" if event.host_wait_s else ""
        ends = [
            word
            for word, so in (("interrupted", event.interrupted), ("restarted", event.restarted))
            if so
        ]
        self._line(", ".join([f"cell: {event.seconds:.2f} s{waited}", *ends]), "dim")

    def _batch(self, batch: Batch) -> None:
        for subcall in batch.subcalls:
            self._line(f"[{batch.number}.{subcall.item}] {subcall.prompt}", "dim")
            self._line(f"-> {subcall.error if subcall.reply is None else subcall.reply}", "magenta")
        notes = [
            f"{batch.duplicates:,} sent once for all" if batch.duplicates else "",
            f"{batch.cached:,} from cache" if batch.cached else "",
            f"{batch.failed:,} failed" if batch.failed else "",
            f"only {batch.done:,} done" if batch.done < batch.prompts else "",
        ]
        head = f"batch {batch.number}: {_count(max(batch.prompts, batch.done), 'sub-call')}"
        about = [head, *filter(None, notes), _tokens(batch.usage), f"{batch.seconds:.1f} s"]
        self._line(", ".join(about), "magenta")
        for error, n in batch.errors.most_common(_SHOWN_ERRORS):
            self._line(f"  {n:,} x {one_line(error, 200)}", "red")

    def _end(self, event: RunEnded) -> None:
        self._put(Rule(style="dim"))
        self._line(event.answer if self._full else self._cut(event.answer), "bold green")
        cached = f" ({event.cached_subcalls:,} from cache)" if event.cached_subcalls else ""
        self._line(
            f"{event.stop_reason} after {_count(event.turns, 'turn')}, "
            f"{_count(event.subcalls, 'sub-call')}{cached}, {event.seconds:.1f} s; "
            f"root {_tokens(event.usage.root)}; worker {_tokens(event.usage.worker)}",
            "dim",
        )
        self._line(event.error or "", "bold red")

    def _cut(self, text: str) -> str:
        if self._full or len(text) <= _SHOWN_CHARS:
            return text
        half = _SHOWN_CHARS // 2
        gap = f"... {len(text) - 2 * half:,} characters left out; --full shows them ..."
        return f"{text[:half]}\n{gap}\n{text[-half:]}"

    def _line(self, text: str, style: str = "") -> None:
        if text:
            self._put(Text(printable(text), style=style))

    def _put(self, what: RenderableType) -> None:
        self._console.print(Padding(what, (0, 0, 0, self._indent)) if self._indent else what)


def _leads_to_cell(parts: list[RunPart], position: int) -> bool:
    for part in parts[position + 1 :]:
        if isinstance(part, TurnStarted | RootReplied):
            return False
        if isinstance(part, CellStarted):
            return True
    return False


def _tokens(usage: Usage) -> str:
    share = usage.prefix_hit_rate
    cached = f" ({usage.cached_tokens:,} cached, {share:.0%})" if share else ""
    return f"{usage.prompt_tokens:,} tokens in{cached}, {usage.completion_tokens:,} out"


def _pairs(table: "dict[str, str] | dict[str, float | int]") -> str:
    return ", ".join(f"{name} {value}" for name, value in table.items())


def _sandbox(record: dict[str, str]) -> str:
    """Policy and level; what was degraded by name, and why only in full."""
    policy = record.get("policy")
    if policy == "off":
        return _UNCONFINED
    if policy is None:  # written before there were properties
        return _pairs(record)
    degraded = [
        name
        for name, state in record.items()
        if state.startswith("degraded") and not name.startswith("layer.")
    ]
    told = f"{record.get('level', '?')} (policy {policy})"
    return f"{told}, degraded: {', '.join(degraded)}" if degraded else told


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _picked(event: ExamplesShown) -> str:
    shown = ", ".join(event.examples) or "none"
    asked = event.question_kind or "not known"
    return f"kind of question: {asked} ({event.coverage}); examples: {shown}"


def _remark(event: GuardFired | HistoryCompacted | Notice) -> str:
    match event:
        case GuardFired():
            return f"guard {event.guard}: {event.detail}"
        case HistoryCompacted():
            before, after = f"{event.tokens_before:,}", f"{event.tokens_after:,}"
            return f"history compacted: {before} -> {after} tokens"
        case Notice():
            return event.text
        case _:
            assert_never(event)
