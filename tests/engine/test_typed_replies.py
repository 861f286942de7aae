import json

import pytest

from rlm_local.engine.typed_replies import MISFIT, constraint_of, fits, is_quickly_read, misfit
from rlm_local.types import Choices, Constraint, Json, JsonSchema, Regex


@pytest.mark.parametrize(
    ("args", "constraint"),
    [
        ({}, None),
        ({"choices": None, "max_tokens": 5}, None),
        ({"choices": ["yes", " no ", "yes"]}, Choices(("yes", "no"))),
        ({"regex": "[0-9]+"}, Regex("[0-9]+")),
        ({"schema": {"type": "array", "items": {}}}, JsonSchema('{"items": {}, "type": "array"}')),
    ],
)
def test_what_a_cell_passes_is_read(args: dict[str, Json], constraint: Constraint | None) -> None:
    assert constraint_of(args) == constraint


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"choices": "yes"}, "choices must be a list of texts"),
        ({"choices": [1, 2]}, "choices must be a list of texts"),
        ({"choices": ["only"]}, "2 to 1000 different texts"),
        ({"choices": ["a", " "]}, "none empty"),
        ({"choices": [str(n) for n in range(1001)]}, "2 to 1000"),
        ({"regex": ""}, "regex must be a pattern"),
        ({"regex": "a)|(?:b"}, "not a usable regular expression"),
        ({"regex": "[^a]{10000}"}, "counts to 10,000 in all"),
        ({"regex": "("}, "not a usable regular expression"),
        ({"regex": "x" * 5000}, "regex must be a pattern"),
        ({"schema": "{}"}, "schema must be a JSON schema as a dict"),
        ({"choices": ["a", "b"], "regex": "a"}, "not choices and regex"),
        ({"schema": {"$ref": "http://127.0.0.1:9/x"}}, r"only to its own parts.*http://127"),
        ({"schema": {"anyOf": [{"items": {"$ref": "file:///x"}}]}}, r"\$ref to 'file:///x'"),
        ({"schema": {"not": {"$dynamicRef": "other.json#/a"}}}, r"\$dynamicRef to 'other"),
        ({"schema": {"not": {"$ref": ""}}}, "only to its own parts"),
        ({"regex": r"(a)\1"}, "not a usable regular expression"),
        ({"regex": "(((a{999}){999}){999})"}, "not a usable regular expression"),
        ({"schema": {"type": "nothing"}}, "not a JSON schema"),
        ({"schema": {"b": 1}}, "keyword that nobody knows: 'b'"),
    ],
)
def test_what_means_nothing_is_refused_with_advice(args: dict[str, Json], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        constraint_of(args)


def test_a_schema_may_refer_to_its_own_parts_and_name_a_property_so() -> None:
    own: Json = {
        "$defs": {"n": {"type": "integer"}},
        "properties": {"$ref": {"type": "string"}, "n": {"$ref": "#/$defs/n"}},
    }
    assert constraint_of({"schema": own}) == JsonSchema(json.dumps(own, sort_keys=True))


def test_a_schema_without_end_is_refused() -> None:
    deep: Json = {}
    for _ in range(4_000):
        deep = {"not": deep}
    with pytest.raises(ValueError, match="nested too deeply"):
        constraint_of({"schema": deep})


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "1e999", '{"a": 1, "a": 2}'])
def test_what_only_python_reads_is_no_json(text: str) -> None:
    assert not fits(text, JsonSchema("{}"))
    assert not fits(text, JsonSchema('{"$ref": "#"}'))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({}, True),
        ({"choices": ["yes", "no"]}, True),
        ({"regex": "[0-9]+"}, True),
        ({"regex": "[^a]{4000}"}, False),
        ({"regex": "a" * 300}, False),
        ({"schema": {"type": "array", "items": {"enum": ["a"] * 100}}}, True),
        ({"schema": {"enum": ["a"] * 2000}}, False),
        ({"schema": {"title": "x" * 3000}}, False),
        ({"schema": {"x" * 3000: 1}}, False),
    ],
)
def test_long_constraints_are_known_before_they_are_read(
    args: dict[str, Json], *, expected: bool
) -> None:
    assert is_quickly_read(args) is expected


def test_a_reply_is_held_to_its_constraint() -> None:
    assert fits("anything", None)
    assert fits("yes", Choices(("yes", "no")))
    assert not fits("Yes.", Choices(("yes", "no")))
    assert fits(json.dumps({"a": 1}), JsonSchema("{}"))
    assert not fits('{"a": ', JsonSchema("{}"))
    assert not fits("[" * 100_000, JsonSchema("{}"))


def test_a_pattern_that_backtracks_for_ever_elsewhere_is_matched_here() -> None:
    hostile = Regex("(a+)+")
    assert not fits("a" * 5000 + "b", hostile)
    assert fits("a" * 5000, hostile)


@pytest.mark.parametrize(
    ("text", "constraint", "expected"),
    [
        ("12", Regex("[0-9]+"), False),
        ("12", JsonSchema('{"type": "integer"}'), False),
        ("true", JsonSchema('{"type": "boolean"}'), True),
        ("[12]", JsonSchema("{}"), True),
        ("no", Choices(("no", "not sure")), False),
        ("not sure", Choices(("no", "not sure")), True),
    ],
)
def test_a_reply_that_was_cut_fits_where_it_cannot_go_on(
    text: str, constraint: Constraint, *, expected: bool
) -> None:
    assert fits(text, constraint)
    assert fits(text, constraint, was_cut=True) is expected


def test_a_reply_is_held_to_the_whole_of_its_schema() -> None:
    few = JsonSchema('{"type": "array", "items": {"minimum": 3}, "maxItems": 2}')
    assert fits("[3, 4]", few)
    assert not fits("[1]", few)
    assert not fits("[3, 3, 3]", few)


def test_a_schema_no_reply_can_be_held_to_leaves_json() -> None:
    endless = JsonSchema('{"$ref": "#"}')
    assert fits("1", endless)
    assert not fits("no", endless)


def test_properties_keep_their_order_and_nothing_else_does() -> None:
    schema: Json = {"type": "object", "properties": {"why": {"type": "string"}, "a": {}}}
    constraint = constraint_of({"schema": schema})
    assert constraint == JsonSchema(
        '{"properties": {"why": {"type": "string"}, "a": {}}, "type": "object"}'
    )


def test_a_misfit_quotes_the_reply_as_json() -> None:
    assert misfit('so "it" is') == MISFIT + json.dumps('so "it" is')
    assert len(misfit("x" * 5000)) < 1200
