"""Runs one cell of a run and writes down what came of it, whoever wrote the cell."""

from rlm_local.engine.run_state import Repl
from rlm_local.events import CellRan, CellStarted
from rlm_local.types import CellResult

__all__ = ["run_cell"]

_CELL_GRACE_S = 2.0
"""After the run's deadline a cell may still print what it has."""


async def run_cell(repl: Repl, turn: int, code: str) -> CellResult:
    """Run one cell and take in what it showed.

    Raises:
        RunError: the REPL is lost, or a call of the cell met what must end the run.
    """
    journal, limits = repl.journal, repl.parts.config.limits
    journal.emit(CellStarted(**journal.stamp(), turn=turn, code=code))
    try:
        async with repl.budget.within_time(grace_s=_CELL_GRACE_S):
            result = await repl.interpreter.run(code, repl.host, timeout_s=limits.cell_timeout_s)
    finally:
        await repl.host.end_cell()
    repl.findings.note(code, result)
    journal.emit(
        CellRan(
            **journal.stamp(),
            turn=turn,
            stdout=result.stdout,
            stdout_chars=result.stdout_chars,
            result=result.result,
            error=result.error,
            final=result.final,
            seconds=result.seconds,
            host_wait_s=result.host_wait_s,
            interrupted=result.interrupted,
            restarted=result.restarted,
        )
    )
    if repl.task.recorded and (told := repl.task.recorded.compare(code, result)):
        journal.notice(told)
    if repl.host.failure is not None:
        raise repl.host.failure
    return result
