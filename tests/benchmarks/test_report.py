import json
import math

import pytest

from benchmarks.report import Measure, Report, median, print_report, to_json

REPORT = Report(
    "Title",
    (Measure("time", 0.4, "s", "limit", 0.5),),
    ({"run": 1, "seconds": 0.4, "right": True},),
    {"seed": 7},
    ("a note",),
)


def test_every_measure_carries_its_ratio() -> None:
    data = json.loads(to_json(REPORT))
    assert data["measures"][0]["ratio"] == 0.8
    assert data["conditions"]["seed"] == 7
    assert {"command", "processors", "memory_gib", "python"} <= set(data["conditions"])


def test_a_ratio_to_nothing_is_infinite() -> None:
    assert Measure("time", 1.0, "s", "limit", 0.0).ratio == math.inf


def test_the_median_of_nothing_is_no_number() -> None:
    assert math.isnan(median([]))
    assert median([3.0, 1.0, 2.0]) == 2.0


def test_json_output_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(REPORT, as_json=True)
    assert json.loads(capsys.readouterr().out)["title"] == "Title"


def test_the_table_shows_measure_limit_ratio_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(REPORT, as_json=False)
    shown = capsys.readouterr().out
    for expected in ("Title", "0.4 s", "0.5 s", "0.800", "0.400", "seed: 7", "note: a note"):
        assert expected in shown
