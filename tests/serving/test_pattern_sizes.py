import json
from typing import Any

import pytest
from outlines_core.json_schema import build_regex_from_schema

from rlm_local.serving.grammar_schemas import automaton_schema
from rlm_local.serving.pattern_sizes import pattern_chars

TEXT: dict[str, Any] = {"type": "string"}


def names(count: int, *, required: bool) -> dict[str, Any]:
    properties = {f"name {n}": TEXT for n in range(count)}
    return {"type": "object", "properties": properties, "required": list(properties)[:required]}


def nested(depth: int, kind: str) -> dict[str, Any]:
    schema = TEXT
    for _ in range(depth):
        schema = {"type": kind, "items" if kind == "array" else "additionalProperties": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        TEXT,
        {"type": "number"},
        {"type": "integer", "minimum": 0, "maximum": 500},
        {"type": "string", "maxLength": 20},
        {"type": "string", "format": "date"},
        {"enum": ["a.b", "a thing", 5, None, 1.5]},
        {"anyOf": [TEXT, {"type": "integer"}]},
        {"type": "array", "prefixItems": [TEXT, {"type": "number"}]},
        {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 5},
        names(12, required=True),
        names(12, required=False),
        nested(5, "array"),
        nested(5, "object"),
    ],
)
def test_a_pattern_is_no_longer_than_said_and_not_by_far_shorter(schema: dict[str, Any]) -> None:
    written = automaton_schema(json.dumps(schema))
    real = len(build_regex_from_schema(written, " ?"))
    assert real <= pattern_chars(written) <= 3 * real + 60


@pytest.mark.parametrize(
    "schema", [nested(60, "array"), nested(60, "object"), names(2000, required=False)]
)
def test_patterns_that_nothing_could_hold_are_only_estimated(schema: dict[str, Any]) -> None:
    assert pattern_chars(automaton_schema(json.dumps(schema))) > 1_000_000
