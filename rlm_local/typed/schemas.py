"""Checking a text against a JSON schema that a cell wrote: fetches nothing, and always ends.

Only references inside the schema are followed, and only so many steps are taken. Patterns are
matched in linear time or, where that cannot be done, taken as fitting, as are the
`unevaluated...` keywords.
"""

import functools
import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, Protocol

from pydantic import PydanticUserError, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from rlm_local.errors import ModelError
from rlm_local.typed.counted_keywords import CountedKeywords, Keyword, OutOfSteps

__all__ = ["SchemaCheck", "parsed_reply", "parsed_schema", "schema_check"]

_SEARCHES = ("patternProperties", "unevaluatedItems", "unevaluatedProperties")
"""Keywords that search by `re`, which a hostile pattern hangs, or that double at each level."""
_STRANGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What jsonschema raises at a schema whose references lead to something that is none."""
_LONGEST_REPLY = 1 << 19
_MOST_LEVELS = 200
"""Of a reply; no schema that is let in asks for as many."""


class _Validator(Protocol):
    def is_valid(self, instance: object) -> bool: ...


class SchemaCheck:
    """Says whether texts fit one schema."""

    def __init__(self, schema: str) -> None:
        """Read a schema.

        Raises:
            ModelError: it is none, or one that cannot be used safely.
        """
        self._steps = CountedKeywords()
        self._validator = self._validator_of(parsed_schema(schema))

    def fits(self, text: str) -> bool:
        """Whether a text is JSON that fits; one that takes too long to check does not.

        Raises:
            ModelError: the schema refers to what is not there, or to itself without end.
        """
        from referencing.exceptions import Unresolvable

        try:
            value = parsed_reply(text)
        except ValueError:
            return False
        self._steps.start()
        try:
            return self._validator.is_valid(value)
        except OutOfSteps:
            return False
        except Unresolvable as error:
            raise ModelError(f"a schema refers to what it does not have: {error!s:.200}") from error
        except RecursionError as error:
            raise ModelError("a schema goes too deep, or refers to itself without end") from error
        except _STRANGE as error:
            raise ModelError(f"a reply cannot be checked by its schema: {error!s:.200}") from error

    def _validator_of(self, parsed: dict[str, Any]) -> _Validator:
        import jsonschema  # type: ignore[import-untyped]  # ships no types
        from referencing import Registry

        try:
            kind = jsonschema.validators.validator_for(
                parsed, default=jsonschema.Draft202012Validator
            )
            kind.check_schema(parsed)
        except jsonschema.SchemaError as error:
            raise ModelError(f"not a JSON schema: {error.message:.500}") from error
        except _STRANGE as error:
            raise ModelError(f"not a JSON schema that can be used: {error!s:.200}") from error
        # Any part that names a dialect would be checked by that one's own keywords again.
        bare = {key: value for key, value in parsed.items() if key != "$schema"}
        if any(isinstance(part.get("$schema"), str) for part in _objects(bare)):
            raise ModelError("not a JSON schema that can be used: a $schema inside of it")
        keywords = self._steps.counting(kind.VALIDATORS | self._safe_keywords(kind.VALIDATORS))
        safe = jsonschema.validators.extend(kind, keywords)
        validator: _Validator = safe(bare, registry=Registry())
        return validator

    def _safe_keywords(self, standard: dict[str, Keyword]) -> dict[str, Keyword]:
        safe: dict[str, Keyword] = dict.fromkeys(_SEARCHES, _nothing_wrong)
        safe["pattern"] = _pattern
        safe["additionalProperties"] = _unless_by_pattern(standard["additionalProperties"])
        return safe


@functools.lru_cache(maxsize=32)
def schema_check(schema: str) -> SchemaCheck:
    """The check of a schema, kept; raises as `SchemaCheck` does."""
    return SchemaCheck(schema)


def parsed_reply(text: str) -> object:
    """A reply as JSON: none of Python's own numbers, no name twice, not too long or deep.

    Raises:
        ValueError: it is none.
    """
    if len(text) > _LONGEST_REPLY:
        raise ValueError("longer than a reply can be")
    try:
        value: object = json.loads(
            text, parse_constant=_number, parse_float=_number, object_pairs_hook=_object
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [
            inner
            for part in level
            if isinstance(part, list | dict)
            for inner in (part if isinstance(part, list) else part.values())
        ]
        if not level:
            return value
    raise ValueError("nested too deeply")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.40} is no number of JSON")
    return number


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def parsed_schema(schema: str) -> dict[str, Any]:
    """The schema as an object.

    Raises:
        ModelError: it is not JSON, or not an object.
    """
    try:
        parsed = json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"a schema is not JSON: {schema[:80]!r}") from error
    if not isinstance(parsed, dict):
        raise ModelError(f"a schema is not a JSON object: {schema[:80]!r}")
    return parsed


def _objects(value: object) -> Iterator[dict[str, Any]]:
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            yield part
            rest.extend(part.values())
        elif isinstance(part, list):
            rest.extend(part)


def _nothing_wrong(*_: object) -> None:
    return None


def _pattern(_: object, pattern: object, instance: object, *_rest: object) -> Iterator[Exception]:
    import jsonschema

    if isinstance(instance, str) and not _is_found(str(pattern), instance):
        yield jsonschema.ValidationError(f"{instance!r:.80} does not match {pattern!r:.80}")


def _unless_by_pattern(standard: Keyword) -> Keyword:
    def additional_properties(
        validator: object, value: object, instance: object, schema: dict[str, object]
    ) -> Iterator[Exception]:
        if "patternProperties" not in schema:
            yield from standard(validator, value, instance, schema) or ()

    return additional_properties


def _is_found(pattern: str, text: str) -> bool:
    searcher = _searcher(pattern)
    if searcher is None:
        return True
    try:
        searcher.validate_python(text)
    except ValidationError:
        return False
    return True


@functools.lru_cache(maxsize=64)
def _searcher(pattern: str) -> TypeAdapter[str] | None:
    """A search in linear time; `None` for what that engine lacks, such as looking ahead."""
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except (SchemaError, PydanticUserError):
        return None
