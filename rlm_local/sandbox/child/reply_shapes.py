"""Python's own types as JSON schemas, and JSON values as values of those types.

Knows what needs no package: numbers, texts, dates, lists, dicts, tuples, Literal, Enum, Optional,
TypedDict, NamedTuple, dataclasses, and these inside each other. All else is `NotPlain`.
"""

import json
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence, Set
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Kind", "NotPlain", "Shape", "literal_values", "shape_of"]

Kind: TypeAlias = Any
"""A type, or what a cell wrote in place of one."""

_CONVERSION_ERRORS = (ValueError, TypeError, ArithmeticError, LookupError)
_LISTS = (list, Sequence, typing.Iterable)
_SETS = (set, frozenset, Set)
_DICTS = (dict, Mapping)
_DATE = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_WRAPPERS = ("Required", "NotRequired", "ReadOnly")


class NotPlain(TypeError):
    """A type that this module does not know; names it."""


class Shape(NamedTuple):
    """A type as JSON: its schema, and how a parsed value becomes one of it (or a ValueError)."""

    schema: dict[str, object]
    value_of: Callable[[Any], object]


def shape_of(kind: Kind, within: tuple[object, ...] = ()) -> Shape:
    """The shape of a type.

    Raises:
        NotPlain: it is none of those known here.
        TypeError: it contains itself, or names types that are not there.
    """
    if any(kind is outer for outer in within):
        raise TypeError(
            f"type: {_name(kind)} contains itself, so a reply would have no end; "
            "write out the levels you need as types of their own"
        )
    inner = (*within, kind)
    origin: Kind = typing.get_origin(kind)
    if origin is not None:
        return _generic(kind, origin, inner)
    if kind in (Any, object):
        return Shape({}, lambda value: value)
    if kind is None or kind is type(None):
        return _checked({"type": "null"}, type(None))
    if not isinstance(kind, type):
        raise NotPlain(_name(kind))
    return _class(kind, inner)


def literal_values(kind: Kind) -> list[object] | None:
    """What a Literal or an Enum may be, by the values that stand for it; else None."""
    origin: Kind = typing.get_origin(kind)
    if origin is typing.Literal:
        return list(typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)
    return None


