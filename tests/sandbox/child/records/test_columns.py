"""Values get the type that all of a field's values have."""

import pytest

from rlm_local.sandbox.child.records.columns import type_column
from rlm_local.sandbox.child.records.dates import Date
from rlm_local.sandbox.child.records.ids import Id
from tests.sandbox.child.records.given import names_of


def _typed(values: list[object], name: str = "x") -> tuple[str, list[object]]:
    rows = [{name: value} for value in values]
    kind = type_column(rows, name)
    return kind, [row[name] for row in rows]


@pytest.mark.parametrize("name", ["user", "user_id", "id", "customer", "zip", "account_id"])
def test_digits_in_a_field_named_like_an_id_are_ids(name: str) -> None:
    kind, values = _typed(["40117", "18204"], name)
    assert kind == "id"
    assert [type(value) for value in values] == [Id, Id]
    assert _typed([40117, 18204], name) == ("id", [40117, 18204])
    assert type(_typed([40117], name)[1][0]) is int


def test_zeros_in_front_make_an_id_of_any_field() -> None:
    assert _typed(["007", "110"]) == ("id", ["007", "110"])


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        (["1", "-2", "+3"], [1, -2, 3]),
        (["1.5", "2", ".25"], [1.5, 2, 0.25]),
        (["1,250", "20", "3,000,000.5"], [1250, 20, 3000000.5]),
        (["$1.50", "$20"], [1.5, 20]),
        (["€ 3", "-€4"], [3, -4]),
        (["12%", "7.5 %"], [12, 7.5]),
        (["2021", "2022"], [2021, 2022]),
        (["1.5e3", "2.0E-1"], [1500.0, 0.2]),
        (["1,5", "2,25"], [1.5, 2.25]),
        (["1.250,50", "20,5", "3.000.000,75"], [1250.5, 20.5, 3000000.75]),
    ],
)
def test_figures_are_numbers(written: list[object], numbers: list[object]) -> None:
    assert _typed(written) == ("number", numbers)


def test_what_is_missing_among_figures_is_none() -> None:
    assert _typed(["1", "", "n/a", "-", "2"]) == ("number", [1, None, None, None, 2])
    assert _typed(["7", "", "8"], "user") == ("id", ["7", "", "8"])


@pytest.mark.parametrize(
    "values",
    [["1", "two"], ["12E5", "13E5"], ["1.2.3", "1.2.4"], ["10.0.0.1", "10.0.0.2"], ["1-2"]],
)
def test_all_else_stays_text(values: list[object]) -> None:
    assert _typed(values) == ("text", values)


def test_one_word_late_in_a_field_keeps_it_text() -> None:
    values: list[object] = [*map(str, range(2000)), "many"]
    assert _typed(values) == ("text", values)


def test_dates_are_normalised_where_nearly_all_are() -> None:
    kind, values = _typed(["Jan 06, 2023", "6 Feb 2023"])
    assert kind == "date"
    assert values == ["2023-01-06", "2023-02-06"]
    assert [type(value) for value in values] == [Date, Date]
    many: list[object] = [f"Jan {i % 28 + 1:02d}, 2023" for i in range(100)]
    kind, values = _typed([*many, "unknown", ""])
    assert (kind, values[-2:]) == ("date", ["unknown", ""])
    kind, values = _typed([*many[:20], *["once"] * 20])
    assert (kind, values[0]) == ("text", "Jan 01, 2023")


def test_times_keep_their_clock() -> None:
    assert _typed(["2023-01-06T12:30:01Z", "2023-01-06 12:31"]) == (
        "time",
        ["2023-01-06 12:30:01", "2023-01-06 12:31:00"],
    )


def test_one_day_above_twelve_tells_the_order_for_all() -> None:
    assert _typed(["1/2/2023", "13/2/2023"])[1] == ["2023-02-01", "2023-02-13"]
    assert _typed(["1/2/2023", "2/13/2023"])[1] == ["2023-01-02", "2023-02-13"]
    assert _typed(["1/2/2023", "3/4/2023"])[1] == ["2023-01-02", "2023-03-04"]


def test_values_of_json_stay_what_they_are() -> None:
    assert _typed([1, 2.5]) == ("number", [1, 2.5])
    assert _typed([True, False]) == ("yes/no", [True, False])
    assert _typed([[1], {"a": 2}]) == ("value", [[1], {"a": 2}])
    assert _typed([None, ""]) == ("text", [None, ""])


def test_a_field_that_rows_lack_is_passed_over() -> None:
    rows: list[dict[str, object]] = [{"x": "1"}, {}, {"x": "2"}]
    assert type_column(rows, "x") == "number"
    assert rows == [{"x": 1}, {}, {"x": 2}]


def test_equal_texts_are_kept_once() -> None:
    values: list[object] = ["".join(["lo", "w"]) for _ in range(9)]
    assert len({id(value) for value in _typed(values)[1]}) == 1


def test_what_json_says_is_a_text_or_a_number_stays_one() -> None:
    rows: list[dict[str, object]] = [{"label": str(i % 2), "user": str(i)} for i in range(6)]
    assert type_column(rows, "label", is_typed=True) == "text"
    assert rows[1]["label"] == "1"
    assert type_column(rows, "user", is_typed=True) == "id"
    assert _typed([0, 1], "exit_code") == ("number", [0, 1])
    assert type(_typed([0], "id")[1][0]) is int


@pytest.mark.parametrize("name", ["order_no", "status_code", "case", "key"])
def test_numbers_that_are_no_ids(name: str) -> None:
    assert _typed(["404", "500"], name) == ("number", [404, 500])


def test_a_comma_means_the_same_in_all_of_a_column() -> None:
    assert _typed(["1,5", "3,125", "12"]) == ("number", [1.5, 3.125, 12])
    assert _typed(["0,125", "-2,250"]) == ("number", [0.125, -2.25])
    assert _typed(["3,125", "12,500"]) == ("number", [3125, 12500])
    assert _typed(["1,5", "1,234,567"])[0] == "text"


def test_two_signs_are_no_number() -> None:
    assert _typed(["+-5", "+-6"]) == ("text", ["+-5", "+-6"])
    assert _typed(["-$5", "$-6", "- 7"]) == ("number", [-5, -6, -7])
    assert repr(names_of("a,b\n1,+-5\n2,+-6\n3,+-7\n").values()["fields"]).startswith("a: number")


def test_versions_are_no_dates_but_in_a_column_of_dates() -> None:
    assert _typed(["1.2.10", "3.10.21"], "version")[0] == "text"
    assert _typed(["1.2.10", "3.10.21"], "due_date") == ("date", ["2010-02-01", "2021-10-03"])


def test_a_column_with_the_day_first_is_compared_in_its_own_spelling() -> None:
    kind, values = _typed(["25/06/2023", "05/06/2023", "06/05/2023"])
    assert kind == "date"
    assert [value == "05/06/2023" for value in values] == [False, True, False]
    assert _typed(["05.06.2023"])[1] == ["2023-06-05"]
    assert _typed(["05.06.2023", "05.25.2023"])[1] == ["2023-05-06", "2023-05-25"]


def test_a_field_of_nothing_but_dashes_is_no_number() -> None:
    assert _typed(["-", "-", "-"], "user") == ("text", ["-", "-", "-"])
