"""Dates compare with dates in any common form, in the ways cells write it."""

import json
import pickle
from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest

from rlm_local.sandbox.child.records.dates import Date, Month

DAY = Date("2023-01-06")
TIME = Date("2023-01-06 12:30:01")


@pytest.mark.parametrize(
    "same",
    ["2023-01-06", "Jan 06, 2023", "January 6, 2023", "1/6/2023", "01/06/2023", "6 Jan 2023",
     date(2023, 1, 6), datetime(2023, 1, 6), "Jan 2023", "2023-01"],
)  # fmt: skip
def test_a_day_is_equal_to_itself_in_any_form(same: object) -> None:
    assert (same == DAY, same == DAY, same != DAY) == (True, True, False)
    assert DAY in [same]
    assert (same >= DAY, same <= DAY, same > DAY, same < DAY) == (True, True, False, False)


@pytest.mark.parametrize(
    "later", ["2023-01-07", "Feb 01, 2023", "2/1/2023", date(2023, 1, 7), "Feb 2023", "2024"]
)
def test_a_day_stands_before_later_ones_in_any_form(later: object) -> None:
    assert (later > DAY, later > DAY, later <= DAY) == (True, True, False)
    assert later != DAY


def test_a_day_lies_between_two_of_another_form() -> None:
    assert "Jan 01, 2023" <= DAY <= "Jan 31, 2023"
    assert not "Feb 01, 2023" <= DAY <= "Feb 28, 2023"
    assert date(2023, 1, 1) <= DAY < date(2023, 1, 7)
    assert "2023-01" <= DAY < "2023-02"


def test_a_time_lies_within_its_day_and_is_ordered_within_it() -> None:
    assert TIME == "Jan 06, 2023"
    assert TIME <= "2023-01-06"
    assert Date("2023-01-06 09:00:00") < TIME < "2023-01-06 13:00"
    assert DAY == TIME


def test_days_sort_and_have_a_first_and_a_last() -> None:
    days = [Date("2023-02-01"), DAY, Date("2022-12-31")]
    assert sorted(days) == ["2022-12-31", "2023-01-06", "2023-02-01"]
    assert (min(days), max(days)) == ("2022-12-31", "2023-02-01")
    assert sorted([TIME, Date("2023-01-06 09:00:00")])[0].hour == 9


def test_a_day_knows_its_parts() -> None:
    assert (DAY.year, DAY.month, DAY.day, DAY.month_name) == (2023, 1, 6, "January")
    assert (TIME.hour, TIME.minute, TIME.second) == (12, 30, 1)
    assert (DAY.weekday(), DAY.weekday_name) == (4, "Friday")
    assert DAY.date() == date(2023, 1, 6)
    assert TIME.datetime() == datetime(2023, 1, 6, 12, 30, 1)
    assert DAY.strftime("%m/%d/%Y") == f"{DAY:%m/%d/%Y}" == "01/06/2023"
    assert f"{DAY} {DAY:>12}" == "2023-01-06   2023-01-06"
    assert date.fromisoformat(DAY) == date(2023, 1, 6)


def test_a_month_is_equal_to_its_names() -> None:
    assert DAY.month == "January"
    assert DAY.month == "jan"
    assert DAY.month == "01"
    assert DAY.month != "July"
    assert DAY.month in (1, 2)
    assert DAY.month.name == "January"
    by_month: dict[object, int] = {DAY.month: 3}
    assert by_month[1] == 3
    assert Month(7) + 1 == 8


def test_a_day_holds_its_months_name_and_the_text_it_is() -> None:
    assert "January" in DAY
    assert "Jan" in DAY
    assert "July" not in DAY
    assert "January 2023" in DAY
    assert "Jan 06, 2023" in DAY
    assert "2023-01" in DAY
    assert DAY[:7] == "2023-01"
    assert DAY[5:7] == "01"
    assert DAY.startswith("2023")


def test_days_can_be_subtracted() -> None:
    assert DAY - Date("2023-01-01") == timedelta(days=5)
    assert timedelta(days=5) == DAY - "Jan 01, 2023"
    assert timedelta(minutes=30, seconds=1) == TIME - "2023-01-06 12:00"
    with pytest.raises(TypeError, match="is no date"):
        assert DAY - "yesterday"