def _json_kind(value: object) -> str:
    """The name of a JSON value's type, for messages."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text",
             list: "a list", dict: "an object", type(None): "null"}  # fmt: skip
    return names.get(type(value), type(value).__name__)


def _class(kind: type, inner: tuple[object, ...]) -> Shape:
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind.__module__ == "datetime" and kind.__name__ in ("date", "datetime", "time"):
        return _moment(kind)
    if issubclass(kind, Enum):
        return _one_of(list(kind))
    if typing.is_typeddict(kind):
        return _typed_dict(kind, inner)
    if hasattr(kind, "__dataclass_fields__") and not hasattr(kind, "__pydantic_validator__"):
        return _dataclass(kind, inner)
    if issubclass(kind, tuple) and hasattr(kind, "_field_defaults"):
        hints = _hints(kind)
        if untyped := [name for name in getattr(kind, "_fields", ()) if name not in hints]:
            names = ", ".join(untyped)
            raise TypeError(f"type: {_name(kind)} has no types for {names}; use typing.NamedTuple")
        required = [name for name in hints if name not in kind._field_defaults]
        return _record(kind, hints, required, inner)
    bare = {list: list[Any], dict: dict[str, Any], set: set[Any], tuple: tuple[Any, ...]}
    if kind in bare:
        return shape_of(bare[kind], inner)
    raise NotPlain(_name(kind))


def _generic(kind: Kind, origin: Kind, inner: tuple[object, ...]) -> Shape:
    arguments = typing.get_args(kind)
    if origin is typing.Literal:
        return _one_of(list(arguments))
    if origin in (typing.Union, types.UnionType):
        return _union([shape_of(argument, inner) for argument in arguments])
    if origin is tuple:
        return _tuple(arguments, inner)
    if origin in _LISTS or origin in _SETS:
        return _list(shape_of(arguments[0], inner), frozenset if origin is frozenset else
                     set if origin in _SETS else list)  # fmt: skip
    if origin in _DICTS:
        return _dict(*(shape_of(argument, inner) for argument in arguments))
    if getattr(origin, "_name", None) in _WRAPPERS:
        return shape_of(arguments[0], inner)
    raise NotPlain(_name(kind))


def _checked(schema: dict[str, object], *kinds: type) -> Shape:
    def value_of(value: object) -> object:
        if type(value) not in kinds:
            raise ValueError(f"{value!r:.100} is {_json_kind(value)}, not {_words(schema)}")
        return value

    return Shape(schema, value_of)


def _integer(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 3.0 is an integer in JSON
    if type(value) is not int:
        raise ValueError(f"{value!r:.100} is {_json_kind(value)}, not an integer")
    return value


def _number(value: object) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{value!r:.100} is {_json_kind(value)}, not a number")
    number = float(typing.cast("float", value))
    if not math.isfinite(number):
        raise ValueError(f"{value!r:.100} is not a finite number")
    return number


_SCALARS: dict[type, Shape] = {
    bool: _checked({"type": "boolean"}, bool),
    int: Shape({"type": "integer"}, _integer),
    float: Shape({"type": "number"}, _number),
    str: _checked({"type": "string"}, str),
}


def _moment(kind: Kind) -> Shape:
    text = _SCALARS[str].value_of
    formats = {"date": "date", "datetime": "date-time", "time": "time"}
    schema: dict[str, object] = {"type": "string", "format": formats[kind.__name__]}
    if kind.__name__ == "date":
        schema["pattern"] = _DATE

    def value_of(value: object) -> object:
        written = typing.cast("str", text(value))
        if kind.__name__ == "datetime" and not any(mark in written for mark in "Tt "):
            raise ValueError(f"{written!r:.100} is a date without a time of day")
        return kind.fromisoformat(written)

    return Shape(schema, value_of)


def _one_of(members: list[object]) -> Shape:
    """Members of an Enum stand for their values, or their names where those are no JSON."""
    plain: dict[tuple[bool, object], object] = {}
    for member in members:
        known = _json_key(_stand_in(member))
        if known in plain:
            raise TypeError(f"type: {member!r:.100} and another are both {known[1]!r:.100} in JSON")
        plain[known] = member
    stand_ins = [stands_for for _, stands_for in plain]

    def value_of(value: object) -> object:
        if isinstance(value, list | dict) or _json_key(value) not in plain:
            raise ValueError(f"{value!r:.100} is none of {stand_ins!r:.200}")
        return plain[_json_key(value)]

    return Shape({"enum": stand_ins}, value_of)


def _json_key(value: object) -> tuple[bool, object]:
    """Equal for values that are the same in JSON: 1 is 1.0 there, and not true."""
    return isinstance(value, bool), value


def _stand_in(member: object) -> object:
    value = member.value if isinstance(member, Enum) else member
    if type(value) in (str, int, float, bool, type(None)):
        return value
    if isinstance(member, Enum):
        return member.name
    raise NotPlain(f"Literal[{value!r:.100}]")


def _union(members: list[Shape]) -> Shape:
    def value_of(value: object) -> object:
        reasons = []
        for member in members:
            try:
                return member.value_of(value)
            except _CONVERSION_ERRORS as error:
                reasons.append(str(error))
        raise ValueError("; ".join(dict.fromkeys(reasons)))

    return Shape({"anyOf": [member.schema for member in members]}, value_of)


def _items(value: object, n_items: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (n_items is not None and len(value) != n_items):
        wanted = "a list" if n_items is None else f"a list of {n_items}"
        raise ValueError(f"{value!r:.100} is not {wanted}")
    return value


def _list(item: Shape, collect: Callable[[list[object]], object]) -> Shape:
    schema: dict[str, object] = {"type": "array", "items": item.schema}
    return Shape(schema, lambda value: collect([item.value_of(each) for each in _items(value)]))


def _tuple(arguments: tuple[Any, ...], inner: tuple[object, ...]) -> Shape:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _list(shape_of(arguments[0], inner), tuple)
    members = [shape_of(argument, inner) for argument in arguments]
    n_items = len(members)
    schema: dict[str, object] = {
        "type": "array", "minItems": n_items, "maxItems": n_items,
        **({"prefixItems": [member.schema for member in members]} if members else {}),
    }  # fmt: skip
    return Shape(
        schema,
        lambda value: tuple(
            member.value_of(each)
            for member, each in zip(members, _items(value, n_items), strict=True)
        ),
    )


def _fields(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.100} is {_json_kind(value)}, not an object")
    return value


def _dict(key: Shape, item: Shape) -> Shape:
    """Keys are texts in JSON: those of other types are read from the text they were written as.

    Where both a text and another type would do, as in `int | str`, "1" is the number.
    """
    is_text = key.schema.get("type") == "string" or not key.schema
    names = key.schema.get("enum")
    schema: dict[str, object] = {"type": "object", "additionalProperties": item.schema}
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        is_text = True
        schema["propertyNames"] = {"enum": names}

    def value_of(value: object) -> object:
        read: dict[object, object] = {}
        for name, each in _fields(value).items():
            known = key.value_of(name) if is_text else _key(key, name)
            if known in read:
                raise ValueError(f"{name!r:.100} is a key that is there already: {known!r:.100}")
            read[known] = item.value_of(each)
        return read

    return Shape(schema, value_of)


def _key(key: Shape, name: str) -> object:
    try:
        return key.value_of(json.loads(name))
    except _CONVERSION_ERRORS as error:
        try:
            return key.value_of(name)
        except _CONVERSION_ERRORS:
            raise ValueError(f"the key {name!r:.100}: {error}") from error


def _typed_dict(kind: Kind, inner: tuple[object, ...]) -> Shape:
    return _record(dict, _hints(kind), sorted(kind.__required_keys__), inner)


def _dataclass(kind: Kind, inner: tuple[object, ...]) -> Shape:
    import dataclasses

    hints = _hints(kind)
    for name, hint in hints.items():
        if hint is dataclasses.InitVar or isinstance(hint, dataclasses.InitVar):
            raise TypeError(f"type: {name} of {_name(kind)} is an InitVar; write a plain field")
    fields = [field for field in dataclasses.fields(kind) if field.init]
    required = [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return _record(kind, {field.name: hints[field.name] for field in fields}, required, inner)


def _record(
    make: Callable[..., object],
    hints: dict[str, Any],
    required: list[str],
    inner: tuple[object, ...],
) -> Shape:
    shapes = {name: shape_of(hint, inner) for name, hint in hints.items()}
    schema: dict[str, object] = {
        "type": "object", "properties": {name: shape.schema for name, shape in shapes.items()},
        "required": required, "additionalProperties": False,
    }  # fmt: skip

    def value_of(value: object) -> object:
        fields = _fields(value)
        missing = [name for name in required if name not in fields]
        unknown = [name for name in fields if name not in shapes]
        if missing or unknown:
            raise ValueError(f"fields missing: {missing}, unknown: {unknown!r:.200}")
        return make(**{name: _field(name, shapes[name], each) for name, each in fields.items()})

    return Shape(schema, value_of)


def _field(name: str, shape: Shape, value: object) -> object:
    try:
        return shape.value_of(value)
    except _CONVERSION_ERRORS as error:
        raise ValueError(f"{name}: {error}") from error


def _hints(kind: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except NameError as error:
        raise TypeError(f"type: {_name(kind)} names a type that is not there: {error}") from error


def _words(schema: dict[str, object]) -> str:
    return {"boolean": "true or false", "string": "a text", "null": "null"}[str(schema["type"])]


def _name(kind: object) -> str:
    return kind.__name__ if type(kind) is type else repr(kind)[:100]
