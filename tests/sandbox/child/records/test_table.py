"""The table fills derived fields once, for all records."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from rlm_local.sandbox.child.records.judging import judged
from rlm_local.sandbox.child.records.table import Table
from tests.sandbox.child.records.given import FakeLabeller, names_of, reviews

CSV = "id,title,body,stars\n" + "\n".join(
    f"{i},tea {i},a rather long text about pot {i} of the shop,{i % 5}" for i in range(8)
)


def _table(text: str, labeller: FakeLabeller | None = None) -> Table:
    names = names_of(text, labeller=labeller)
    names.read()
    return names.table


def test_all_records_are_judged_when_the_first_is_read() -> None:
    labeller = FakeLabeller(lambda text: "glowing" if "lovely" in text else "harsh")
    table = _table(reviews(6), labeller)
    assert table.rows[5]["label"] == "glowing"
    assert [dict.get(row, "label") for row in table.rows] == ["harsh", "glowing"] * 3
    assert [row["label"] for row in table.rows] == ["harsh", "glowing"] * 3
    assert len(labeller.asked) == 1
    assert labeller.asked[0][0] == [f"{'lovely' if i % 2 else 'dull'} teapot {i}" for i in range(6)]


def test_threads_that_read_at_once_have_one_batch_made() -> None:
    labeller = FakeLabeller(lambda text: "mixed")
    table = _table(reviews(40), labeller)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda row: row["label"], table.rows)) == {"mixed"}
    assert len(labeller.asked) == 1


def test_the_same_definition_again_changes_nothing_and_another_starts_anew() -> None:
    labeller = FakeLabeller(lambda text: "calm")
    table = _table(reviews(), labeller)
    for _ in range(2):
        table.define("tone", judged(["calm", "angry"], about="Tone?"))
        assert table.rows[0]["tone"] == "calm"
    assert len(labeller.asked) == 1
    table.define("tone", judged(["calm", "sad"], about="Tone?"))
    assert "tone" not in dict(table.rows[0])
    assert table.rows[0]["tone"] == "calm"
    assert len(labeller.asked) == 2


def test_a_field_of_the_texts_own_is_not_judged() -> None:
    table = _table(reviews())
    with pytest.raises(ValueError, match="'user' of their own"):
        table.define("user", judged(["a", "b"]))
    with pytest.raises(ValueError, match="no field 'nothing'"):
        table.define("x", judged(["a", "b"], of="nothing"))


def test_without_records_there_is_nothing_to_judge() -> None:
    with pytest.raises(ValueError, match="no records to judge"):
        _table("").define("x", judged(["a", "b"]))


def test_the_long_text_is_what_is_judged_unless_told_otherwise() -> None:
    labeller = FakeLabeller(lambda text: "a")
    table = _table(CSV, labeller)
    assert table.text_name == "body"
    table.define("x", judged(["a", "b"]))
    table.define("y", judged(["a", "b"], of="Title"))
    assert (table.rows[0]["x"], table.rows[0]["y"]) == ("a", "a")
    assert labeller.asked[0][0][0].startswith("a rather long")
    assert labeller.asked[1][0][0] == "tea 0"


def test_where_no_text_stands_out_the_record_is_judged() -> None:
    labeller = FakeLabeller(lambda text: "a")
    table = _table(
        "id,make,kind,year\n7,acme,valve,2021\n8,bolt,pump,\n9,acme,seal,2022\n", labeller
    )
    assert table.text_name is None
    table.define("x", judged(["a", "b"]))
    assert table.rows[1]["x"] == "a"
    assert labeller.asked[0][0][:2] == [
        "id: 7; make: acme; kind: valve; year: 2021", "id: 8; make: bolt; kind: pump",
    ]  # fmt: skip


def test_a_field_whose_values_are_the_labels_is_found() -> None:
    text = "id,mood,note\n" + "\n".join(
        f"{i},{'Calm' if i % 2 else 'angry'},n{i}" for i in range(9)
    )
    table = _table(text)
    assert table.field_of_values(["calm", "angry", "sad"]) == "mood"
    assert table.field_of_values(["calm", "sad"]) is None
