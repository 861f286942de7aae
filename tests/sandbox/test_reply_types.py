"""Types as schemas and replies as values, without a process; tests of a REPL: test_typed_cells."""

import collections
import dataclasses
import datetime
import enum
import json
from collections.abc import Sequence
from types import GenericAlias
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Optional, TypeAlias, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator

from rlm_local.engine.typed_replies import constraint_of, fits
from rlm_local.sandbox.child.reply_shapes import shape_of
from rlm_local.sandbox.child.reply_types import reply_form

Kind: TypeAlias = Any
"""A type, or what is written in place of one."""


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Corner(enum.Enum):
    ORIGIN = (0, 0)
    FAR = (1, 1)


class Place(TypedDict):
    name: str
    since: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass
class Person:
    name: str
    born: datetime.date | None = None
    tags: list[str] = dataclasses.field(default_factory=list)
    shown: str = dataclasses.field(init=False, default="")


@dataclasses.dataclass
class Birth:
    name: str
    on: datetime.date


class Unlucky(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even words")


@dataclasses.dataclass
class Checked:
    a: int

    def __post_init__(self) -> None:
        if self.a < 0:
            raise Unlucky


class Twins(enum.Enum):
    A = "B"
    B = (1, 2)


Untyped = collections.namedtuple("Untyped", "x y")


@dataclasses.dataclass
class Primed:
    a: int
    b: dataclasses.InitVar[int]


@dataclasses.dataclass
class Node:
    next: Optional["Node"]


@dataclasses.dataclass
class Team:
    lead: Person
    level: Level


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str = Field(max_length=5, pattern="^[A-Z][a-z]*$")


class Owner(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = Field(min_length=1)
    note: str | None = None

    @field_validator("note")
    @classmethod
    def _no_dots(cls, note: str | None) -> str | None:
        assert note is None or "." not in note, "no dots"
        return note


READ = [
    (bool, "true", True),
    (int, "-3", -3),
    (int, "3.0", 3),
    (float, "3", 3.0),
    (str, 'as it "is"', 'as it "is"'),
    (None, "null", None),
    (list[int], "[1, 2]", [1, 2]),
    (Sequence[int], "[1]", [1]),
    (list, '[1, "a"]', [1, "a"]),
    (set[str], '["a", "a"]', {"a"}),
    (frozenset[int], "[1]", frozenset({1})),
    (dict[str, int], '{"a": 1}', {"a": 1}),
    (dict[int, bool], '{"7": true}', {7: True}),
    (dict[Literal["a", "b"], int], '{"a": 1}', {"a": 1}),
    (dict[Colour, int], '{"red": 1}', {Colour.RED: 1}),
    (tuple[int, str], '[1, "a"]', (1, "a")),
    (tuple[int, ...], "[1, 2, 3]", (1, 2, 3)),
    (Literal["a", "b"], "b", "b"),
    (Literal[1, "a", None], "1", 1),
    (Literal["only"], '"only"', "only"),
    (Literal[1, True], "1", 1),
    (Literal[1, True], "true", True),
    (Literal[0, False], "0", 0),
    (Literal[0, False], "false", False),
    (Literal[1, 2], "1.0", 1),
    (dict[int | str, int], '{"Paris": 5, "7": 1}', {"Paris": 5, 7: 1}),
    (dict[Literal[1, "a"], int], '{"a": 5, "1": 1}', {"a": 5, 1: 1}),
    (dict[datetime.date | None, int], '{"2024-02-29": 5}', {datetime.date(2024, 2, 29): 5}),
    (int | None, "null", None),
    (int | str, '"x"', "x"),
    (Colour, "red", Colour.RED),
    (Level, "2", Level.HIGH),
    (Corner, '"FAR"', Corner.FAR),
    (list[Colour], '["blue"]', [Colour.BLUE]),
    (datetime.date, '"2024-02-29"', datetime.date(2024, 2, 29)),
    (datetime.datetime, '"2024-02-29T10:00:00"', datetime.datetime(2024, 2, 29, 10)),
    (datetime.time, '"10:30:00"', datetime.time(10, 30)),
    (Place, '{"name": "x"}', {"name": "x"}),
    (Point, '{"x": 1}', Point(1)),
    (Person, '{"name": "A", "born": "1815-12-10"}', Person("A", datetime.date(1815, 12, 10))),
    (Team, '{"lead": {"name": "A"}, "level": 1}', Team(Person("A"), Level.LOW)),
    (Any, "[null]", [None]),
    (Cat, '{"kind": "cat", "lives": 9}', Cat(kind="cat", lives=9)),
    (list[Cat], '[{"kind": "cat", "lives": 9}]', [Cat(kind="cat", lives=9)]),
    (
        Owner,
        '{"pets": [{"kind": "dog", "name": "Rex"}]}',
        Owner(pets=[Dog(kind="dog", name="Rex")]),
    ),
    (Annotated[int, Field(ge=3)], "3", 3),
]


@pytest.mark.parametrize(("kind", "text", "value"), READ, ids=lambda value: repr(value)[:40])
def test_a_reply_becomes_a_value_of_its_type(kind: Kind, text: str, value: object) -> None:
    form = reply_form(kind)
    constraint = constraint_of(json.loads(json.dumps(form.constraint)))
    assert fits(text, constraint)
    read = form.read(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (bool, "1"),
        (bool, "True"),
        (int, "true"),
        (int, "3.5"),
        (int, '"3"'),
        (float, "[]"),
        (float, "NaN"),
        (float, "-Infinity"),
        (float, "1e999"),
        (list[float], "[NaN]"),
        (dict[float, int], '{"NaN": 5}'),
        (dict[int, int], '{"1": 5, "1.0": 6}'),
        (dict[str, int], '{"a": 1, "a": 2}'),
        (datetime.datetime, '"2024-01-01"'),
        (datetime.datetime, '"20240101"'),
        (Checked, '{"a": -1}'),
        (Cat, '{"kind": "cat", "lives": 1, "lives": 2}'),
        (list[int], "[1, null]"),
        (list[int], "[1"),
        (dict[str, int], '{"a": "b"}'),
        (dict[int, int], '{"a": 1}'),
        (tuple[int, str], "[1]"),
        (Literal[1, 2], "3"),
        (Literal[1, 2], "true"),
        (Colour, "green"),
        (Level, "3"),
        (datetime.date, '"2023-02-29"'),
        (Place, "{}"),
        (Place, '{"name": "x", "other": 1}'),
        (Person, '{"name": 1}'),
        (int | None, '"x"'),
        (Cat, '{"kind": "cat", "lives": 10}'),
        (Owner, '{"pets": []}'),
        (Owner, '{"pets": [{"kind": "cat", "lives": 1}], "note": "a."}'),
    ],
    ids=repr,
)
def test_a_reply_of_another_type_says_what_is_wrong(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        reply_form(kind).read(text)


def test_what_is_wrong_is_told_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"lead: born: .*isoformat"):
        reply_form(Team).read('{"lead": {"name": "A", "born": "x"}, "level": 1}')
    with pytest.raises(ValueError, match=r"pets.0.cat.lives: .* less than or equal to 9"):
        reply_form(Owner).read('{"pets": [{"kind": "cat", "lives": 10}]}')


class Kennel(BaseModel):
    inside: Optional["Kennel"] = None


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Node, "contains itself"),
        (Twins, "another are both 'B' in JSON"),
        (Untyped, "has no types for x, y"),
        (Primed, "b of Primed is an InitVar"),
        (object(), "type: .* cannot be asked for"),
        (slice, "type: slice cannot be asked for as JSON"),
        (len, "cannot be asked for as JSON"),
        (["a", "b"], "cannot be asked for as JSON"),
    ],
    ids=repr,
)
def test_what_is_no_type_of_a_reply_is_told(kind: object, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        reply_form(kind)


def test_a_model_that_contains_itself_is_refused_by_the_host() -> None:
    with pytest.raises(ValueError, match="refers to itself"):
        constraint_of(json.loads(json.dumps(reply_form(Kennel).constraint)))


def test_labels_are_asked_for_without_quotes() -> None:
    assert reply_form(Literal["a", "b"]).constraint == {"choices": ["a", "b"]}
    assert reply_form(Colour).constraint == {"choices": ["red", "blue"]}
    assert reply_form(Literal[" a", "a "]).constraint == {"schema": {"enum": [" a", "a "]}}
    assert reply_form(str).constraint == {}


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda kind: GenericAlias(list, (kind,))),
        inner.map(lambda kind: GenericAlias(dict, (str, kind))),
        inner.map(lambda kind: kind | None),
        st.tuples(inner, inner).map(lambda kinds: GenericAlias(tuple, kinds)),
    )


