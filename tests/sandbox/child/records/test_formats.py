"""Any text is read without an error, and no line of it is lost."""

import json
import re
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.records.formats import NoRecords, read_records
from rlm_local.sandbox.child.records.raw import Raw
from tests.sandbox.child.records.given import names_of, read, reviews
from tests.sandbox.child.records.test_delimited import PARTS
from tests.sandbox.child.records.test_sections import GUIDE

LOG = "2023-01-06 12:30:01 INFO pump: started\n  on\n2023-01-06 12:30:02 WARN pump: low\n" * 3
JSON_LINES = '{"ship": "Bess", "crew": [1, {"name": "ann"}]}\n{"ship": "Clio", "note": null}\n' * 3
LIST = "Buy:\n1. kettle\n2. teapot\n3. spoon\n   of brass\n4. cup\n"
FORMATS = [reviews(7), PARTS, GUIDE, LOG, JSON_LINES, LIST, "a=1 b=\"x y\"\na=2 b='z'\n" * 3]
PIECES = st.sampled_from(
    ["\n", "\n\n", "  ", "||", "|", ",", ";", "\t", ": ", "=", '"', "'", "#", "## t", "- ", "1. ",
     "{", "}", "[", "]", '{"a": 1}', "a: 1 || b: 2", "a,b,c", '"x,y",z', "2023-01-06", "12:30:01",
     "2023-01-06 12:30:01 INFO x: y", "INFO", "word", "Kettle", "7", "```", "\r", "\r\n", "é", "\0",
     "\ud800", "\u2028", "a b c", "Date: Jan 06, 2023", "User: 7"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=60).map("".join)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))


def _kept(raw: Raw) -> set[str]:
    def texts(values: Iterable[object]) -> Iterable[str]:
        for value in values:
            yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    parts = [*raw.header, *raw.footer, *raw.names]
    for row in raw.rows:
        parts += texts(row.values())
        parts += row.keys()
    return _words("\n".join(parts))


def _check_nothing_is_lost(text: str) -> None:
    try:
        raw = read(text)
    except NoRecords:
        return
    assert raw.rows
    assert set().union(*raw.rows) <= set(raw.names)
    lost = _words(text) - _kept(raw)
    # The number of an item in a list is a field; escapes of JSON are read.
    assert not {word for word in lost if not word.isdigit() and not re.match(r"u[0-9a-f]{4}", word)}


def test_no_line_of_any_format_is_lost() -> None:
    for text in FORMATS:
        _check_nothing_is_lost(text)
        _check_nothing_is_lost(f"A note before.\n\n{text}\nAnd one behind.\n")


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_no_line_of_any_text_is_lost(text: str) -> None:
    _check_nothing_is_lost(text)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FORMATS), TEXTS, st.integers(0, 500))
def test_a_format_with_anything_put_into_it_loses_no_line(text: str, other: str, at: int) -> None:
    at = min(at, len(text))
    _check_nothing_is_lost(text[:at] + other + text[at:])


@settings(max_examples=200, deadline=None)
@given(st.one_of(TEXTS, st.text(max_size=300)), st.text(max_size=80))
def test_no_text_and_no_question_makes_a_look_fail(text: str, question: str) -> None:
    names = names_of(text)
    found = names.look(question)
    json.dumps(found)
    repr(names.values())
    for row in names.table.rows:
        assert row == dict(row)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FORMATS), TEXTS)
def test_nothing_put_into_a_format_makes_a_look_fail(text: str, other: str) -> None:
    names = names_of(text + other + text)
    json.dumps(names.look(other))
    repr(names.values()["fields"])


def test_a_text_of_several_documents_has_one_record_each() -> None:
    whole = "one\ntwo"
    raw = read_records(whole, Documents.of(whole, [("a", 0, 3), ("b", 4, 7)]), dict)
    assert raw.rows == [{"name": "a", "text": "one"}, {"name": "b", "text": "two"}]


