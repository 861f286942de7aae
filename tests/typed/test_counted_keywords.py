import json
import time
from typing import Any

import pytest

from rlm_local.typed.schemas import schema_check


def fits(schema: dict[str, Any], value: object) -> bool:
    return schema_check(json.dumps(schema)).fits(json.dumps(value))


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"enum": [1, "a", None, [1, {"b": 2}]]}, 1.0, True),
        ({"enum": [1, "a", None, [1, {"b": 2}]]}, [1.0, {"b": 2}], True),
        ({"enum": [1, "a"]}, True, False),
        ({"enum": [1, "a"]}, "1", False),
        ({"enum": [False]}, 0, False),
        ({"const": {"a": 1, "b": [True]}}, {"b": [True], "a": 1}, True),
        ({"const": {"a": 1, "b": [True]}}, {"b": [1], "a": 1}, False),
        ({"uniqueItems": True}, [1, "1", True, None, [1], [True]], True),
        ({"uniqueItems": True}, [1, 2, 1.0], False),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 1}], False),
        ({"uniqueItems": False}, [1, 1], True),
        ({"uniqueItems": True}, "aa", True),
    ],
)
def test_values_are_the_same_as_json_schema_has_it(
    schema: dict[str, Any], value: object, *, expected: bool
) -> None:
    assert fits(schema, value) is expected


SLOW: dict[str, tuple[dict[str, Any], object]] = {
    "consts": (
        {"items": {"anyOf": [*({"const": n} for n in range(490)), {"type": "string"}]}},
        ["a"] * 2000,
    ),
    "types": ({"items": {"allOf": [{"type": "string"}] * 490}}, ["a"] * 2000),
    "empty": ({"items": {"allOf": [{}] * 490}}, ["a"] * 5000),
    "names": ({"items": {"required": [str(n) for n in range(2000)]}},
              [{str(n): 1 for n in range(500)}] * 90),
    "quoted": ({"anyOf": [{"type": "string"}] * 490}, ["x" * 100] * 10_000),
    "large values": ({"anyOf": [{"const": "x" * 10} for _ in range(490)]}, [["y" * 99]] * 9999),
    "unique": ({"allOf": [{"uniqueItems": True}] * 490}, list(range(20_000))),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "value"), SLOW.values(), ids=SLOW)
def test_what_takes_too_long_to_check_does_not_fit(schema: dict[str, Any], value: object) -> None:
    check, text = schema_check(json.dumps(schema)), json.dumps(value)
    begun = time.process_time()
    assert not check.fits(text)
    assert time.process_time() - begun < 2


def test_what_models_write_is_well_within() -> None:
    record = {
        "type": "object",
        "properties": {f"p{n}": {"type": "string", "enum": ["a", "b"]} for n in range(5)},
        "required": [f"p{n}" for n in range(5)],
        "additionalProperties": False,
    }
    assert fits({"type": "array", "items": record}, [{f"p{n}": "a" for n in range(5)}] * 500)
    assert fits({"items": {"enum": list(range(2000))}, "uniqueItems": True}, list(range(2000)))
