"""One event <-> one line of JSON, by the `kind` tag of `events.EVENT_KINDS`.

Pure: opens no file. Text is ASCII-escaped, so that lone surrogates and control characters
survive; a high and a low surrogate side by side come back as the character they spell.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from rlm_local.events import EVENT_KINDS, Event
from rlm_local.types import Json

__all__ = ["RecordError", "UnknownKind", "decode_event", "encode_event", "event_json"]

Decoder = Callable[[object, str], object]
"""Turns a JSON value into a field's value; the text is the field's name, for complaints."""


class RecordError(ValueError):
    """A line is not the record its kind promises; says which field and why."""


class UnknownKind(Exception):
    """The line is a record of a kind this version does not know."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def encode_event(event: Event) -> bytes:
    """One line, `kind` first, newline included.

    Raises:
        TypeError: a field holds what JSON has no word for.
    """
    return _ENCODER.encode(event).encode("ascii") + b"\n"


def event_json(event: Event) -> dict[str, Json]:
    """The event as a JSON object, `kind` first."""
    data: dict[str, Json] = json.loads(_ENCODER.encode(event))
    return data


def decode_event(line: bytes | str) -> Event:
    """The event of one line. Fields this version does not know are left out.

    Raises:
        UnknownKind: an object with a `kind` of another version.
        RecordError: not JSON, no `kind`, or a field is missing or of the wrong type.
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON ({error})") from error
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise RecordError('not a JSON object with a text under "kind"')
    record: type | None = EVENT_KINDS.get(data["kind"])
    if record is None:
        raise UnknownKind(data["kind"])
    return cast("Event", _dataclass_decoder(record)(data, ""))


def _plain(value: object) -> dict[str, object]:
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} has no place in a trace")
    record: type = type(value)
    names = _field_names(record)
    plain = {name: getattr(value, name) for name in names}
    return {"kind": value.kind, **plain} if hasattr(value, "kind") else plain


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_plain)


@functools.cache
def _field_names(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


@functools.cache
def _dataclass_decoder(record: type) -> Decoder:
    hints = get_type_hints(record)
    decoders = {field.name: _decoder(hints[field.name]) for field in fields(record)}
    required = {
        field.name
        for field in fields(record)
        if field.default is MISSING and field.default_factory is MISSING
    }

    def decode(data: object, place: str) -> object:
        if not isinstance(data, dict):
            raise _mismatch(place, "an object", data)
        absent = required - data.keys()
        if absent:
            raise RecordError(f"missing {_join(place, min(absent))}")
        given = decoders.keys() & data.keys()
        return record(**{name: decoders[name](data[name], _join(place, name)) for name in given})

    return decode


def _decoder(hint: object) -> Decoder:
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        record: type = hint
        return _dataclass_decoder(record)
    if origin in (Union, UnionType):
        return _union_decoder(args)
    if origin is tuple:
        return _tuple_decoder(_decoder(args[0]))
    if origin is dict:
        return _dict_decoder(_decoder(args[1]))
    if origin is Literal:
        return _scalar_decoder((str,), "text")
    if hint is float:
        return _scalar_decoder((float, int), "a number", convert=float)
    scalar = cast("type", hint)
    return _scalar_decoder((scalar,), _SCALAR_NAMES[scalar])


_SCALAR_NAMES: dict[type, str] = {
    str: "text",
    int: "an integer",
    bool: "true or false",
    NoneType: "null",
}


def _scalar_decoder(
    types: tuple[type, ...], name: str, *, convert: Callable[[Any], object] | None = None
) -> Decoder:
    def decode(value: object, place: str) -> object:
        # type(), not isinstance: true is not an integer here
        if type(value) not in types:
            raise _mismatch(place, name, value)
        return convert(value) if convert else value

    return decode


def _tuple_decoder(item: Decoder) -> Decoder:
    def decode(value: object, place: str) -> object:
        if not isinstance(value, list):
            raise _mismatch(place, "a list", value)
        return tuple(item(part, f"{place}[{i}]") for i, part in enumerate(value))

    return decode


def _dict_decoder(item: Decoder) -> Decoder:
    def decode(value: object, place: str) -> object:
        if not isinstance(value, dict):
            raise _mismatch(place, "an object", value)
        return {key: item(part, _join(place, key)) for key, part in value.items()}

    return decode


def _union_decoder(members: tuple[object, ...]) -> Decoder:
    # int before float: 3 stays 3 in `float | int | None`
    decoders = [_decoder(member) for member in sorted(members, key=lambda member: member is float)]

    def decode(value: object, place: str) -> object:
        for member in decoders:
            try:
                return member(value, place)
            except RecordError as error:
                reason = error
        raise reason

    return decode


def _mismatch(place: str, expected: str, value: object) -> RecordError:
    return RecordError(f"{place or 'the line'}: expected {expected}, found {type(value).__name__}")


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