def test_very_many_short_lines_are_not_held() -> None:
    with pytest.raises(NoRecords, match="3,000,001 lines are too many"):
        read("7\n" * 3_000_000)


def test_hostile_texts_of_a_megabyte_are_read_in_linear_time() -> None:
    for piece in ("a: ", 'a="', "|| ", "a: 1 || ", "# ", '"', ",", "[", "{", "- ", " ", "a ", "1."):
        for text in (piece * 300_000, f"{piece}\n" * 50_000, f"a: 1 || b: {piece * 100_000}\n" * 3):
            names_of(text).look("q")


ORDERS = "".join(
    f"{i},{'Ann' if i % 2 else 'Bo'},{i}.50,2023-05-{i % 28 + 1:02d}\n" for i in range(24)
)
WRITTEN_AS = {
    "plain": f"order_id,customer,amount,day\n{ORDERS}",
    "tabs": f"order_id,customer,amount,day\n{ORDERS}".replace(",", "\t"),
    "semicolons": f"order_id,customer,amount,day\n{ORDERS}".replace(",", ";"),
    "bars": f"order_id,customer,amount,day\n{ORDERS}".replace(",", "|"),
    "Windows": f"\ufefforder_id,customer,amount,day\n{ORDERS}".replace("\n", "\r\n"),
    "blank lines": f"order_id,customer,amount,day\n{ORDERS}".replace("\n", "\n\n"),
    "old Mac": f"order_id,customer,amount,day\n{ORDERS}".replace("\n", "\r"),
    "all quoted": '\ufeff"order_id","customer","amount","day"\n'
    + re.sub(r"[^,\n]+", lambda cell: f'"{cell[0]}"', ORDERS),
    "title": f"Orders of May\n\norder_id,customer,amount,day\n{ORDERS}\nEnd of orders.\n",
    "data frame": ",order_id,customer,amount,day\n"
    + "".join(f"{i},{line}\n" for i, line in enumerate(ORDERS.splitlines())),
    "Markdown": "| order_id | customer | amount | day |\n|---:|:---|---|:-:|\n"
    + re.sub(r"(?m)^(.+)$", r"| \1 |", ORDERS).replace(",", " | "),
    "JSON with a mark": "\ufeff"
    + json.dumps([dict(zip(("order_id", "customer", "amount", "day"), line.split(","), strict=True))
                  for line in ORDERS.splitlines()], indent=1).replace('.50"', '.50').replace(
        '"amount": "', '"amount": '),
}  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN_AS)
def test_orders_are_read_alike_however_they_are_written(written: str) -> None:
    names = names_of(WRITTEN_AS[written])
    names.read()
    table = names.table
    assert len(table.rows) == 24
    assert [name for name in table.names if name != "index"] == [
        "order_id", "customer", "amount", "day",
    ]  # fmt: skip
    assert [table.kinds[name] for name in table.names[-4:]] == ["id", "text", "number", "date"]
    assert sum(row["amount"] for row in table.rows) == 288.0  # type: ignore[misc]  # numbers
    assert sum(row["customer"] == "Ann" for row in table.rows) == 12
    assert sum(row["day"] > "20 May 2023" for row in table.rows) == 4  # type: ignore[operator]  # days
    assert bool(names.header) == (written == "title")


def test_times_of_a_log_keep_their_parts_of_seconds_and_zones() -> None:
    names = names_of(
        "".join(f"2023-05-01T10:00:01.{900 - i}+02:00 INFO app: tick {i}\n" for i in range(24))
    )
    names.read()
    times = [row["time"] for row in names.table.rows]
    assert names.table.kinds["time"] == "time"
    assert str(times[3]) == "2023-05-01 10:00:01.897+02:00"
    assert sorted(times, key=str) == times[::-1]
    assert min(times) == times[-1]  # type: ignore[type-var]  # times
    assert all(time == "2023-05-01" and time < "2023-05-01T08:00:02Z" for time in times)
