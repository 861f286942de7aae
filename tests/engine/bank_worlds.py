"""The made-up texts over which the bank's worked examples are run, a world for each file.

A world holds the names a cell finds in a REPL: records with the real dates and ids, plain stand-ins
for what asks a model.
"""

import collections
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import NoReturn

from rlm_local.sandbox.child.answers import answer_text
from rlm_local.sandbox.child.code_tools import CodeTools
from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.records.dates import Date
from rlm_local.sandbox.child.records.groups import Grouping, pairs_of
from rlm_local.sandbox.child.records.ids import Id
from rlm_local.sandbox.child.records.raw import Raw
from rlm_local.sandbox.child.records.record import record_class
from rlm_local.sandbox.child.records.table import Table

__all__ = ["WORLDS", "run_cell"]

Record = dict[str, object]


class _Finished(BaseException):
    """Ends a cell, as FINAL does in a REPL."""


@dataclass
class World:
    """What a cell can use: `names`, beside what every REPL has."""

    records: list[Record] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    context: str = ""
    names: Mapping[str, object] = field(default_factory=dict)


class _Fields:
    """Fills a field of all records when it is given a judgement."""

    def __init__(self, records: list[Record]) -> None:
        object.__setattr__(self, "_records", records)

    def __setattr__(self, name: str, judge: Callable[[Record], str]) -> None:
        for record in object.__getattribute__(self, "_records"):
            record[name] = judge(record)


def _judged(labels: Sequence[str], about: str) -> Callable[[Record], str]:
    assert "damage" in about
    return lambda record: labels[0] if "rudder" in str(record["text"]) else labels[1]


class _NoLabeller:
    """The worlds' records have their labels."""

    def classify(
        self,
        items: Sequence[str],
        labels: Sequence[str],
        *,
        instruction: str | None = None,
        examples: Sequence[tuple[str, str]] | None = None,
    ) -> list[object]:
        raise AssertionError("no label is missing")


def _grouping(rows: Sequence[Record]) -> tuple[list[Record], Grouping]:
    """The records as a REPL has them, and what groups them."""
    table = Table(_NoLabeller())
    kind = record_class(table)
    records = [kind(row) for row in rows]
    kinds = {name: "date" if name == "date" else "text" for row in rows[:1] for name in row}
    table.load(Raw("lines", list(kinds), [*records], text_name="text"), records, kinds)
    return [*records], Grouping(table)


def run_cell(code: str, world: World) -> tuple[str | None, str]:
    """The answer the cell gives, if any, and what it prints."""
    given: list[str] = []

    def finish(value: object) -> NoReturn:
        given.append(answer_text(value))
        raise _Finished

    records, grouping = _grouping(world.records)
    names: dict[str, object] = {
        "records": records,
        "fields": _Fields(records),
        "judged": _judged,
        "LABELS": list(world.labels),
        "context": world.context,
        "FINAL": finish,
        "Counter": collections.Counter,
        "defaultdict": collections.defaultdict,
        "combinations": itertools.combinations,
        "re": re,
        "groups": grouping.groups,
        "pairs_of": pairs_of,
        **world.names,
    }
    with redirect_stdout(io.StringIO()) as printed, suppress(_Finished):
        exec(compile(code, "<example>", "exec"), names)
    return (given[0] if given else None), printed.getvalue()


def _rows(table: str) -> list[Record]:
    """`day user label`, a line each."""
    rows = (line.split() for line in table.strip().splitlines())
    return [
        {"date": Date(day), "user": Id(user), "text": f"{label} {user}", "label": label}
        for day, user, label in rows
    ]


