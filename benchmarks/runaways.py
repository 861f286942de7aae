"""How late cells end that do not end by themselves, and whether the REPL survives them.

    python -m benchmarks.runaways [--n 200] [--limit-s 0.5] [--only NAME,...]

The kinds of `runaway_cells` take turns, each in a REPL of its own in which a variable was set
before. What is held against the bar is the time past the cell's limit until `run()` gave its
result, a new process included, time in which the host worked for the cell not counted. After each
one two cells look: is the variable there or told as lost, and is the text there. Exit status 1
when one ended late or otherwise than its kind does.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.repls import InstantHost, conditions, open_pool, text_of
from benchmarks.report import Measure, Report, Value, print_report
from benchmarks.runaway_cells import KINDS, Runaway
from rlm_local.config import check_sandbox_policy
from rlm_local.interfaces import CellHost, Interpreter
from rlm_local.sandbox.zygote_pool import ZygotePool
from rlm_local.types import CellResult

__all__ = ["Outcome", "ending_of", "main", "run_away"]

_BAR_S = 2.0
_SETUP_S = 60.0
_LONG_LIMIT_S = 20.0
_MEMORY_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """One runaway: how it ended, how late, and what was wrong about that."""

    kind: Runaway
    ending: str
    seconds: float
    overrun_s: float
    complaint: str


def ending_of(result: CellResult) -> str:
    """What became of a cell, in one word."""
    if result.restarted:
        return "restarted"
    is_stopped = result.interrupted or (result.error or "").startswith("Stopped after")
    return "interrupted" if is_stopped else "ends"


async def run_away(
    pool: ZygotePool, kind: Runaway, *, limit_s: float, n_chars: int, host: CellHost
) -> Outcome:
    """One runaway in a REPL of its own."""
    repl = await pool.start()
    try:
        prepared = await repl.run(f"{kind.setup}\nkept = 1", host, timeout_s=_SETUP_S)
        if prepared.error is not None:
            raise SystemExit(f"{kind.name}: the cell before it failed: {prepared.error}")
        if kind.needs_time:
            limit_s = _LONG_LIMIT_S
        began_s = time.perf_counter()
        result = await repl.run(kind.code, host, timeout_s=limit_s)
        seconds = time.perf_counter() - began_s
        complaint = await _complaint(repl, host, kind, result, n_chars)
    finally:
        await repl.aclose()
    overrun_s = max(0.0, seconds - result.host_wait_s - limit_s)
    return Outcome(kind, ending_of(result), seconds, overrun_s, complaint)


async def _complaint(
    repl: Interpreter, host: CellHost, kind: Runaway, result: CellResult, n_chars: int
) -> str:
    ending = ending_of(result)
    if ending not in kind.endings:
        return f"{ending}: {result.error or result.result}"
    if result.restarted and "kept" not in result.lost_names:
        return f"not told what was lost: {result.error}"
    seen = await repl.run("len(context), 'kept' in globals()", host, timeout_s=_SETUP_S)
    if seen.result != str((n_chars, not result.restarted)):
        return f"afterwards: {seen.result or seen.error}"
    again = await repl.run("1 + 1", host, timeout_s=_SETUP_S)
    return "" if again.result == "2" else f"the cell after that: {again.error}"


async def measure(arguments: argparse.Namespace) -> tuple[Report, list[Outcome]]:
    """All kinds in turn."""
    load = os.getloadavg()
    names = set(filter(None, arguments.only.split(",")))
    kinds = [kind for kind in KINDS if not names or kind.name in names]
    outcomes: list[Outcome] = []
    host = InstantHost()
    with text_of(arguments.chars) as context:
        policy = check_sandbox_policy(arguments.policy)
        async with open_pool(context, policy=policy, memory_bytes=_MEMORY_BYTES) as pool:
            for number in range(arguments.n):
                outcomes.append(
                    await run_away(
                        pool,
                        kinds[number % len(kinds)],
                        limit_s=arguments.limit_s,
                        n_chars=context.facts.chars,
                        host=host,
                    )
                )
    return _report(arguments, outcomes, conditions(load)), outcomes


def _report(
    arguments: argparse.Namespace, outcomes: Sequence[Outcome], seen: dict[str, Value]
) -> Report:
    late = [one for one in outcomes if one.overrun_s > _BAR_S]
    wrong = [one for one in outcomes if one.complaint]
    measures = (
        Measure("latest end past its limit", _worst_s(outcomes), "s", "bar", _BAR_S),
        Measure("ended in time", len(outcomes) - len(late), "cells", "all", len(outcomes)),
        Measure("ended as they should", len(outcomes) - len(wrong), "cells", "all", len(outcomes)),
    )
    kinds = dict.fromkeys(one.kind for one in outcomes)
    rows = [_row(kind, [one for one in outcomes if one.kind is kind]) for kind in kinds]
    notes = tuple(f"{one.kind.name}: {one.complaint:.300}" for one in wrong)
    title = f"{len(outcomes)} runaway cells of {len(kinds)} kinds, limit {arguments.limit_s:g} s"
    return Report(title, measures, tuple(rows), seen, notes)


def _row(kind: Runaway, outcomes: Sequence[Outcome]) -> dict[str, Value]:
    endings = [one.ending for one in outcomes]
    return {
        "kind": kind.name,
        "must be": " or ".join(kind.endings),
        "n": len(outcomes),
        "interrupted": endings.count("interrupted"),
        "restarted": endings.count("restarted"),
        "ended": endings.count("ends"),
        "latest past limit s": _worst_s(outcomes),
        "longest s": max(one.seconds for one in outcomes),
        "wrong": sum(bool(one.complaint) for one in outcomes),
    }


def _worst_s(outcomes: Sequence[Outcome]) -> float:
    return max(one.overrun_s for one in outcomes)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=200, help="cells, kinds in turn")
    parser.add_argument("--limit-s", type=float, default=0.5, help="time limit of each cell")
    parser.add_argument("--chars", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="names of kinds, with commas")
    parser.add_argument("--policy", default="auto", help="auto, require-full or sealed")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    report, outcomes = asyncio.run(measure(arguments))
    print_report(report, as_json=arguments.json)
    if any(one.complaint or one.overrun_s > _BAR_S for one in outcomes):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
