"""What a benchmark prints: measures, each beside what it is held against, and single rows.

Knows nothing of what is measured.
"""

import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

import rlm_local

__all__ = ["Measure", "Report", "Value", "machine", "median", "print_report", "to_json"]

_PLAIN_WIDTH = 140
"""Columns where the output is no terminal."""

Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Measure:
    """One number and what it is held against: a limit, a theoretical best, or another program."""

    name: str
    value: float
    unit: str
    against: str
    against_value: float

    @property
    def ratio(self) -> float:
        """`value / against_value`; infinite where there is nothing to divide by."""
        return self.value / self.against_value if self.against_value else float("inf")


@dataclass(frozen=True, slots=True)
class Report:
    """A benchmark's outcome. `rows` are the single observations behind the measures."""

    title: str
    measures: tuple[Measure, ...]
    rows: tuple[dict[str, Value], ...] = ()
    conditions: dict[str, Value] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def median(values: Sequence[float]) -> float:
    """The median, or not-a-number of nothing."""
    return statistics.median(values) if values else float("nan")


def machine() -> dict[str, Value]:
    """What a reader needs to judge a time: command, versions, processors, memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "command": shlex.join(["python", "-m", _module_name(), *sys.argv[1:]]),
        "rlm_local": rlm_local.__version__,
        "python": platform.python_version(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
    }


def to_json(report: Report) -> str:
    """The report as one JSON object; every measure carries its ratio."""
    data = asdict(report)
    for raw, measure in zip(data["measures"], report.measures, strict=True):
        raw["ratio"] = round(measure.ratio, 4)
    data["conditions"] = {**machine(), **report.conditions}
    return json.dumps(data, ensure_ascii=False)


def print_report(report: Report, *, as_json: bool) -> None:
    """Print the report on stdout."""
    if as_json:
        print(to_json(report))
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    console.print(report.title)
    if report.rows:
        console.print(_rows_table(report.rows))
    console.print(_measures_table(report.measures))
    for name, value in {**machine(), **report.conditions}.items():
        console.print(f"{name}: {value}", markup=False, soft_wrap=True)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)


def _measures_table(measures: Sequence[Measure]) -> Table:
    table = Table("what", "measured", "held against", "", "ratio")
    for measure in measures:
        table.add_row(
            measure.name,
            f"{measure.value:,.4g} {measure.unit}",
            measure.against,
            f"{measure.against_value:,.4g} {measure.unit}",
            f"{measure.ratio:.3f}",
        )
    return table


def _rows_table(rows: Sequence[dict[str, Value]]) -> Table:
    """Rows may tell of different things: each has a cell under every name that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*names)
    for row in rows:
        table.add_row(*(_cell(row[name]) if name in row else "" for name in names))
    return table


def _cell(value: Value) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


def _module_name() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec.name if spec else sys.argv[0]
