"""Tables: CSV and its like, with names or without, with quotes and text around them."""

import pytest

from tests.sandbox.child.records.given import read

PARTS = 'id,part,price,note\n7,valve,1.50,"brass, old"\n8,pump,20,\n9,"seal ""B""",3,new\n'


def test_csv_with_names_and_quotes() -> None:
    raw = read(PARTS)
    assert raw.kind == "rows of a table"
    assert raw.names == ["id", "part", "price", "note"]
    assert raw.rows == [
        {"id": "7", "part": "valve", "price": "1.50", "note": "brass, old"},
        {"id": "8", "part": "pump", "price": "20", "note": ""},
        {"id": "9", "part": 'seal "B"', "price": "3", "note": "new"},
    ]


@pytest.mark.parametrize("delimiter", ["\t", ";", "|", " | "])
def test_other_delimiters(delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (["id", "part"], ["7", "valve"], ["8", "pump"]))
    assert read(text).rows == [{"id": "7", "part": "valve"}, {"id": "8", "part": "pump"}]


def test_a_cell_in_quotes_may_hold_lines() -> None:
    raw = read('id,note\n1,"one\n\ntwo, three"\n2,x\n3,y\n4,z\n5,z\n6,z\n7,z\n8,z\n9,z\n')
    assert raw.rows[0] == {"id": "1", "note": "one\n\ntwo, three"}
    assert len(raw.rows) == 9


def test_a_table_without_names_gets_some() -> None:
    raw = read("7,1.5,2023-01-06\n8,2.5,2023-01-07\n9,3.5,2023-01-08\n")
    assert raw.names == ["column_1", "column_2", "column_3"]
    assert len(raw.rows) == 3


def test_text_around_a_table_is_header_and_footer() -> None:
    raw = read(f"Stock of the yard\n\n{PARTS}\nCounted twice by two people.\n")
    assert raw.header == ["Stock of the yard"]
    assert raw.footer == ["Counted twice by two people."]
    assert len(raw.rows) == 3


def test_a_table_of_markdown() -> None:
    raw = read("| id | part |\n|----|:-----|\n| 7 | valve |\n| 8 | pump |\n| 9 | seal |\n")
    assert raw.names == ["id", "part"]
    assert raw.rows == [
        {"id": "7", "part": "valve"}, {"id": "8", "part": "pump"}, {"id": "9", "part": "seal"},
    ]  # fmt: skip


def test_a_quote_that_never_closes_takes_no_more_than_its_cell() -> None:
    lines = [f"{i},valve,{i}" for i in range(2000)]
    lines[700] = '700,"valve,3'
    raw = read("\n".join(["id,part,price", *lines]))
    assert len(raw.rows) == 2000
    assert raw.rows[700]["part"] == '"valve'


def test_rows_with_more_or_fewer_cells_lose_nothing() -> None:
    rows = [f"{i},x,y" for i in range(20)]
    raw = read("\n".join(["id,a,b", *rows, "20,x", "21,x,y,z", "alone", "22,x,y"]))
    assert raw.rows[20] == {"id": "20", "a": "x"}
    assert raw.rows[21] == {"id": "21", "a": "x", "b": "y,z"}
    assert len(raw.rows) == 23
    assert raw.footer == ["alone"]


def test_sentences_with_as_many_commas_are_no_table() -> None:
    lines = [
        "Well, the ship was late again this year.", "So, nobody came to the quay at all.",
        "Yes, it rained on all of us there.", "No, the captain did not speak to us.",
    ]  # fmt: skip
    assert read("\n".join(lines)).kind == "lines"


def test_carriage_returns_end_lines_too() -> None:
    raw = read(PARTS.replace("\n", "\r\n"))
    assert raw.rows[1] == {"id": "8", "part": "pump", "price": "20", "note": ""}


def test_names_twice_or_empty_are_told_apart() -> None:
    assert read("id,x,x,\n1,2,3,4\n5,6,7,8\n9,9,9,9\n").names == [
        "column_1", "column_2", "column_3", "column_4",
    ]  # fmt: skip
