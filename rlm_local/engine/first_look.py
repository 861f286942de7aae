"""Turn 0: a cell of the harness's own, which tells what the text is made of.

The root is not asked. What the cell prints comes from the text and is trusted as little: it is
read strictly, and only ever shown.
"""

from rlm_local.engine.cells import run_cell
from rlm_local.engine.look import Look, parse_look
from rlm_local.engine.prompts import is_shown_whole
from rlm_local.engine.run_state import Findings, Repl

__all__ = ["first_look", "look_code"]

_TURN = 0
_SHOWN_CHARS = 200


def look_code(question: str) -> str:
    """The cell; `look` is a function of the REPL."""
    return f"import json\nprint(json.dumps(look({question!r})))"


async def first_look(repl: Repl) -> Look | None:
    """What the text is made of; None where nobody looks or nothing came of it.

    Raises:
        LimitExceeded: a limit is spent.
        RunError: the REPL is lost, or a sub-call met what must end the run.
    """
    if not repl.parts.profile.first_look or is_shown_whole(repl.task.context):
        return None
    result = await run_cell(repl, _TURN, look_code(repl.task.question))
    repl.findings = Findings()  # the root has seen nothing of it
    printed = result.stdout.strip()  # notes of its sub-calls stand before it
    look = None if result.error else parse_look(printed.rpartition("\n")[2])
    if look is None:
        why = result.error or printed or "nothing was printed"
        repl.journal.notice(f"the first look gave nothing: {why.strip()[-_SHOWN_CHARS:]}")
    elif look.passages:
        repl.findings.evidence.append(look.passages)
    return look
