"""Which row names the columns, and which one sums the others up."""

import pytest

from rlm_local.sandbox.child.records.headings import are_names, is_total

ROWS = [["0", "7", "Ann Holt", "12.50"], ["1", "8", "Bo", "3"]]


@pytest.mark.parametrize(
    "names",
    [
        ["n", "order id", "customer", "amount"],
        ["", "order_id", "customer", "amount"],  # an index without a name
    ],
)
def test_a_row_of_short_words_names_the_columns(names: list[str]) -> None:
    assert are_names(names, ROWS)


@pytest.mark.parametrize(
    "cells",
    [
        ["2", "9", "Eve", "4"],
        ["", "", "customer", "amount"],
        ["n", "customer", "customer", "amount"],
        ["n", "id", "Bo", "amount"],
        ["", "9", "Eve", "4"],
    ],
)
def test_a_row_of_values_does_not(cells: list[str]) -> None:
    assert not are_names(cells, ROWS)


def test_a_column_without_a_name_is_an_index_only_where_it_counts() -> None:
    assert not are_names(["", "city", "size"], [["Oslo", "a", "1"], ["Lund", "b", "2"]])


def test_rows_that_all_end_with_a_delimiter_have_no_last_column() -> None:
    assert are_names(["id", "size", ""], [["7", "1", ""], ["8", "2", ""]])
    assert not are_names(["id", "size", ""], [["7", "1", "x"], ["8", "2", ""]])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["Total", "", "", "400.00"], True),
        (["", "Grand total:", "", "€ 400"], True),
        (["Total", "", "", ""], False),
        (["total", "7", "Ann", "400"], False),
        (["7", "", "", "400"], False),
        (["Totals Ltd", "", "", "400"], False),
    ],
)
def test_a_row_that_sums_up_begins_with_total_and_has_gaps(
    cells: list[str], expected: bool
) -> None:
    assert is_total(cells) is expected
