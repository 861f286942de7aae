"""The cell a profile brings along: helpers under the names its model was trained with.

Run by the harness before the root is asked, and again in a REPL that was restarted.
"""

import dataclasses

from rlm_local.engine.cells import run_cell
from rlm_local.engine.run_state import Repl

__all__ = ["set_up"]

_FIRST_TURN = 0
_SHOWN_CHARS = 200


async def set_up(repl: Repl, turn: int = _FIRST_TURN) -> None:
    """Run the profile's setup cell, if it has one; what it defines is nothing the root has seen.

    Raises:
        LimitExceeded: a limit is spent.
        RunError: the REPL is lost.
    """
    code = repl.parts.profile.setup
    if not code:
        return
    before = dataclasses.replace(
        repl.findings,
        cells_run=set(repl.findings.cells_run),
        names=set(repl.findings.names),
        evidence=list(repl.findings.evidence),
    )
    result = await run_cell(repl, turn, code)
    repl.findings = before
    if result.error:
        repl.journal.notice(
            f"the setup of profile {repl.parts.profile.name!r} failed: "
            f"{result.error.strip()[-_SHOWN_CHARS:]}"
        )
