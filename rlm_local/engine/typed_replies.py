"""Constraints of sub-calls: read from what a cell passed, checked on what came back. Pure."""

import json

from rlm_local.errors import ModelError
from rlm_local.typed import fitting
from rlm_local.typed.schema_limits import admitted_schema
from rlm_local.typed.schemas import parsed_reply
from rlm_local.types import Choices, Constraint, Json, JsonSchema, Regex

__all__ = ["MISFIT", "constraint_of", "fits", "is_quickly_read", "misfit"]

MISFIT = "the reply does not have the form that was asked for: "
"""How the reason of an item begins whose reply did not fit; a REPL knows it by that."""

_MOST_CHOICES = 1000
_LONGEST_PATTERN = 4000
_QUOTED_CHARS = 1000
_QUICK_CHARS = 2000
_QUICK_PATTERN_CHARS = 200


def constraint_of(args: dict[str, Json]) -> Constraint | None:
    """The constraint a call names, if any.

    Args:
        args: of an `llm_query` call; comes from a cell, so nothing about it is sure.

    Raises:
        ValueError: more than one constraint, or one that means nothing; fit to show the root.
    """
    given = [name for name in ("choices", "regex", "schema") if args.get(name) is not None]
    if not given:
        return None
    if len(given) > 1:
        raise ValueError(f"give one of choices, regex, schema; not {' and '.join(given)}")
    value = args[given[0]]
    if given[0] == "choices":
        return _choices(value)
    if given[0] == "regex":
        return _regex(value)
    return _schema(value)


def is_quickly_read(args: dict[str, Json]) -> bool:
    """Whether `constraint_of` takes a moment only; else it is for a thread."""
    pattern = args.get("regex")
    if isinstance(pattern, str) and (len(pattern) > _QUICK_PATTERN_CHARS or "{" in pattern):
        return False
    rest, n_chars = [args.get("choices"), args.get("schema")], 0
    while rest:
        value = rest.pop()
        if isinstance(value, str | list | dict):
            n_chars += len(value) + 1
        if n_chars > _QUICK_CHARS:
            return False
        if isinstance(value, list):
            rest.extend(value)
        elif isinstance(value, dict):
            n_chars += sum(map(len, value))
            rest.extend(value.values())
    return n_chars <= _QUICK_CHARS


def fits(text: str, constraint: Constraint | None, *, was_cut: bool = False) -> bool:
    """Whether a reply satisfies its constraint, and is all of what was meant. Always ends.

    Args:
        text: the reply.
        constraint: what was asked for.
        was_cut: whether it ran into its length limit.
    """
    if constraint is None:
        return True
    try:
        return fitting.fits(text, constraint) and not (
            was_cut and not fitting.is_whole(text, constraint)
        )
    except ModelError:  # no schema to hold a reply to; the REPL reads it once more
        return _is_json(text)


def misfit(text: str) -> str:
    """The reason of an item whose reply did not fit, with the reply as JSON after it."""
    return MISFIT + json.dumps(text[:_QUOTED_CHARS], ensure_ascii=False)


def _choices(value: Json) -> Choices:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("choices must be a list of texts")
    texts = tuple(dict.fromkeys(item.strip() for item in value if isinstance(item, str)))
    if len(texts) < 2 or not all(texts) or len(texts) > _MOST_CHOICES:
        raise ValueError(
            f"choices must be 2 to {_MOST_CHOICES} different texts, none empty; not {len(texts)}"
        )
    return Choices(texts)


def _regex(value: Json) -> Regex:
    if not isinstance(value, str) or not value or len(value) > _LONGEST_PATTERN:
        raise ValueError(f"regex must be a pattern of 1 to {_LONGEST_PATTERN} characters")
    regex = Regex(value)
    _check(regex)
    return regex


def _schema(value: Json) -> JsonSchema:
    if not isinstance(value, dict):
        raise ValueError(f"schema must be a JSON schema as a dict, not {type(value).__name__}")
    schema = JsonSchema(admitted_schema(value))
    _check(schema)
    return schema


def _check(constraint: Constraint) -> None:
    try:
        fitting.check_constraint(constraint)
    except ModelError as error:
        raise ValueError(str(error)) from error


def _is_json(text: str) -> bool:
    try:
        parsed_reply(text)
    except ValueError:
        return False
    return True
