"""What a cell may pass to the functions that ask the host, checked before it is sent.

The host takes anything out of range for a broken worker and ends it, so an honest mistake of the
model must become a Python error here.
"""

import json
import re
from collections.abc import Callable, Iterable
from enum import Enum

from rlm_local.sandbox.child.reply_types import JSON, TEXT, ReplyForm, reply_form

__all__ = ["MAX_PASSAGES", "MAX_REPLY_TOKENS", "whole_number", "worker_options"]

MAX_PASSAGES = 1000
MAX_REPLY_TOKENS = 1 << 20
_MAX_NESTING = 100
_MAX_SCHEMA_CHARS = 1 << 16


def whole_number(name: str, value: object, at_most: int) -> int:
    """`value` as an integer from 1 to `at_most`; 3.0 and "3" count as 3.

    Raises:
        ValueError: it is none, or out of range; says what would do.
    """
    try:
        number = int(value)  # type: ignore[call-overload]  # whatever it is, int() judges
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be a whole number, not {value!r:.100}") from None
    if not 1 <= number <= at_most:
        raise ValueError(f"{name} must be from 1 to {at_most:,}, not {number}")
    return int(number)


def worker_options(
    choices: Iterable[object] | None,
    regex: object,
    schema: object,
    *,
    kind: object = None,
    max_tokens: object = None,
) -> tuple[dict[str, object], ReplyForm]:
    """The constraint and length of a sub-call as they travel, and what reads its replies.

    Args:
        choices: texts, one of which the reply is.
        regex: pattern of the whole reply, as text or compiled without flags.
        schema: JSON schema as a dict or text, or what has `model_json_schema`.
        kind: type of the value to make of the reply.
        max_tokens: of the reply.

    Raises:
        ValueError: out of range, empty, or more than one constraint.
        TypeError: of the wrong type.
    """
    named = {"type": kind, "choices": choices, "regex": regex, "schema": schema}
    given = [name for name, value in named.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"give one of type, choices, regex and schema, not {' and '.join(given)}")
    form = TEXT if kind is None else reply_form(kind)
    options = dict(form.constraint)
    if "schema" in options:
        options["schema"] = _parsed(options["schema"])
    if choices is not None:
        options["choices"] = [_text_of(choice) for choice in choices]
        if not options["choices"]:
            raise ValueError("choices is empty; give the texts the reply may be")
    if regex is not None:
        options["regex"] = _pattern(regex)
    if schema is not None:
        as_schema: Callable[[], object] | None = getattr(schema, "model_json_schema", None)
        options["schema"] = _parsed(as_schema() if as_schema else schema)
        form = JSON
    if max_tokens is not None:
        options["max_tokens"] = whole_number("max_tokens", max_tokens, MAX_REPLY_TOKENS)
    return options, form


def _text_of(choice: object) -> str:
    return str(choice.value if isinstance(choice, Enum) else choice)


def _pattern(regex: object) -> str:
    if isinstance(regex, re.Pattern):
        if regex.flags & ~re.UNICODE:
            raise ValueError(f"flags of a pattern do not travel; write them inside: {regex!r:.200}")
        regex = regex.pattern
    if not isinstance(regex, str):
        raise TypeError(f"regex must be a pattern as a str, not {type(regex).__name__}")
    return regex


def _parsed(schema: object) -> object:
    value = json.loads(schema) if isinstance(schema, str) else schema
    if not isinstance(value, dict):
        raise TypeError(f"schema must be a JSON schema as a dict, not {type(schema).__name__}")
    _check_nesting(value, _MAX_NESTING)
    text = json.dumps(value, allow_nan=False)
    if len(text) > _MAX_SCHEMA_CHARS:
        raise ValueError(f"the schema has {len(text):,} characters; at most {_MAX_SCHEMA_CHARS:,}")
    return json.loads(text)  # names as JSON has them, each once


def _check_nesting(value: object, levels: int) -> None:
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list | tuple) or not isinstance(inner, Iterable):
        return
    if not levels:
        raise ValueError(f"schema is nested more than {_MAX_NESTING} levels deep")
    for item in inner:
        _check_nesting(item, levels - 1)
