import json
import socket
from pathlib import Path
from typing import Any

import pytest

from rlm_local.errors import ModelError, ModelUnavailable
from rlm_local.typed.schemas import schema_check

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
HOSTILE = "^(a+)+$"
HOSTILE_TEXT = "a" * 5_000 + "!"


def fits(schema: dict[str, Any], value: object) -> bool:
    return schema_check(json.dumps(schema)).fits(json.dumps(value))


def entangled(depth: int) -> dict[str, Any]:
    """2**depth ways through a few parts."""
    parts: dict[str, Any] = {
        f"p{n}": {"allOf": [{"$ref": f"#/$defs/p{n + 1}"}, {"$ref": f"#/$defs/p{n + 1}"}]}
        for n in range(depth)
    }
    return {"$ref": "#/$defs/p0", "$defs": parts | {f"p{depth}": {}}}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"pattern": "^[0-9]+$"}, "12", True),
        ({"pattern": "^[0-9]+$"}, "x", False),
        ({"pattern": "[0-9]"}, "x1y", True),
        ({"pattern": "[0-9]"}, 5, True),
        ({"additionalProperties": False, "properties": {"a": {}}}, {"a": 1}, True),
        ({"additionalProperties": False, "properties": {"a": {}}}, {"b": 1}, False),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, "x", False),
        ({"$id": "http://x/", "$ref": "#/$defs/n", "$defs": {"n": {"enum": [1]}}}, 1, True),
        ({"items": {"$ref": "#"}, "type": "array"}, [[], [[]]], True),
        ({"items": {"$ref": "#"}, "type": "array"}, [[], [1]], False),
        ({"$schema": DRAFT_4, "maximum": 3, "exclusiveMaximum": True}, 3, False),
    ],
)
def test_a_reply_is_held_to_its_schema(
    schema: dict[str, Any], value: object, *, expected: bool
) -> None:
    assert fits(schema, value) is expected


def test_nothing_is_fetched_for_a_reference(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x.json"
        for target in (address, (tmp_path / "x.json").as_uri()):
            for schema in ({"$ref": target}, {"$id": target + "/..", "$ref": "x.json"}):
                with pytest.raises(ModelError, match="what it does not have"):
                    fits(schema, 1)
        with pytest.raises(ModelError, match="what it does not have"):
            fits({"$dynamicRef": address}, 1)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": HOSTILE},
        {"$schema": DRAFT_7, "pattern": HOSTILE},
        {
            "$schema": DRAFT_7,
            "$defs": {"x": {"pattern": HOSTILE}},
            "allOf": [{"$ref": "#/$defs/x"}],
        },
    ],
)
def test_a_pattern_that_backtracks_for_ever_elsewhere_is_answered_here(
    schema: dict[str, Any],
) -> None:
    assert not fits(schema, HOSTILE_TEXT)
    assert fits(schema, "aaa")


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "^(?=(a+)+$)"},
        {"patternProperties": {HOSTILE: {}}},
        {"patternProperties": {HOSTILE: {}}, "additionalProperties": False},
        {"patternProperties": {HOSTILE: {}}, "unevaluatedProperties": False},
    ],
)
def test_a_pattern_that_cannot_be_searched_in_linear_time_is_not_searched(
    schema: dict[str, Any],
) -> None:
    assert fits(schema, HOSTILE_TEXT)
    assert fits(schema, {HOSTILE_TEXT: 1})


def test_ways_through_a_schema_that_double_at_each_step_come_to_an_end() -> None:
    assert fits(entangled(5), 1)
    assert not fits(entangled(40), 1)
    nested: dict[str, Any] = {}
    for _ in range(40):
        nested = {"allOf": [nested], "unevaluatedItems": False}
    assert fits(nested, [])


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"enum": [5, {}], "$ref": "#/enum/0"},
        {"properties": {"$schema": {}}, "$ref": "#/properties"},
        {"$schema": DRAFT_4, "$ref": 5},
        {"$schema": []},
        {"$schema": 5},
        {"not": {"$schema": DRAFT_7, "pattern": HOSTILE}},
        {"pattern": "a{99999999999999999999}"},
        {"pattern": "(" * 5_000},
        {"type": "nothing"},
    ],
)
def test_a_schema_that_cannot_be_used_is_an_error_that_no_retry_mends(
    schema: dict[str, Any],
) -> None:
    with pytest.raises(ModelError, match="schema") as caught:
        fits(schema, {})
    assert not isinstance(caught.value, ModelUnavailable)


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    for depth in (150, 100_000):
        with pytest.raises(ModelError, match="schema"):
            schema_check('{"not": ' * depth + "{}" + "}" * depth)
