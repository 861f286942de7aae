import json
import re
from typing import Any

import pytest
from outlines_core.json_schema import build_regex_from_schema

from rlm_local.errors import ModelError
from rlm_local.serving.grammar_schemas import automaton_schema, has_open_parts, server_schema
from rlm_local.typed.schemas import schema_check

NAMES = {"$ref": "#/$defs/Name", "$defs": {"Name": {"type": "string", "maxLength": 3}}}
ANIMALS = {
    "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/$defs/Cat"}},
    "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
    "$defs": {
        "Cat": {
            "type": "object",
            "title": "Cat",
            "properties": {"kind": {"const": "cat"}, "lives": {"minimum": 1, "maximum": 9,
                                                               "type": "integer"}},
            "required": ["kind", "lives"],
        },
        "Dog": {"type": "object", "properties": {"kind": {"const": "dog"}}, "required": ["kind"]},
    },
}  # fmt: skip
RECURSIVE = {
    "type": "object",
    "properties": {"inner": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
}

ALLOWED = [
    ({"type": "boolean"}, ["true"], ["1"]),
    ({"type": ["integer", "null"]}, ["1", "null"], ["true"]),
    (NAMES, ['"abc"'], ['"abcd"']),
    (ANIMALS, ['{"kind":"cat","lives":9}', '{"kind":"dog"}'], ['{"kind":"cat","lives":0}']),
    ({"const": {"a": 1}}, ['{"a":1}'], ['{"a":2}']),
    ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 3}, ["1", "2"], ["0", "3"]),
    ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, ["[1,2]"], ["[1,2,3]"]),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}]}, ["[1,null]"],
     ["[1]"]),
    ({"type": "string", "format": "date"}, ['"2024-01-31"'], ['"31.1.2024"']),
    ({"type": "string", "pattern": "^[a-z]+$", "maxLength": 5}, ['"ab"'], ['"AB"']),
    ({"pattern": "a|b"}, ['"b"'], ['"c"']),
    ({"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": {"type": "null"}}}],
      "$defs": {"A": {"type": "object", "properties": {"a": {"type": "null"}},
                      "required": ["a"]}}}, ['{"a":null,"b":null}'], ['{"b":null}']),
    ({"type": "object", "propertyNames": {"enum": ["x", "y"]},
      "additionalProperties": {"type": "integer"}}, ['{"x":1}', '{"x":1,"y":2}', "{}"],
     ['{"z":1}']),
    ({"type": "object", "additionalProperties": False}, ["{}"], ['{"a":1}']),
    ({"type": "object"}, ['{"a":1}', "{}"], ["1"]),
    ({}, ["1", '["a",1]', '{"a":true}'], []),
    ({"not": {"type": "integer"}}, ['"a"'], []),
    (RECURSIVE, ['{"inner":null}', "{}"], ['{"outer":1}']),
    ({"items": False}, [], ["1"]),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "inside", "outside"), ALLOWED)
def test_an_automaton_allows_what_the_schema_does(
    schema: dict[str, Any], inside: list[str], outside: list[str]
) -> None:
    pattern = re.compile(build_regex_from_schema(automaton_schema(json.dumps(schema))))
    for text in inside:
        assert pattern.fullmatch(text), text
        assert schema_check(json.dumps(schema)).fits(text)
    for text in outside:
        assert not pattern.fullmatch(text), text


@pytest.mark.parametrize(("schema", "inside", "outside"), ALLOWED)
def test_a_servers_schema_allows_no_less(
    schema: dict[str, Any], inside: list[str], outside: list[str]
) -> None:
    written = schema_check(server_schema(json.dumps(schema)))
    assert all(map(written.fits, inside))


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "array", "uniqueItems": True, "contains": {}, "items": {"multipleOf": 3}},
         {"type": "array", "items": {"type": "number"}}),
        ({"type": "string", "maxLength": 500, "format": "email"},
         {"type": "string", "maxLength": 500}),
        ({"type": "number", "exclusiveMinimum": 1.5}, {"type": "number", "minimum": 1.5}),
        ({"type": "integer", "minimum": 0.5}, {"type": "integer"}),
        ({"type": "string", "pattern": "(?=a)"}, {"type": "string"}),
        (RECURSIVE, {"type": "object", "required": [], "additionalProperties": False,
                     "properties": {"inner": {"anyOf": [{}, {"type": "null"}]}}}),
    ],
)  # fmt: skip
def test_a_servers_schema_lacks_what_grammars_lack(
    schema: dict[str, Any], written: dict[str, Any]
) -> None:
    if schema is RECURSIVE:
        inner = json.loads(server_schema(json.dumps(schema)))["properties"]["inner"]
        assert inner["anyOf"][1] == {"type": "null"}
        return
    assert json.loads(server_schema(json.dumps(schema))) == written


def test_what_an_automaton_cannot_count_is_left_to_the_check() -> None:
    long = {"type": "string", "maxLength": 5000}
    assert json.loads(automaton_schema(json.dumps(long))) == {"type": "string"}
    many = {"type": "array", "items": {"type": "null"}, "maxItems": 500, "minItems": 1}
    written = json.loads(automaton_schema(json.dumps(many)))
    assert written == {"type": "array", "items": {"type": "null"}, "minItems": 1}


def test_properties_are_written_in_the_order_given() -> None:
    schema = {"properties": {"why": {"type": "null"}, "answer": {"type": "null"}}}
    assert list(json.loads(server_schema(json.dumps(schema)))["properties"]) == ["why", "answer"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, True),
        ({"type": "object"}, True),
        ({"type": "array"}, True),
        ({"properties": {"a": {"items": {}}}}, True),
        (RECURSIVE, True),
        (ANIMALS, False),
        ({"enum": [{}]}, False),
        ({"type": "object", "additionalProperties": False}, False),
    ],
)
def test_a_part_that_may_be_anything_is_open(schema: dict[str, Any], *, expected: bool) -> None:
    assert has_open_parts(json.dumps(schema)) is expected


def test_what_is_no_schema_is_an_error_of_the_call() -> None:
    with pytest.raises(ModelError, match="not JSON"):
        server_schema("{")


def test_listed_names_of_dicts_in_dicts_are_not_multiplied_without_end() -> None:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(10):
        listed = {"enum": [f"n{n}" for n in range(40)]}
        schema = {"type": "object", "propertyNames": listed, "additionalProperties": schema}
    assert len(server_schema(json.dumps(schema))) < 20_000