def test_what_is_no_date_is_compared_as_text_or_refused() -> None:
    assert DAY != "yesterday"
    assert DAY < "yesterday"
    assert DAY != 5
    with pytest.raises(TypeError, match="a date cannot be compared with a int"):
        assert DAY < 5


def test_a_day_is_a_plain_text_for_everything_else() -> None:
    assert json.dumps({DAY: DAY}) == '{"2023-01-06": "2023-01-06"}'
    by_day: dict[object, int] = {DAY: 1}
    assert by_day["2023-01-06"] == 1
    assert pickle.loads(pickle.dumps(DAY)) == DAY
    assert ", ".join([DAY]) == "2023-01-06"


def test_dates_of_mixed_precision_have_one_order() -> None:
    ordered = ["2023-01-05 23:00:00", "2023-01-06", "2023-01-06 09:00:00", "2023-01-06 10:00:00"]
    for mixed in permutations(map(Date, ordered)):
        assert [str(each) for each in sorted(mixed)] == ordered


def test_a_date_can_be_moved() -> None:
    moved = DAY + timedelta(days=1)
    assert (type(moved), str(moved)) == (Date, "2023-01-07")
    assert str(timedelta(hours=1) + DAY) == "2023-01-06 01:00:00"
    assert str(DAY - timedelta(days=6)) == "2022-12-31"
    assert date(2023, 1, 10) - DAY == timedelta(days=4)
    assert timedelta(days=4) == "Jan 10, 2023" - DAY
    assert DAY + "x" == "2023-01-06x"
    assert "x" + DAY == "x2023-01-06"
    with pytest.raises(TypeError):
        DAY + 1


def test_parts_of_a_second_are_ordered_and_shown() -> None:
    spelled = ["12:30:01", "12:30:01.250", "12:30:01.3", "12:30:02", "12:30:10.000001"]
    times = [Date(f"2023-01-06 {clock}") for clock in spelled]
    for mixed in permutations(times):
        assert [str(each) for each in sorted(mixed)] == [str(each) for each in times]
    assert times[1] == "2023-01-06T12:30:01,250"
    assert times[1] != times[2]
    assert times[1] < "2023-01-06 12:30:01.251"
    assert times[1] == "2023-01-06 12:30:01"  # as precise as it is asked for
    assert times[1] == datetime(2023, 1, 6, 12, 30, 1, 250_000)
    assert times[1].microsecond == 250_000
    assert times[2] - times[1] == timedelta(milliseconds=50)
    assert times[1].datetime() == datetime(2023, 1, 6, 12, 30, 1, 250_000)
    assert (times[1].second, times[1].zone) == (1, "")
    assert str(times[1] + timedelta(seconds=1)) == "2023-01-06 12:30:02.250000"


def test_times_of_other_zones_are_compared_as_the_instants_they_are() -> None:
    here, there = Date("2023-01-06 12:30:01+02:00"), Date("2023-01-06 10:45:01Z")
    assert (here.zone, there.zone) == ("+02:00", "Z")
    assert here < there
    assert max(here, there) is there
    assert there - here == timedelta(minutes=15)
    assert here == Date("2023-01-06 10:30:01.5Z") - timedelta(milliseconds=500)
    assert here == "2023-01-06T05:30:01-05:00"
    assert here < "2023-01-06T10:30:02Z" < there
    assert here == "2023-01-06 12:30:01"  # without a zone: what stands in the text
    assert here >= "2023-01-06 12:30:01"
    assert here == datetime(2023, 1, 6, 10, 30, 1, tzinfo=UTC)
    assert str(here + timedelta(hours=1)) == "2023-01-06 13:30:01+02:00"
    late = Date("2023-01-06 23:30:00.5-02:00")
    assert late > Date("2023-01-07 01:29:59Z")
    assert late == "2023-01-06"
    assert (
        sorted([Date("2023-01-06 12:00:01Z"), Date("2023-01-06 12:00:01.5Z")])[0].microsecond == 0
    )
