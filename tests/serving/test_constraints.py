import json

import pytest

from rlm_local.errors import ModelError
from rlm_local.serving.constraints import (
    check_constraint,
    fits,
    instruction,
    json_schema_of,
    text_that_fits,
)
from rlm_local.types import Choices, Constraint, JsonSchema, Regex

LABELS = Choices(("person", "place", 'a "thing"'))
YEAR = Regex(r"\d{4}")
CITY = JsonSchema('{"properties": {"n": {"type": "integer"}}, "required": ["n"], "type": "object"}')


@pytest.mark.parametrize(
    ("text", "constraint", "expected"),
    [
        ("person", LABELS, True),
        ("Person", LABELS, False),
        (" person", LABELS, False),
        ("1999", YEAR, True),
        ("19990", YEAR, False),
        ("1999\n", YEAR, False),
        ("b", Regex("a|b"), True),
        ("ab", Regex("a|b"), False),
        ('{"n": 3}', CITY, True),
        ('{"n": "3"}', CITY, False),
        ('{"n": 3', CITY, False),
        ("", CITY, False),
        ("[" * 100_000, CITY, False),
    ],
)
def test_the_whole_text_must_fit(text: str, constraint: Constraint, expected: bool) -> None:
    assert fits(text, constraint) is expected


def test_a_pattern_that_backtracks_for_ever_elsewhere_is_answered_here() -> None:
    assert not fits("a" * 5_000 + "c", Regex("(a+)+b"))


@pytest.mark.parametrize(
    "constraint",
    [
        Choices(()),
        Regex("("),
        Regex(r"(a)\1"),
        JsonSchema("{"),
        JsonSchema("[]"),
        JsonSchema('{"type": "nothing"}'),
    ],
)
def test_a_constraint_that_makes_no_sense_is_refused_by_name(constraint: Constraint) -> None:
    with pytest.raises(ModelError, match=r"not (a usable|JSON|a JSON)|no choices"):
        check_constraint(constraint)


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
