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


def test_options_travel_as_plain_json() -> None:
    assert worker_options(None, None, None, None) == {}
    assert worker_options(("a", 1), None, None, 5.0) == {"choices": ["a", "1"], "max_tokens": 5}
    assert worker_options(None, "[0-9]+", None, None) == {"regex": "[0-9]+"}
    for schema in (Schema, {"type": "object"}, '{"type": "object"}'):
        assert worker_options(None, None, schema, None) == {"schema": {"type": "object"}}


def test_options_that_cannot_be_are_errors_in_the_cell() -> None:
    with pytest.raises(ValueError, match="choices is empty"):
        worker_options([], None, None, None)
    with pytest.raises(ValueError, match="not several"):
        worker_options(["a"], "a", None, None)
    with pytest.raises(TypeError, match="regex must be a pattern as a str, not int"):
        worker_options(None, 5, None, None)  # type: ignore[arg-type]  # what a cell might pass
    with pytest.raises(TypeError, match="schema must be a JSON schema as a dict, not list"):
        worker_options(None, None, [1], None)
    with pytest.raises(ValueError, match="max_tokens must be from 1"):
        worker_options(None, None, None, 0)
