"""Turn 0: a cell of the harness's own, which tells what the text is made of.

The root is not asked. What the cell prints comes from the text and is trusted as little: it is
read strictly, and only ever shown.
"""

from rlm_local.engine.budget import Budget
from rlm_local.engine.cells import run_cell
from rlm_local.engine.look import Look, parse_look
from rlm_local.engine.prompts import is_shown_whole
from rlm_local.engine.recording import RecordedRun
from rlm_local.engine.run_state import Findings, Repl

__all__ = ["first_look", "look_code"]

_TURN = 0
_SHOWN_CHARS = 200
_READING_TOKENS = 4_000
"""A reading of passages, prompt and reply; with less left, none is made before the root's turns."""
_OPENING = "import json\nprint(json.dumps(look("


def look_code(question: str, *, can_read: bool = True) -> str:
    """The cell; `look` is a function of the REPL. `can_read`: whether it may ask the worker."""
    how = "" if can_read else ", can_read=False"
    return f"{_OPENING}{question!r}{how}), ensure_ascii=False))"


async def first_look(repl: Repl) -> Look | None:
    """What the text is made of; None where nobody looks or nothing came of it.

    Raises:
        LimitExceeded: a limit is spent.
        RunError: the REPL is lost, or a sub-call met what must end the run.
    """
    if not repl.parts.profile.first_look or is_shown_whole(repl.task.context):
        return None
    if _is_recorded_without(repl.task.recorded):
        return None  # what the root was told then is told again
    code = look_code(repl.task.question, can_read=_can_read(repl.budget))
    result = await run_cell(repl, _TURN, code)
    repl.findings = Findings()  # the root has seen nothing of it
    printed = result.stdout.strip()  # notes of its sub-calls stand before it
    look = None if result.error else parse_look(printed.rpartition("\n")[2])
    if look is None:
        why = result.error or printed or "nothing was printed"
        repl.journal.notice(f"the first look gave nothing: {why.strip()[-_SHOWN_CHARS:]}")
    elif look.passages:
        repl.findings.evidence.append(look.passages)
    return look


def _can_read(budget: Budget) -> bool:
    """Whether the worker may be asked before the root has had a turn."""
    tokens_left = budget.tokens_left
    return budget.subcalls_left != 0 and (tokens_left is None or tokens_left > _READING_TOKENS)


def _is_recorded_without(recorded: RecordedRun | None) -> bool:
    """Whether the run that is resumed had no first look, such as one of an earlier version."""
    if recorded is None or recorded.opening is None:
        return False
    return not (recorded.cells and recorded.cells[0][0].startswith(_OPENING))