KINDS = st.recursive(
    st.sampled_from([bool, int, str, datetime.date, Colour, Level, Place, Birth]),
    _nested,
    max_leaves=6,
)


def _written(kind: Kind) -> st.SearchStrategy[Any]:
    """Values of a schema as JSON has them; for the schemas that plain types give."""
    return _of_schema(shape_of(kind).schema)


def _of_schema(schema: Kind) -> st.SearchStrategy[Any]:
    if "anyOf" in schema:
        return st.one_of(*map(_of_schema, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object" if "properties" in schema:
            fields = {name: _of_schema(part) for name, part in schema["properties"].items()}
            extra = [name for name in fields if name not in schema["required"]]
            optional = {name: fields.pop(name) for name in extra}
            return st.fixed_dictionaries(fields, optional=optional)
        case "object":
            items = _of_schema(schema["additionalProperties"])
            return st.dictionaries(st.text(), items, max_size=3)
        case "array" if "prefixItems" in schema:
            return st.tuples(*map(_of_schema, schema["prefixItems"])).map(list)
        case "array":
            return st.lists(_of_schema(schema["items"]), max_size=3)
        case "string" if schema.get("format") == "date":
            return st.dates().map(str)
        case kind:
            of = {"boolean": st.booleans(), "integer": st.integers(), "null": st.none()}
            return of.get(kind, st.text())


@given(st.data())
def test_whatever_a_schema_allows_is_a_value_and_says_the_same_again(data: st.DataObject) -> None:
    kind = data.draw(KINDS)
    written = data.draw(_written(kind))
    form = reply_form(GenericAlias(list, (kind,)))
    text = json.dumps([written])
    constraint = constraint_of(json.loads(json.dumps(form.constraint)))
    assert fits(text, constraint)
    value = form.read(text)
    assert form.read(text) == value
    assert _again(value) == [written]


def _again(value: Kind) -> Kind:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, Birth):
        return {"name": value.name, "on": _again(value.on)}
    if isinstance(value, list | tuple):
        return [_again(item) for item in value]
    if isinstance(value, dict):
        return {name: _again(item) for name, item in value.items()}
    return value
