import re
from enum import Enum

import pytest

from rlm_local.sandbox.child.arguments import MAX_PASSAGES, whole_number, worker_options


@pytest.mark.parametrize("value", [3, 3.0, "3", " 3 ", True + 2])
def test_what_means_a_whole_number_is_one(value: object) -> None:
    assert whole_number("k", value, MAX_PASSAGES) == 3


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("three", "k must be a whole number, not 'three'"),
        (None, "k must be a whole number"),
        (float("nan"), "k must be a whole number"),
        (float("inf"), "k must be a whole number"),
        (0, "k must be from 1 to 1,000, not 0"),
        (-1, "k must be from 1"),
        (1001, "k must be from 1 to 1,000"),
    ],
)
def test_what_is_none_is_told(value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        whole_number("k", value, MAX_PASSAGES)


class Schema:
    """As pydantic's models give theirs."""

    @staticmethod
    def model_json_schema() -> dict[str, object]:
        return {"type": "object"}


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


def test_options_travel_as_plain_json() -> None:
    assert worker_options(None, None, None)[0] == {}
    assert worker_options(("a", 1, Mood.BAD), None, None, max_tokens=5.0)[0] == {
        "choices": ["a", "1", "bad"],
        "max_tokens": 5,
    }
    assert worker_options(None, "[0-9]+", None)[0] == {"regex": "[0-9]+"}
    assert worker_options(None, re.compile("[0-9]+"), None)[0] == {"regex": "[0-9]+"}
    for schema in (Schema, {"type": "object"}, '{"type": "object"}'):
        assert worker_options(None, None, schema)[0] == {"schema": {"type": "object"}}
    assert worker_options(None, None, None, kind=int)[0] == {"schema": {"type": "integer"}}
    assert worker_options(None, None, None, kind=Mood)[0] == {"choices": ["good", "bad"]}


def test_options_that_cannot_be_are_errors_in_the_cell() -> None:
    with pytest.raises(ValueError, match="choices is empty"):
        worker_options([], None, None)
    with pytest.raises(ValueError, match="one of type, choices, regex and schema, not choices and"):
        worker_options(["a"], "a", None)
    with pytest.raises(ValueError, match="not type and schema"):
        worker_options(None, None, {}, kind=int)
    with pytest.raises(ValueError, match="flags of a pattern do not travel"):
        worker_options(None, re.compile("a", re.IGNORECASE), None)
    with pytest.raises(ValueError, match=r"the schema has .* characters; at most 65,536"):
        worker_options(None, None, {"enum": ["x" * 70_000]})
    with pytest.raises(TypeError, match="regex must be a pattern as a str, not int"):
        worker_options(None, 5, None)
    with pytest.raises(TypeError, match="schema must be a JSON schema as a dict, not list"):
        worker_options(None, None, [1])
    with pytest.raises(ValueError, match="max_tokens must be from 1"):
        worker_options(None, None, None, max_tokens=0)
