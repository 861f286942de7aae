"""Whether a text is what a constraint asks for; always ends, whoever wrote pattern and schema.

Pure. Constraining tokens, and asking for a constraint in words, is the work of `serving`.
"""

import functools
import json
from typing import Annotated, assert_never

from pydantic import PydanticUserError, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from rlm_local.errors import ModelError
from rlm_local.typed.schema_limits import check_pattern
from rlm_local.typed.schemas import schema_check
from rlm_local.types import Choices, Constraint, JsonSchema, Regex

__all__ = ["check_constraint", "fits", "is_whole"]


def check_constraint(constraint: Constraint) -> None:
    """Make sure that a constraint can be asked for at all.

    Raises:
        ModelError: no choices, or a broken pattern or schema; quotes it.
    """
    match constraint:
        case Choices(values):
            if not values:
                raise ModelError("a reply cannot be one of no choices")
        case Regex(pattern):
            _matcher(pattern)
        case JsonSchema(schema):
            schema_check(schema)
        case _:
            assert_never(constraint)


def fits(text: str, constraint: Constraint) -> bool:
    """Whether the whole text satisfies the constraint; raises as `check_constraint` does."""
    match constraint:
        case Choices(values):
            return text in values
        case Regex(pattern):
            return _matches(pattern, text)
        case JsonSchema(schema):
            return schema_check(schema).fits(text)
        case _:
            assert_never(constraint)


def is_whole(text: str, constraint: Constraint) -> bool:
    """Whether a text that fits and ran into its length limit cannot have been meant to go on."""
    match constraint:
        case Choices(values):
            return not any(value != text and value.startswith(text) for value in values)
        case Regex():
            return False  # nothing says whether more would have matched as well
        case JsonSchema():
            return isinstance(json.loads(text), bool | str | list | dict | None)
        case _:
            assert_never(constraint)


def _matches(pattern: str, text: str) -> bool:
    try:
        _matcher(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


@functools.lru_cache(maxsize=16)
def _matcher(pattern: str) -> TypeAdapter[str]:
    """A matcher in linear time: a pattern may come from a cell, and must not hang the host.

    Each may take ten megabytes, so few are kept.
    """
    try:
        check_pattern(pattern)
    except ValueError as error:
        raise ModelError(str(error)) from error
    try:
        _compiled(pattern)  # by itself: "a)|(?:b" would be one only inside of a group
        return _compiled(rf"\A(?:{pattern})\z")
    except (SchemaError, PydanticUserError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(f"not a usable regular expression: {pattern!r:.200} ({reason})") from error


def _compiled(pattern: str) -> TypeAdapter[str]:
    return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
