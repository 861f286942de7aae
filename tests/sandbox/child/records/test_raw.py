"""Names of fields, and lines that are put where they belong."""

from rlm_local.sandbox.child.records.raw import Raw, Row, column_name, gather, unique_names


def test_names_can_be_attributes() -> None:
    words = ("User ID", " Sub-Total (%) ", "2nd", "Größe", "__x__", "?")
    assert list(map(column_name, words)) == ["user_id", "sub_total", "field_2nd", "größe", "x", ""]


def test_names_are_not_given_twice() -> None:
    assert unique_names(["x", "X", "", "x 2", "x"]) == ["x", "x_2", "column_3", "x_2_2", "x_3"]


def _read(line: str) -> Row | None:
    return {"text": line[2:]} if line.startswith("# ") else None


def test_lines_go_to_header_rows_and_footer() -> None:
    raw = Raw("", ["text"], [])
    lines = [
        "before",
        "",
        "also before",
        "# one",
        "of one",
        "",
        "between",
        "# two",
        "  of two",
        "after",
    ]
    gather(raw, lines, _read, runs_on="text")
    assert raw.header == ["before", "also before"]
    assert raw.rows == [{"text": "one\nof one"}, {"text": "two\n  of two"}]
    assert raw.footer == ["between", "after"]


def test_without_a_field_to_run_on_all_else_is_footer() -> None:
    raw = gather(Raw("", ["text"], []), ["# one", " of one", "# two"], _read)
    assert raw.rows == [{"text": "one"}, {"text": "two"}]
    assert raw.footer == [" of one"]


def test_a_text_without_rows_is_all_header() -> None:
    raw = gather(Raw("", ["text"], []), ["a", "", "b"], _read, runs_on="text")
    assert (raw.header, raw.rows, raw.footer) == (["a", "b"], [], [])
