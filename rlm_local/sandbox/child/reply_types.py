"""What a cell asks a reply to be, as it travels to the host, and the reply as a value of that.

Only a schema or a list of choices leaves the process; values of the cell's own classes are made
here, from the text that came back. Types of Python are `reply_shapes`' work, others pydantic's,
where the REPL has it.
"""

import importlib
import json
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeAlias

from rlm_local.sandbox.child.reply_shapes import Kind, NotPlain, literal_values, shape_of

__all__ = ["JSON", "TEXT", "ReplyForm", "reply_form"]

_MOST_CHOICES = 1000
_REASON_CHARS = 500

ValidationError: TypeAlias = Any
"""Pydantic's, which is not imported here."""


class ReplyForm(NamedTuple):
    """How to ask for a type: constraint arguments of `llm_query`, and what reads a reply."""

    constraint: dict[str, object]
    convert: Callable[[str], object]

    def read(self, text: str) -> object:
        """The value a reply stands for.

        Raises:
            ValueError: it stands for none; says why.
        """
        try:
            return self.convert(text)
        except Exception as error:  # the cell's own validators raise what they like
            # Not str(): of an error of the cell's it is the cell's code too.
            words = "".join(traceback.format_exception_only(error)).strip()
            raise ValueError(words.removeprefix("ValueError: ")[:_REASON_CHARS]) from error


def reply_form(kind: Kind) -> ReplyForm:
    """How to ask for values of a type.

    Raises:
        TypeError: it is no type that JSON can stand for; says what would do.
    """
    if kind is str:
        return TEXT
    named = _choices(kind)
    if named is not None:
        return ReplyForm({"choices": list(named)}, lambda text: _chosen(text, named))
    try:
        shape = shape_of(kind)
    except NotPlain as error:
        return _by_pydantic(kind, str(error))
    return ReplyForm({"schema": shape.schema}, lambda text: shape.value_of(_parsed(text)))


def _choices(kind: Kind) -> dict[str, object] | None:
    """Members by the text that stands for each, where each has one: no quotes are needed then."""
    members = literal_values(kind) or []
    values = [getattr(member, "value", member) for member in members]
    named = {
        str.__str__(value).strip(): member
        for value, member in zip(values, members, strict=True)
        if isinstance(value, str)
    }
    fits = 2 <= len(named) <= _MOST_CHOICES and all(named) and len(named) == len(members)
    return named if fits else None


def _chosen(text: str, named: dict[str, object]) -> object:
    if text not in named:
        raise ValueError(f"{text!r:.100} is none of {list(named)!r:.200}")
    return named[text]


def _by_pydantic(kind: Kind, name: str) -> ReplyForm:
    try:
        # Never at the top: only a cell that wants it pays for it, and it may not be installed.
        pydantic = importlib.import_module("pydantic")
    except ImportError:
        raise TypeError(
            f"type: {name} is not one of bool, int, float, str, date, datetime, Literal, Enum, "
            "TypedDict, a dataclass, or list, dict, tuple, Optional of these; others need "
            "pydantic, which this REPL lacks"
        ) from None
    try:
        adapter = pydantic.TypeAdapter(kind)
        schema = adapter.json_schema()
    except pydantic.errors.PydanticUserError as error:
        reason = str(error).strip().partition("\n")[0]
        raise TypeError(f"type: {name} cannot be asked for as JSON: {reason}") from error

    def convert(text: str) -> object:
        _parsed(text)  # pydantic takes NaN, and of two fields of one name the last
        try:
            return adapter.validate_json(text)
        except pydantic.ValidationError as error:
            raise ValueError(_faults(error)) from error

    return ReplyForm({"schema": schema}, convert)


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, fault["loc"])), fault["msg"])))
        for fault in faults
    )


def _parsed(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_fields)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not whole JSON: {error}") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = [name for name in fields if names.count(name) > 1]
        raise ValueError(f"fields given more than once: {twice!r:.200}")
    return fields


TEXT = ReplyForm({}, lambda text: text)
"""Whatever the model writes."""
JSON = ReplyForm({}, _parsed)
"""Whatever JSON stands in the reply; the host holds it to its schema."""
