"""Lines of keys and values: separator and keys are found from the text."""

import pytest

from tests.sandbox.child.records.given import read, reviews

SHIPS = [
    {"ship": "Aurora", "port": "Cork", "note": "late"},
    {"ship": "Bess", "port": "Hull", "note": "early, in fog"},
    {"ship": "Clio", "port": "Rye", "note": ""},
]


def _lines(separator: str, between: str = ": ") -> str:
    return "\n".join(
        separator.join(f"{key.title()}{between}{value}" for key, value in ship.items())
        for ship in SHIPS
    )


@pytest.mark.parametrize("separator", [" || ", " | ", "|", "\t", "; ", " - ", "||"])
@pytest.mark.parametrize("between", [": ", ":", "=", " = "])
def test_any_separator_between_any_keys(separator: str, between: str) -> None:
    raw = read(_lines(separator, between))
    assert raw.kind == "lines of keys and values"
    assert raw.names == ["ship", "port", "note"]
    assert raw.rows == SHIPS
    assert (raw.header, raw.footer) == ([], [])


def test_commas_separate_too_and_may_stand_in_values() -> None:
    raw = read("Ship: Bess, Port: Hull, Note: early, in fog\nShip: Clio, Port: Rye, Note: x\n")
    assert raw.rows == [
        {"ship": "Bess", "port": "Hull", "note": "early, in fog"},
        {"ship": "Clio", "port": "Rye", "note": "x"},
    ]


def test_what_stands_around_the_lines_is_no_record() -> None:
    raw = read(reviews(5))
    assert len(raw.rows) == 5
    assert raw.names == ["date", "user", "review"]
    assert [line[:8] for line in raw.header] == ["The foll", "Count we"]
    assert [line[:7] for line in raw.footer] == ["Recall:"]


def test_the_separator_and_a_key_may_stand_in_the_last_value() -> None:
    text = "A: 1 || B: 2 || C: he said || A: no || so\nA: 3 || B: 4 || C: x\nA: 5 || B: 6 || C: y"
    assert read(text).rows[0] == {"a": "1", "b": "2", "c": "he said || A: no || so"}


def test_keys_may_be_missing_or_in_another_order() -> None:
    usual = "\n".join(f"A: {i} || B: {i} || C: {i}" for i in range(5))
    raw = read(f"{usual}\nA: 6 || C: 7\nB: 9 || A: 8 || C: 10\n")
    assert raw.rows[5:] == [{"a": "6", "c": "7"}, {"b": "9", "a": "8", "c": "10"}]


def test_a_line_right_below_belongs_to_the_one_above() -> None:
    raw = read(
        "A: 1 || B: first\nand more\n\nA: 2 || B: second\n\nby the way\n\nA: 3 || B: third\n"
    )
    assert [row["b"] for row in raw.rows] == ["first\nand more", "second", "third"]
    assert raw.footer == ["by the way"]


def test_below_the_last_line_only_what_is_indented_belongs_to_it() -> None:
    raw = read("A: 1 || B: x\nA: 2 || B: y\n  more of y\nNote: done\n")
    assert raw.rows[1]["b"] == "y\n  more of y"
    assert raw.footer == ["Note: done"]


def test_pairs_between_blanks_are_read_with_quotes() -> None:
    raw = read(
        'ts=2023-01-06T10:00:00Z level=info msg="tank is full" tank=3\n'
        'ts=2023-01-06T10:00:01Z level=warn msg="pump \\"A\\" off" tank=4 odd words\n'
        "ts=2023-01-06T10:00:02Z level=info msg=ok tank=5\n"
    )
    assert raw.names == ["ts", "level", "msg", "tank", "rest"]
    assert raw.rows[0] == {
        "ts": "2023-01-06T10:00:00Z", "level": "info", "msg": "tank is full", "tank": "3",
    }  # fmt: skip
    assert raw.rows[1]["rest"] == "odd words"


def test_a_key_becomes_a_name_that_can_be_an_attribute() -> None:
    raw = read("User ID: 1 | Sub-Total (EUR): 2\nUser ID: 3 | Sub-Total (EUR): 4\n")
    assert raw.names == ["user_id", "sub_total_eur"]


def test_a_line_of_many_separators_is_read_in_linear_time() -> None:
    hostile = "A: 1 || B: 2 || C: " + "|| C: x " * 50_000
    raw = read("\n".join(["A: 1 || B: 2 || C: 3"] * 5 + [hostile] + ["|| " * 100_000]))
    assert len(raw.rows) == 6


def test_a_first_part_without_a_key_is_named_by_what_it_is() -> None:
    for first, name in (("2023-01-0{}", "date"), ("2023-01-06 12:0{}", "time"), ("70{}", "id"),
                        ("Aurora {}", "name")):  # fmt: skip
        raw = read("\n".join(f"{first.format(i)} | port: Hull | crew: {i}" for i in range(1, 6)))
        assert raw.names == [name, "port", "crew"]
        assert raw.rows[0] == {name: first.format(1), "port": "Hull", "crew": "1"}


def test_a_last_part_without_a_key_is_a_text() -> None:
    raw = read("\n".join(f"7{i} | port: Hull | crew: {i} | came in late | again" for i in range(5)))
    assert raw.rows[1]["crew"] == "1 | came in late | again"  # may be the value's own bars
    raw = read("\n".join(f"7{i} | port: Hull | crew: {i} | came in late" for i in range(5)))
    assert raw.rows[1] == {"id": "71", "port": "Hull", "crew": "1", "text": "came in late"}


def test_a_log_whose_messages_hold_pairs_stays_a_log() -> None:
    raw = read("2023-01-06 12:30:01 INFO pump: tank=3, level=4, heat=5\n" * 5)
    assert raw.kind == "entries of a log"


def test_a_time_and_a_level_before_the_pairs_are_fields() -> None:
    line = "2023-01-06T12:30:0{0}.250+02:00 INFO request "
    line += "method=GET path=/yard/pumps/seven status=200 took={0}"
    raw = read("\n".join(line.format(i) for i in range(6)))
    assert raw.names == ["time", "level", "method", "path", "status", "took", "rest"]
    assert raw.rows[3] == {
        "time": "2023-01-06T12:30:03.250+02:00", "level": "INFO", "method": "GET",
        "path": "/yard/pumps/seven", "status": "200", "took": "3", "rest": "request",
    }  # fmt: skip
    raw = read("\n".join(f"2023-01-06 12:30:0{i} time=7 level=x where=/yard" for i in range(6)))
    assert raw.rows[0] == {
        "time": "7", "level": "x", "where": "/yard", "rest": "2023-01-06 12:30:00",
    }  # fmt: skip
