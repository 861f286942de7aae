"""What a trace tells about an answer: what it rests on, and how near the worked examples were.

Reads one trace file. Counts nothing over questions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from rlm_local.engine.syntax import final_literals
from rlm_local.errors import RlmError
from rlm_local.events import (
    CellRan,
    CellStarted,
    Event,
    ExamplesShown,
    GuardFired,
    RootReplied,
    RunEnded,
)
from rlm_local.trace.jsonl import read_trace

__all__ = ["Evidence", "evidence_of", "facts_of_trace"]

Evidence = Literal["read", "printed", "computed", "looked", "none"]
"""What an answer rests on.

read: the whole text stood in the prompt. printed: a cell of the root had printed something before
the answer. computed: nothing was printed, but the cell that answers computes the value. looked:
only what the harness printed before the root's first turn. none: a value from nowhere.
"""


def facts_of_trace(trace: Path) -> dict[str, Any]:
    """Facts of the run in `trace`; none where it cannot be read."""
    try:
        with read_trace(trace) as events:
            own = [event for event in events if event.depth == 0]
    except (RlmError, OSError):
        return {}
    facts: dict[str, Any] = {"evidence": evidence_of(own)}
    guards = [event.guard for event in own if isinstance(event, GuardFired)]
    if guards:
        facts["guards"] = guards
    for event in own:
        if isinstance(event, ExamplesShown):
            facts |= {"coverage": event.coverage, "question_kind": event.question_kind}
    return facts


def evidence_of(events: Sequence[Event]) -> Evidence:
    """What the answer of a run rests on; `events` are the run's own, without child runs'."""
    ended = next((event for event in events if isinstance(event, RunEnded)), None)
    if ended is not None and ended.stop_reason == "direct":
        return "read"
    code, replied, looked = "", False, False
    for event in events:
        match event:
            case RootReplied():
                replied = True
            case CellStarted():
                code = event.code
            case CellRan(final=str()) if not final_literals(code):
                return "computed"
            case CellRan(final=str()):
                break
            case CellRan() if event.stdout.strip() or (event.result or "").strip():
                if replied:
                    return "printed"
                looked = True
            case _:
                pass
    return "looked" if looked else "none"
