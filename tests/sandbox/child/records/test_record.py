"""A record is a dict that answers to more spellings of its keys."""

import copy
import json
import pickle
from collections.abc import Callable

import pytest

from rlm_local.sandbox.child.records.record import Record
from tests.sandbox.child.records.given import FakeLabeller, names_of, reviews


def _record(labeller: FakeLabeller | None = None) -> Record:
    names = names_of(reviews(), labeller=labeller)
    names.read()
    return names.table.rows[1]


def test_a_field_is_read_as_key_and_as_attribute() -> None:
    record = _record()
    assert record["user"] == record.user == record["User"] == record.get("USER") == 40118
    assert record["review"] == record["text"] == record.text == "lovely teapot 1"
    assert isinstance(record, dict)


def test_a_field_there_is_not_is_refused_with_those_there_are() -> None:
    record = _record()
    with pytest.raises(
        KeyError, match="no field 'price'; the records have date, user, review, label"
    ):
        record["price"]
    with pytest.raises(AttributeError, match="no field 'price'"):
        record.price  # noqa: B018
    assert record.get("price") is None
    assert record.get("price", 0) == 0
    assert "price" not in record
    assert not hasattr(record, "__wrapped__")


def test_a_derived_field_is_filled_by_whoever_reads_it_first() -> None:
    ways: list[Callable[[Record], object]] = [
        lambda record: record["label"],
        lambda record: record.label,
        lambda record: record.get("label"),
        lambda record: record["Label"],
    ]
    for read in ways:
        labeller = FakeLabeller(lambda text: "glowing")
        record = _record(labeller)
        assert "label" in record
        assert "label" not in dict(record)
        assert labeller.asked == []
        assert read(record) == "glowing"
        assert len(labeller.asked) == 1
        assert dict(record)["label"] == "glowing"


def test_a_field_can_be_set_either_way() -> None:
    record = _record()
    record["month"] = 7
    record.year = 2023
    assert (record.month, record["year"]) == (7, 2023)


def test_copies_and_merges_are_dicts_that_still_answer() -> None:
    labeller = FakeLabeller(lambda text: "mixed")
    record = _record(labeller)
    copied = copy.copy(record)
    assert copied == copy.deepcopy(record) == dict(record) == {**record}
    assert copied["label"] == "mixed"
    assert len(labeller.asked) == 1
    assert json.loads(json.dumps(record)) == {
        "date": "2021-02-02", "user": "40118", "review": "lovely teapot 1", "label": "mixed",
    }  # fmt: skip


def test_a_value_that_a_row_lacks_is_none_and_gets_a_default() -> None:
    names = names_of('{"a": 1, "b": 2}\n{"a": 3}\n{"a": 4}\n')
    names.read()
    record = names.table.rows[1]
    assert record["b"] is None
    assert record.b is None
    assert record.get("b", 0) == 0
    assert "b" not in record


def test_a_name_close_to_a_fields_finds_it_where_it_can_be_no_other() -> None:
    names = names_of("User ID: 7 | Sent On: 2023-01-06\nUser ID: 8 | Sent On: 2023-01-07\n")
    names.read()
    record = names.table.rows[0]
    assert record["user"] == record["id"] == record["User ID"] == 7
    assert record["date"] == "Jan 06, 2023"
    names = names_of("User A: 7 | User B: 8\nUser A: 7 | User B: 8\n")
    names.read()
    assert names.table.rows[0].get("user") is None


def test_a_field_may_be_called_source() -> None:
    names = names_of("".join(f'{{"job": "j{i}", "source": "web"}}\n' for i in range(4)))
    names.read()
    assert names.table.rows[0].source == "web"


def test_records_are_pickled_as_plain_dicts_and_copied_as_records() -> None:
    record = _record()
    thawed = pickle.loads(pickle.dumps([record]))
    assert thawed == [dict(record)]
    assert type(thawed[0]) is dict
    assert [type(made) for made in (copy.copy(record), copy.deepcopy(record))] == [type(record)] * 2
