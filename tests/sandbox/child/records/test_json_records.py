"""JSON in lines, arrays, and arrays within one object."""

import json

import pytest

from rlm_local.sandbox.child.records.formats import NoRecords
from tests.sandbox.child.records.given import read

SHIPS = [{"ship": "Aurora", "Crew Size": 12}, {"ship": "Bess", "Crew Size": 9, "port": None}]
READ = [{"ship": "Aurora", "crew_size": 12}, {"ship": "Bess", "crew_size": 9, "port": None}]


def test_one_object_a_line() -> None:
    raw = read("\n".join(map(json.dumps, SHIPS)))
    assert raw.kind == "JSON objects, one a line"
    assert raw.names == ["ship", "crew_size", "port"]
    assert raw.rows == READ


def test_an_array_on_one_line_or_many() -> None:
    for indent in (None, 2):
        raw = read(json.dumps(SHIPS, indent=indent))
        assert raw.kind == "JSON objects"
        assert raw.rows == READ


def test_an_object_that_holds_one_array() -> None:
    raw = read(json.dumps({"year": 2023, "ships": SHIPS}))
    assert raw.rows == READ
    assert raw.header == ['{"year": 2023}']


def test_an_object_within_one_object_may_hold_the_array() -> None:
    raw = read(json.dumps({"ok": True, "result": {"page": 1, "ships": SHIPS}}))
    assert raw.rows == READ
    assert raw.header == ['{"ok": true}', '{"page": 1}']


def test_lines_that_are_no_objects_stand_apart() -> None:
    lines = ["Ships of the year", *map(json.dumps, SHIPS), "{broken", json.dumps(SHIPS[0]), "end"]
    raw = read("\n".join(lines))
    assert len(raw.rows) == 3
    assert raw.header == ["Ships of the year"]
    assert raw.footer == ["{broken", "end"]


def test_values_within_values_stay() -> None:
    raw = read('{"a": {"b": [1, 2]}}\n{"a": [true]}\n')
    assert [row["a"] for row in raw.rows] == [{"b": [1, 2]}, [True]]


def test_an_array_written_one_object_a_line_is_read_whole() -> None:
    raw = read("[\n" + ",\n".join(map(json.dumps, SHIPS)) + "\n]\n")
    assert raw.rows == READ


def test_json_too_deep_is_no_error() -> None:
    with pytest.raises(NoRecords):
        read("[" * 100_000 + "\nxs\nys\nzs\nws\n")
