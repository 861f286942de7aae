import json

import pytest

from rlm_local.serving.constraints import (
    instruction,
    json_schema_of,
    text_that_fits,
)
from rlm_local.types import Choices, Constraint, JsonSchema, Regex

LABELS = Choices(("person", "place", 'a "thing"'))
YEAR = Regex(r"\d{4}")
CITY = JsonSchema('{"properties": {"n": {"type": "integer"}}, "required": ["n"], "type": "object"}')


@pytest.mark.parametrize(
    ("reply", "constraint", "expected"),
    [
        ("place", LABELS, "place"),
        ('{"value": "place"}', LABELS, "place"),
        ('```json\n{"value": "place"}\n```', LABELS, "place"),
        ('"place"', LABELS, "place"),
        ("Place.", LABELS, "place"),
        ("a place or a person", LABELS, None),
        ("", LABELS, None),
        ('{"value": "2001"}', YEAR, "2001"),
        ("in 2001", YEAR, None),
        ('```\n{"n": 1}\n```', CITY, '{"n": 1}'),
        ("no", CITY, None),
        ("[" * 100_000, YEAR, None),
    ],
)
def test_what_was_only_asked_for_is_found_in_the_reply(
    reply: str, constraint: Constraint, expected: str | None
) -> None:
    assert text_that_fits(reply, constraint) == expected


def test_texts_are_asked_for_in_a_wrapper_and_schemas_as_they_are() -> None:
    assert json_schema_of(LABELS)["properties"]["value"]["enum"] == list(LABELS.values)
    assert json_schema_of(YEAR)["properties"]["value"]["pattern"] == r"^(?:\d{4})$"
    assert json_schema_of(CITY) == json.loads(CITY.schema)


@pytest.mark.parametrize("constraint", [LABELS, YEAR, CITY])
def test_the_instruction_is_one_line(constraint: Constraint) -> None:
    assert "\n" not in instruction(constraint)