_REVIEWS = _rows(
    """
    2021-01-01 1 glowing
    2021-01-02 1 glowing
    2021-01-03 2 mixed
    2021-01-04 3 glowing
    2021-01-05 3 harsh
    2021-01-06 4 mixed
    2021-01-07 5 glowing
    """
)
_TICKETS = _rows(
    """
    2021-05-10 51822 printing
    2021-05-20 51822 phones
    2021-06-01 51822 printing
    2020-05-02 77031 printing
    2020-07-09 77031 passwords
    2021-08-17 77031 passwords
    2021-05-03 90000 passwords
    2021-09-01 90000 phones
    2020-05-30 90001 printing
    2020-01-15 90001 phones
    2021-07-07 90001 passwords
    2021-02-02 90001 phones
    2020-03-03 90000 printing
    2019-05-05 90002 passwords
    2021-05-28 90002 printing
    2021-08-01 90002 passwords
    2021-05-29 90002 passwords
    2020-11-11 90002 phones
    2021-02-03 90002 phones
    """
)
_PARCELS = _rows(
    """
    2021-05-10 40117 late
    2021-06-20 40117 late
    2020-05-01 40117 late
    2021-06-01 40117 lost
    2021-05-15 18204 late
    2021-03-02 18204 late
    2021-07-01 18204 damaged
    2021-09-01 66250 late
    2020-02-02 70001 lost
    2021-01-01 70001 lost
    """
)
_PAIRED = _rows(
    """
    2021-05-15 18204 late
    2021-07-01 18204 damaged
    2021-05-10 40117 late
    2020-05-01 40117 late
    2021-05-11 40117 lost
    2021-09-01 66250 late
    2021-04-01 70001 damaged
    2021-04-02 70001 lost
    2021-04-02 123 lost
    """
)
_SHIPS = _rows(
    """
    2020-05-01 1 tug
    2020-05-01 1 ferry
    2020-05-02 1 ferry
    2020-05-02 1 ferry
    2020-05-02 1 trawler
    2020-06-03 1 trawler
    2020-06-05 1 tug
    2020-06-05 1 tug
    2020-06-05 1 tug
    2020-06-05 1 ferry
    2020-07-09 1 ferry
    2020-07-09 1 ferry
    2020-07-09 1 trawler
    2020-07-09 1 trawler
    2020-07-09 1 tug
    """
)
_ORDERS: list[Record] = [
    {"date": Date("2020-03-01"), "user": Id("30516"), "text": "rope", "amount": "12.5"},
    {"date": Date("2021-05-10"), "user": Id("30516"), "text": "tar", "amount": "7.5"},
    {"date": Date("2021-06-01"), "user": Id("82277"), "text": "lamp", "amount": "20"},
    {"date": Date("2020-09-09"), "user": Id("90000"), "text": "oars", "amount": "40"},
]
_HIRES: list[Record] = [
    {
        "hire": Id(f"{5001 + number}"), "station": station, "rider": rider, "state": state,
        "amount": amount, "date": Date(date),
    }
    for number, (date, station, rider, state, amount) in enumerate((
        ("2021-05-10 09:10:00", "Mill Lane", "Ida", "late", "4.5"),
        ("2021-05-11 09:40:00", "Mill Lane", "Ole", "fine", "3"),
        ("2021-06-01 17:05:00", "Quay", "Ida", "late", "12.5"),
        ("2020-05-02 09:30:00", "Quay", "Finn", "lost", "30"),
        ("2021-08-17 12:15:00", "Quay", "Ole", "fine", "8"),
        ("2021-09-01 17:20:00", "Park", "Ida", "late", "2.5"),
        ("2020-05-30 17:45:00", "Mill Lane", "Finn", "fine", "6"),
        ("2021-06-20 12:50:00", "Mill Lane", "Ole", "late", "9"),
    ))
]  # fmt: skip
_HARBOUR: list[Record] = [
    {"date": Date(day), "user": Id(user), "text": text}
    for day, user, text in (
        ("2021-05-12", "30516", "Broken crane on the north quay."),
        ("2021-05-02", "41000", "Thick fog, no traffic."),
        ("2021-06-20", "41000", "Fog again; the ferry Lunde lost her rudder."),
        ("2021-09-01", "52000", "A foggy morning. Tar delivered."),
    )
]
_KETTLE = """\
def pour(cup, degrees=96.5, *, slowly=True):
    return cup, degrees, slowly


class Kettle:
    def boil(self): ...

    def rest(self): ...


class Waiter:
    async def serve(self, kettle):
        return pour(kettle, slowly=False)
"""
_STEEL = """\
import kettle


class SteelKettle(kettle.Kettle):
    def boil(self): ...


class GlassKettle(kettle.Kettle):
    def rest(self): ...
"""
_NOTEBOOK = """\
Anton climbed to the attic.
let kiln be 4471
let stove be 12
== start plum-cake
plums, flour
  and butter
== stop plum-cake
Anton fetched the lamp there.
let oven be the same as kiln
Berta went to the garden.
Anton hurried back to the cellar.
let pan be the same as oven
Anton set down the lamp.
Anton walked to the kitchen.
"""
_PLATES = """\
Shelf note: pump P-7 got the plate number 4471.
Shelf note: pump P-9 got the plate number 3108.
Shelf note: pump P-8 got the plate number 1000.
Shelf note: pump P-7 got the plate number 9020.
"""


def _code_tools(text: str, middle: int) -> dict[str, object]:
    spans = [("kettle.py", 0, middle), ("pots/steel.py", middle, len(text))]
    tools = CodeTools(Documents.of(text, spans))
    names = ("definitions", "overrides", "defaults", "callers", "subclasses")
    return {name: getattr(tools, name) for name in names}


_WORDS = "Egg salt salt leek leek leek dill dill dill dill plum plum plum plum plum\n"

WORLDS: Mapping[str, World] = {
    "labels": World(_REVIEWS, labels=("glowing", "mixed", "harsh")),
    "label-parts": World(_TICKETS, labels=("printing", "passwords", "phones")),
    "users": World(_PARCELS, labels=("late", "lost", "damaged")),
    "pairs": World(_PAIRED, labels=("late", "lost", "damaged")),
    "times": World(_SHIPS, labels=("tug", "ferry", "trawler")),
    "numbers": World(_ORDERS),
    "fields": World(_HIRES),
    "records": World(_HARBOUR),
    "code": World(
        context=_KETTLE + _STEEL,
        names=_code_tools(_KETTLE + _STEEL, len(_KETTLE)),
    ),
    "texts": World(
        context=_NOTEBOOK,
        names={"map_reduce": lambda question, text: f"({question})"},
    ),
    "words": World(context=_WORDS),
    "lookups": World(context=_PLATES, names={"look_up": lambda question: f"Found for {question}"}),
}
