import json

import pytest

from rlm_local.engine.look import Look, parse_look

FOUND = {
    "shape": "records",
    "told": "records: 3 letters",
    "fields": ["date", "user"],
    "labels": ["a", "b"],
    "n": 3,
    "passages": "",
}


def test_a_look_is_read_from_what_was_printed() -> None:
    assert parse_look(json.dumps(FOUND) + "\n") == Look(
        "records", "records: 3 letters", ("date", "user"), ("a", "b"), 3, ""
    )


def test_types_of_fields_and_values_named_are_read_where_they_are_told() -> None:
    told = {**FOUND, "types": ["date", "id"], "named": [["user", "40117\n"]]}
    look = parse_look(json.dumps(told))
    assert look is not None
    assert (look.types, look.named) == (("date", "id"), (("user", "40117"),))


def test_only_the_shape_is_needed() -> None:
    assert parse_look('{"shape": "text"}') == Look("text")


@pytest.mark.parametrize(
    "changed",
    [
        {"shape": "table"},
        {"shape": None},
        {"shape": ["records"]},
        {"told": 3},
        {"told": "x" * 2_401},
        {"passages": ["x"]},
        {"passages": "x" * 8_001},
        {"fields": "date"},
        {"fields": ["x"] * 65},
        {"fields": ["x" * 81]},
        {"fields": [""]},
        {"fields": ["\u200b"]},
        {"fields": [1]},
        {"labels": {"a": 1}},
        {"labels": [None]},
        {"types": "date"},
        {"types": [None]},
        {"named": {"user": "7"}},
        {"named": [["user"]]},
        {"named": [["user", "7", "8"]]},
        {"named": [["user", 7]]},
        {"named": [["user", "x" * 81]]},
        {"named": [["user", "7"]] * 65},
        {"n": -1},
        {"n": 1.5},
        {"n": True},
        {"n": 10**10},
        {"n": "3"},
    ],
    ids=str,
)
def test_anything_unexpected_is_no_look(changed: dict[str, object]) -> None:
    assert parse_look(json.dumps({**FOUND, **changed})) is None


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "3", '"records"', "{", "[" * 50_000, '{"shape": "text"} and more',
     json.dumps({**FOUND, "more": "x" * 64_000})],
    ids=["nothing", "null", "list", "number", "text", "cut", "deep", "more", "long"],
)  # fmt: skip
def test_what_is_no_json_object_of_its_size_is_no_look(text: str) -> None:
    assert parse_look(text) is None


def test_control_characters_are_dropped_and_names_stay_on_one_line() -> None:
    found = parse_look(
        json.dumps(
            {
                **FOUND,
                "told": "one\n\ttwo\x1b[31m\u202ered\ud800\r",
                "fields": ["a\nb"],
                "labels": ["x\u0000y"],
                "passages": "\x07seen\u2028here",
            }
        )
    )
    assert found is not None
    assert found.told == "one\n\ttwo[31mred?"
    assert found.fields == ("a b",)
    assert found.labels == ("xy",)
    assert found.passages == "seenhere"
