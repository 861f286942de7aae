"""The command `plan`: asks what a plan lists and holds the figures against its bars."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from benchmarks.tasks.asking import Asking, console_for_people
from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.label_rows import FAMILY as LABELS
from benchmarks.tasks.label_rows import label_outcomes
from benchmarks.tasks.outcomes import Outcome, mean_interval
from benchmarks.tasks.plan import AskRow, LabelRow, Plan, Scale, Window, read_plan, windows
from benchmarks.tasks.task import OptionError, Task

__all__ = ["Figure", "figures", "run_plan"]

_UNCOVERED = "uncovered"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. Without a `bar` it is there to compare with."""

    name: str
    arm: str
    n: int
    value: float
    low: float
    high: float
    bar: float | None
    is_met: bool | None
    note: str = ""


def run_plan(arguments: argparse.Namespace, data: DataFolder) -> None:
    """Ask the rows, controls included, and print every figure beside its bar."""
    plan = _chosen(read_plan(arguments.plan), arguments.rows)
    scale = Scale(arguments.seed, arguments.small, arguments.samples)
    console = console_for_people()
    placed: dict[str, tuple[str, str]] = {}
    with Asking(arguments, console) as asking:
        for row in plan.rows:
            arms = (arguments.arm, *(row.controls if arguments.arm == "rlm" else ()))
            for arm in dict.fromkeys(arms):
                tasks = _tasks(row, windows(row, scale), data, placed)
                if arguments.report_only:
                    list(tasks)
                else:
                    asking.ask(tasks, arm)
        if arguments.arm == "rlm" and not arguments.report_only:
            for label_row in plan.labels:
                if not _is_done(label_row, scale.seed, asking.done):
                    n_lines = min(label_row.lines, scale.samples or label_row.lines)
                    asking.keep(label_outcomes(label_row, n_lines, scale.seed, data, arguments))
    _print(console, plan, figures(plan, asking.done, placed, arguments.arm))


def _is_done(row: LabelRow, seed: int, done: Sequence[Outcome]) -> bool:
    return any((one.family, one.kind, one.seed) == (LABELS, row.name, seed) for one in done)


def _chosen(plan: Plan, names: Sequence[str]) -> Plan:
    if not names:
        return plan
    rows = [row for row in plan.rows if _is_named(row.name, names)]
    labels = [row for row in plan.labels if _is_named(row.name, names)]
    if not rows and not labels:
        known = "; ".join(row.name for row in (*plan.rows, *plan.labels))
        raise OptionError(f"no row of the plan begins with {', '.join(names)}; there is {known}")
    return plan.model_copy(update={"rows": tuple(rows), "labels": tuple(labels)})


def _is_named(row: str, names: Sequence[str]) -> bool:
    return any(row.lower().startswith(name.lower()) for name in names)


def _tasks(
    row: AskRow, its: Sequence[Window], data: DataFolder, placed: dict[str, tuple[str, str]]
) -> Iterator[Task]:
    for window in its:
        for task in window.tasks(row, data):
            placed[task.name] = (row.name, window.group)
            yield task


def figures(
    plan: Plan, done: Sequence[Outcome], placed: dict[str, tuple[str, str]], arm: str
) -> list[Figure]:
    """The figures of a plan from outcomes. `placed` says to which row and group a task belongs."""
    found: list[Figure] = []
    for row in plan.rows:
        of_row = [one for one in done if placed.get(one.name, ("",))[0] == row.name]
        for group in dict.fromkeys(placed[one.name][1] for one in of_row):
            its = [one for one in of_row if placed[one.name][1] == group]
            found += _of_group(row, f"{row.name} {group}".strip(), its, arm)
    for label_row in plan.labels:
        lines = [one for one in done if (one.family, one.kind) == (LABELS, label_row.name)]
        if lines:
            found.append(_figure(label_row.name, lines, label_row.bar))
    own = [one for one in done if one.arm == arm and one.name in placed]
    if plan.wrong_without_evidence is not None and any("evidence" in one.facts for one in own):
        found.append(_without_evidence(own, plan.wrong_without_evidence))
    return found


def _of_group(row: AskRow, name: str, its: Sequence[Outcome], arm: str) -> Iterator[Figure]:
    own = [one for one in its if one.arm == arm]
    if not own:
        return
    asked = {one.name for one in own}
    controls = [
        _figure(name, those, None)
        for control in row.controls
        if control != arm
        and (those := [one for one in its if one.arm == control and one.name in asked])
    ]
    figure = _figure(name, own, row.bar)
    above = [one.arm for one in controls if one.value >= figure.value]
    if above and row.above_controls:
        figure = replace(
            figure, is_met=False, note=f"{figure.note} not above {', '.join(above)}".strip()
        )
    yield figure
    uncovered = [one for one in own if one.facts.get("coverage") == _UNCOVERED]
    if uncovered and row.uncovered_bar is not None:
        yield _figure(f"{name}, kinds without an example", uncovered, row.uncovered_bar)
    for scorer in list(own[0].scores)[1:]:
        yield _also(name, own, scorer)
    yield from controls


def _figure(name: str, its: Sequence[Outcome], bar: float | None) -> Figure:
    value = sum(one.score for one in its) / len(its)
    low, high = mean_interval(its)
    failures = sum(bool(one.error) for one in its)
    return Figure(
        name,
        its[0].arm,
        len(its),
        value,
        low,
        high,
        bar,
        None if bar is None else value >= bar,
        f"{failures} failed" if failures else "",
    )


def _also(name: str, its: Sequence[Outcome], scorer: str) -> Figure:
    value = sum(one.scores.get(scorer, 0.0) for one in its) / len(its)
    low, high = mean_interval(its, scorer)
    return Figure(f"{name}, {scorer}", its[0].arm, len(its), value, low, high, None, None)


def _without_evidence(its: Sequence[Outcome], allowed: int) -> Figure:
    wrong = [one for one in its if one.score < 0.5 and not one.error]
    counts: dict[str, int] = {}
    for one in wrong:
        basis = str(one.facts.get("evidence", "unknown"))
        counts[basis] = counts.get(basis, 0) + 1
    n_blind = counts.get("none", 0)
    note = f"of {len(wrong)} wrong: " + ", ".join(f"{n} {basis}" for basis, n in counts.items())
    name = "wrong answers before any evidence"
    is_met = n_blind <= allowed
    return Figure(name, its[0].arm, len(its), n_blind, n_blind, n_blind, allowed, is_met, note)


def _print(console: Console, plan: Plan, lines: Sequence[Figure]) -> None:
    table = Table("row", "arm", "n", "figure", "95 %", "bar", "", "", title=plan.title)
    for one in lines:
        table.add_row(
            one.name,
            one.arm,
            str(one.n),
            _shown(one.value),
            f"{one.low:.2f}-{one.high:.2f}",
            "" if one.bar is None else f"{one.bar:g}",
            {True: "met", False: "not met", None: ""}[one.is_met],
            one.note,
        )
    console.print(table)


def _shown(value: float) -> str:
    return f"{value:.3f}" if value <= 1 else f"{value:g}"
