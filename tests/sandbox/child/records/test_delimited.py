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


def test_rows_that_go_on_for_lines_are_rows_at_either_end_too() -> None:
    row = '{},"one\ntwo, more",5\n'
    raw = read("id,review,stars\n" + "".join(f"{i},fine,3\n" for i in range(9)) + row.format(9))
    assert len(raw.rows) == 10
    assert raw.rows[-1] == {"id": "9", "review": "one\ntwo, more", "stars": "5"}
    raw = read("".join(row.format(i) for i in range(9)) + "9,fine,3\n")
    assert len(raw.rows) == 10
    assert not raw.header


@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_two_quotes_that_never_close_merge_no_rows(delimiter: str) -> None:
    rows = [[str(i), f"user{i}", f"tweet {i}"] for i in range(300)]
    rows[99][2], rows[149][2] = '"loose', '"another'
    rows[200][2] = f'"kept{delimiter} whole"'
    raw = read("\n".join(map(delimiter.join, [["id", "user", "tweet"], *rows])))
    assert len(raw.rows) == 300
    assert [raw.rows[i]["tweet"] for i in (99, 149)] == ['"loose', '"another']
    assert raw.rows[200]["tweet"] == f"kept{delimiter} whole"


def test_lines_in_a_cell_may_have_as_many_commas_as_rows() -> None:
    raw = read("id,review\n" + "".join(f'{i},"a, b\nc, d\ne, f\ng"\n' for i in range(30)))
    assert len(raw.rows) == 30
    assert raw.rows[0] == {"id": "0", "review": "a, b\nc, d\ne, f\ng"}
    assert not raw.footer


def test_a_quote_in_the_last_row_takes_no_line_below() -> None:
    raw = read("a,b\n" + "".join(f"{i},x\n" for i in range(5)) + '5,12" pipe\nfooter "x\n')
    assert len(raw.rows) == 6
    assert raw.footer == ['footer "x']


def test_an_empty_cell_at_an_end_is_a_cell() -> None:
    rows = "".join(f"{i}|Ann|Paris\n" for i in range(8))
    raw = read(f"id|name|city\n{rows}|Bob|Rome\n9|Carl|\n")
    assert raw.rows[8:] == [
        {"id": "", "name": "Bob", "city": "Rome"}, {"id": "9", "name": "Carl", "city": ""},
    ]  # fmt: skip
    raw = read("| a | b | c |\n|-|-|-|\n| 1 | | 3 |\n|4|5||\n||6|7|\n| 8 | 9 | 10 |\n")
    assert [tuple(row.values()) for row in raw.rows] == [
        ("1", "", "3"), ("4", "5", ""), ("", "6", "7"), ("8", "9", "10"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        ("Name,City", ["Alice,Paris", "Bob,London", "Carol,Rome"]),
        ("Question,Answer", ["What is it?,Yes", "Who?,No", "Where?,Yes"]),
        ("First Name,Department", ["Ada,Math", "Alan,Navy", "Grace,Navy"]),
        ("Code,Shade", [*["a,red"] * 40, "b,a very long shade of a warm kind of red"]),
    ],
)
def test_words_that_columns_are_called_are_names(names: str, rows: list[str]) -> None:
    raw = read("\n".join([names, *rows]))
    assert raw.names == names.lower().replace(" ", "_").split(",")
    assert len(raw.rows) == len(rows)


def test_a_row_whose_words_come_again_below_is_no_names() -> None:
    raw = read("apple,red\nbanana,yellow\ncherry,red\nplum,blue\nlime,green\n")
    assert raw.names == ["column_1", "column_2"]
    assert len(raw.rows) == 5


def test_rows_of_signs_are_rows() -> None:
    assert len(read("t1,t2\n+,-\n-,-\nx,+\n-,+\nx,x\n").rows) == 5


def test_the_index_of_a_data_frame_is_a_column() -> None:
    rows = "".join(f"{i},{i + 70},part {i},1.5\n" for i in range(20))
    raw = read(f",id,name,price\n{rows}")
    assert raw.names == ["index", "id", "name", "price"]
    assert len(raw.rows) == 20
    assert raw.rows[3] == {"index": "3", "id": "73", "name": "part 3", "price": "1.5"}


def test_a_row_of_totals_below_is_no_record() -> None:
    rows = "".join(f"{i},Ann,{i}.50\n" for i in range(20))
    raw = read(f"order_id,customer,amount\n{rows}Total,,200.00\n")
    assert len(raw.rows) == 20
    assert raw.footer == ["Total,,200.00"]


def test_quotes_behind_a_blank_begin_a_cell_too() -> None:
    rows = "".join(f'{i}, "rope, long", 3.{i}\n' for i in range(20))
    raw = read(f"id, name, price\n{rows}")
    assert len(raw.rows) == 20
    assert raw.rows[4] == {"id": "4", "name": "rope, long", "price": "3.4"}


def test_empty_cells_at_the_end_of_a_row_of_tabs_may_be_left_off() -> None:
    rows = "".join(f"{i}\tAnn{'' if i % 3 else chr(9) + 'late'}\n" for i in range(20))
    raw = read(f"id\tname\tnote\n{rows}")
    assert len(raw.rows) == 20
    assert raw.rows[0] == {"id": "0", "name": "Ann", "note": "late"}
    assert raw.rows[19] == {"id": "19", "name": "Ann"}
    assert not raw.footer


def test_quotes_within_cells_are_part_of_them() -> None:
    odd = ['Ann "6 ft" Holt', 'O"Neil', '5" pipe', 'a "b" c', 'ends with "']
    rows = [f"{i},{odd[i % 5]},{i}.5,fine" for i in range(20)]
    raw = read("\n".join(["id,name,price,note", *rows]))
    assert [row["name"] for row in raw.rows] == [odd[i % 5] for i in range(20)]
    assert {len(row) for row in raw.rows} == {4}
    assert [row["note"] for row in raw.rows] == ["fine"] * 20
