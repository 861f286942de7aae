import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.typed.schema_limits import admitted_schema, target_of


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


def doubling(depth: int) -> dict[str, Any]:
    parts: dict[str, Any] = {
        f"p{n}": {"prefixItems": [{"$ref": f"#/$defs/p{n + 1}"}] * 2} for n in range(depth)
    }
    return {"$ref": "#/$defs/p0", "$defs": parts | {f"p{depth}": {}}}


HOSTILE = {
    "long": ({"enum": ["x" * 17_000]}, "more than 16,384 characters"),
    "deep": (nested(100), "nested too deeply"),
    "endless": (nested(100_000), "more than 16,384 characters"),
    "hardly written": (nested(4_000), "nested too deeply"),
    "values": (
        {"$defs": {"v": {"enum": list(range(400))}}, "items": {"$ref": "#/$defs/v"},
         "contains": {"$ref": "#/$defs/v"}, "not": {"$ref": "#/$defs/v"}},
        "lists more than 1,000 values",
    ),
    "a count": ({"pattern": "(a{3000}|b{ 1, 2500 })"}, "counts to 5,500 in all"),
    "patterns": ({"anyOf": [{"pattern": str(n)} for n in range(40)]}, "40 different patterns"),
    "doubling": (doubling(10), "more than 500 parts"),
    "wide": ({"anyOf": [{}] * 3000}, "more than 500 parts"),
    "itself": ({"$ref": "#"}, "refers to itself by '#'"),
    "in a circle": (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}},
         "$ref": "#/$defs/a"},
        "refers to itself",
    ),
    "a chain": (
        {"$defs": {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(200)} | {"a200": {}},
         "$ref": "#/$defs/a0"},
        "24 levels deep, references followed",
    ),
    "elsewhere": ({"$ref": "https://example.org/x"}, "only to its own parts"),
    "a file": ({"items": {"$ref": "file:///etc/passwd"}}, "only to its own parts"),
    "nowhere": ({"$ref": "#/$defs/none"}, "which it does not have"),
    "a word": ({"properties": {"a": {"maxlength": 3}}}, "nobody knows: 'maxlength'"),
    "a long text": ({"maxLength": 10**9}, "maxLength must be from 0 to 10,000"),
    "many items": ({"items": {"minItems": 10**6}}, "minItems must be from"),
    "a negative": ({"maxItems": -1}, "maxItems must be from"),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_schema_that_could_grow_without_end_is_refused(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        admitted_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"maxlength": {}, "$ref": {"type": "string"}}},
        {"enum": [{"whatever": 1}], "default": {"some": "thing"}, "examples": [{"a": 1}]},
        {"x-order": 3, "description": "as you like"},
        {"$defs": {"a~/b": {"items": True}}, "$ref": "#/$defs/a~0~1b"},
        {"anyOf": [{"$ref": "#/$defs/n"}, {"items": {"$ref": "#/$defs/n"}}], "$defs": {"n": {}}},
        {"additionalProperties": False},
        nested(20),
        doubling(6),
    ],
)
def test_names_and_data_are_no_keywords(schema: dict[str, Any]) -> None:
    assert json.loads(admitted_schema(schema)) == schema


def test_a_reference_is_found_by_its_steps() -> None:
    root = {"anyOf": [{"a/b": 1}]}
    assert target_of(root, "#/anyOf/0/a~1b") == 1
    assert target_of(root, "#") == root
    with pytest.raises(ValueError, match="does not have"):
        target_of(root, "#/anyOf/1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$ref", "items", "anyOf", "properties", "not", "required", "maxItems"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
)


@given(st.dictionaries(st.sampled_from(["$ref", "$defs", "items", "allOf", "type"]), JSON))
def test_whatever_comes_is_let_in_or_refused_in_words(schema: dict[str, Any]) -> None:
    try:
        admitted = json.loads(admitted_schema(schema))
    except ValueError as refused:
        said = str(refused)
    else:
        assert admitted == schema
        said = "schema"
    assert "schema" in said
