"""What a cell may pass to the functions that ask the host, checked before it is sent.

The host takes anything out of range for a broken worker and ends it, so an honest mistake of the
model must become a Python error here.
"""

import json
from collections.abc import Callable, Iterable

__all__ = ["MAX_PASSAGES", "MAX_REPLY_TOKENS", "whole_number", "worker_options"]

MAX_PASSAGES = 1000
MAX_REPLY_TOKENS = 1 << 20
_MAX_NESTING = 100


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
    choices: Iterable[object] | None, regex: str | None, schema: object, max_tokens: object
) -> dict[str, object]:
    """The constraint and length of a sub-call, as they travel.

    Raises:
        ValueError: out of range, empty, or more than one constraint.
        TypeError: of the wrong type.
    """
    options: dict[str, object] = {}
    if choices is not None:
        options["choices"] = [str(choice) for choice in choices]
        if not options["choices"]:
            raise ValueError("choices is empty; give the texts the reply may be")
    if regex is not None:
        options["regex"] = _pattern(regex)
    if schema is not None:
        as_schema: Callable[[], object] | None = getattr(schema, "model_json_schema", None)
        options["schema"] = _parsed(as_schema() if as_schema else schema)
    if max_tokens is not None:
        options["max_tokens"] = whole_number("max_tokens", max_tokens, MAX_REPLY_TOKENS)
    if len({"choices", "regex", "schema"} & set(options)) > 1:
        raise ValueError("give one of choices, regex and schema, not several")
    return options


def _pattern(regex: object) -> str:
    if not isinstance(regex, str):
        raise TypeError(f"regex must be a pattern as a str, not {type(regex).__name__}")
    return regex


def _parsed(schema: object) -> object:
    value = json.loads(schema) if isinstance(schema, str) else schema
    if not isinstance(value, dict):
        raise TypeError(f"schema must be a JSON schema as a dict, not {type(schema).__name__}")
    _check_nesting(value, _MAX_NESTING)
    return json.loads(json.dumps(value, allow_nan=False))  # names as JSON has them, each once


def _check_nesting(value: object, levels: int) -> None:
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list | tuple) or not isinstance(inner, Iterable):
        return
    if not levels:
        raise ValueError(f"schema is nested more than {_MAX_NESTING} levels deep")
    for item in inner:
        _check_nesting(item, levels - 1)
