"""Dates are read from the forms people write, and from nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.records.moments import Moment, number_of_month, read_moment

THE_SIXTH = [
    "2023-01-06", "2023/01/06", "2023.1.6", "Jan 06, 2023", "January 6, 2023", "Jan 6 2023",
    "Jan. 6, 2023", "6 January 2023", "6 Jan 2023", "06-Jan-2023", "6th of January, 2023",
    "January 6th, 2023", "Friday, January 6, 2023", "Fri, 6 Jan 2023", "Fri 6 Jan 2023",
    "1/6/2023", "01/06/2023", "1/6/23", "  Jan 06,  2023 ", "JAN 06, 2023", "6/Jan/2023",
]  # fmt: skip
TIMES = {
    "2023-01-06 12:30:01": (12, 30, 1),
    "2023-01-06T12:30:01Z": (12, 30, 1),
    "2023-01-06T12:30:01.123456+02:00": (12, 30, 1),
    "2023-01-06 12:30": (12, 30, 0),
    "2023-01-06 12:30:01,250": (12, 30, 1),
    "Jan 6, 2023 3:05 PM": (15, 5, 0),
    "January 6, 2023 at 12:05 am": (0, 5, 0),
    "06/Jan/2023:12:30:01 +0000": (12, 30, 1),
    "1/6/2023, 9:15": (9, 15, 0),
    "Fri, 6 Jan 2023 12:30:01 GMT": (12, 30, 1),
}
NO_DATES = [
    "", "Jan", "63685", "20230106", "2023-02-30", "2023-13-01", "32 January 2023", "May",
    "Foo 6, 2023", "1.2.3.4", "12:30", "2023-01-06 25:00", "on Jan 06, 2023", "1/2", "v1.2.3",
    "13/13/2023", "Jan 06, 2023 was cold", "x" * 200,
]  # fmt: skip


@pytest.mark.parametrize("written", THE_SIXTH)
def test_a_day_is_read_in_any_common_form(written: str) -> None:
    moment = read_moment(written)
    assert moment is not None
    assert moment.parts == (2023, 1, 6)
    assert moment.canonical == "2023-01-06"


@pytest.mark.parametrize("written", TIMES)
def test_a_time_is_read_behind_a_day(written: str) -> None:
    moment = read_moment(written)
    assert moment is not None
    assert moment.parts == (2023, 1, 6, *TIMES[written])


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("2023-01-06T12:30:01Z", "2023-01-06 12:30:01Z"),
        ("2023-01-06T12:30:01.123456+02:00", "2023-01-06 12:30:01.123456+02:00"),
        ("2023-01-06 12:30:01,250", "2023-01-06 12:30:01.250"),
        ("06/Jan/2023:12:30:01 -0730", "2023-01-06 12:30:01-07:30"),
        ("Fri, 6 Jan 2023 12:30:01 GMT", "2023-01-06 12:30:01Z"),
        ("2023-01-06 12:30:01 UTC", "2023-01-06 12:30:01Z"),
        ("2023-01-06 12:30:01 CEST", "2023-01-06 12:30:01+02:00"),
        ("Jan 6, 2023 3:05 PM EST", "2023-01-06 15:05:00-05:00"),
    ],
)
def test_a_part_of_a_second_and_a_zone_stay(written: str, canonical: str) -> None:
    moment = read_moment(written)
    assert moment is not None
    assert moment.canonical == canonical
    assert read_moment(canonical) == moment


@pytest.mark.parametrize("written", NO_DATES)
def test_what_is_no_date_is_none(written: str) -> None:
    moment = read_moment(written)
    assert moment is None or not moment.is_day


def test_figures_are_read_in_the_order_that_gives_a_date() -> None:
    assert read_moment("13/1/2023") == read_moment("1/13/2023")
    assert read_moment("2/1/2023", day_first=True) == read_moment("2023-01-02")
    assert read_moment("2/1/2023") == read_moment("2023-02-01")


def test_months_and_years_are_coarser_than_days() -> None:
    assert [read_moment(written) for written in ("July 2023", "2023-07", "Jul, 2023")] == [
        Moment((2023, 7))
    ] * 3
    assert read_moment("2023") == Moment((2023,))


def test_a_month_is_known_by_name_and_number() -> None:
    assert [number_of_month(word) for word in ("July", "jul", "7", "07", " JUL ", "x", "13")] == [
        7, 7, 7, 7, 7, 0, 0,
    ]  # fmt: skip


@given(st.text(max_size=60))
def test_reading_never_raises(text: str) -> None:
    moment = read_moment(text)
    assert moment is None or read_moment(moment.canonical) is None or moment.parts
