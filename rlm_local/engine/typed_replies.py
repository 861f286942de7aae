"""Constraints of sub-calls: read from what a cell passed, checked on what came back. Pure."""

import json
import re
from collections.abc import Iterator
from typing import assert_never

from rlm_local.types import Choices, Constraint, Json, JsonSchema, Regex

__all__ = ["constraint_of", "fits"]

_MOST_CHOICES = 1000
_LONGEST_PATTERN = 4000
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


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


def fits(text: str, constraint: Constraint | None, *, was_cut: bool = False) -> bool:
    """Whether a reply satisfies its constraint, as far as it is safe to look.

    A pattern is not matched here: it comes from a cell, and a hostile one would hang the engine.
    Models promise to keep to it unless the reply was cut (`interfaces.Model.complete`).

    Args:
        text: the reply.
        constraint: what was asked for.
        was_cut: whether it ran into its length limit.
    """
    match constraint:
        case None:
            return True
        case Choices(values):
            return text in values
        case JsonSchema():
            return _is_json(text)
        case Regex():
            return bool(text) and not was_cut
        case _:
            assert_never(constraint)


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
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"regex does not compile: {error}") from error
    return Regex(value)


def _schema(value: Json) -> JsonSchema:
    if not isinstance(value, dict):
        raise ValueError(f"schema must be a JSON schema as a dict, not {type(value).__name__}")
    for key, target in _references(value):
        if not target.startswith("#"):  # another would be fetched from the host's disk or network
            raise ValueError(
                f"schema may refer only to its own parts, as in '#/$defs/name'; "
                f"not {key} to {target!r:.100}"
            )
    try:
        return JsonSchema(json.dumps(value, sort_keys=True))
    except RecursionError as error:
        raise ValueError("schema is nested too deeply") from error


def _references(schema: Json) -> Iterator[tuple[str, str]]:
    """Every reference anywhere in it; a property that is called `$ref` is none."""
    rest = [schema]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            for key in _REFERENCES:
                target = part.get(key)
                if isinstance(target, str):
                    yield key, target
            rest.extend(part.values())
        elif isinstance(part, list):
            rest.extend(part)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
