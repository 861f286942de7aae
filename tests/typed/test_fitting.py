import pytest

from rlm_local.errors import ModelError
from rlm_local.typed.fitting import check_constraint, fits, is_whole
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
        Regex("a)|(?:b"),
        Regex(r"(a)\1"),
        JsonSchema("{"),
        JsonSchema("[]"),
        JsonSchema('{"type": "nothing"}'),
    ],
)
def test_a_constraint_that_makes_no_sense_is_refused_by_name(constraint: Constraint) -> None:
    with pytest.raises(ModelError, match=r"not (a usable|JSON|a JSON)|no choices"):
        check_constraint(constraint)


def test_a_pattern_that_would_be_kept_as_megabytes_is_refused() -> None:
    with pytest.raises(ModelError, match="counts to 10,000 in all"):
        check_constraint(Regex("[^a]{10000}"))


@pytest.mark.parametrize(
    ("text", "constraint", "expected"),
    [
        ("a", Choices(("a", "ab")), False),
        ("ab", Choices(("a", "ab")), True),
        ("1999", YEAR, False),
        ("3", JsonSchema("{}"), False),
        ("3.5", JsonSchema("{}"), False),
        ("null", JsonSchema("{}"), True),
        ('"3"', JsonSchema("{}"), True),
    ],
)
def test_what_was_cut_is_whole_where_it_could_not_go_on(
    text: str, constraint: Constraint, *, expected: bool
) -> None:
    assert is_whole(text, constraint) is expected
