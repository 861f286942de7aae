"""`fields` tells what there is, and takes definitions."""

import pytest

from rlm_local.sandbox.child.records.fields import Fields
from rlm_local.sandbox.child.records.judging import judged
from tests.sandbox.child.records.given import FakeLabeller, names_of, reviews

PARTS = (
    "id,part,price,bought,note\n"
    + "\n".join(
        f"{i + 100},{'valve' if i % 2 else 'pump'},{i * 1.5},2023-01-{i + 1:02d},"
        f"a note of some length about part number {i} on the shelf"
        for i in range(20)
    )
    + "\n120,seal,,2023-02-01,\n"
)  # fmt: skip


def _fields(text: str) -> Fields:
    found = names_of(text, labeller=FakeLabeller(lambda text: "yes")).values()["fields"]
    assert isinstance(found, Fields)
    return found


def test_each_field_is_told_with_its_type_and_values() -> None:
    assert repr(_fields(PARTS)).splitlines() == [
        "id: id, 21 different, such as '100'",
        "part: text, 3 different: 'pump', 'valve', 'seal'",
        "price: number, 0.0 to 28.5, 1 without",
        "bought: date (YYYY-MM-DD), 2023-01-01 to 2023-02-01",
        "note: text, about 54 characters each, 1 without",
    ]


def test_a_derived_field_is_told_with_its_labels() -> None:
    fields = _fields(reviews())
    assert str(fields.label) == (
        "label: one of 'glowing', 'mixed', 'harsh'; a language model judges it from review when "
        "first read"
    )
    assert fields.label.labels == ["glowing", "mixed", "harsh"]
    assert (fields.user.kind, fields["date"].kind, fields.label.kind) == ("id", "date", "judged")


def test_fields_behave_as_a_list_of_names() -> None:
    fields = _fields(reviews())
    assert fields.names == list(fields) == fields.keys() == ["date", "user", "review", "label"]
    assert len(fields) == 4
    assert "user" in fields
    assert "price" not in fields
    with pytest.raises(AttributeError, match="no field 'price'"):
        fields.price  # noqa: B018
    with pytest.raises(KeyError, match="no field 'price'"):
        fields["price"]


def test_a_derived_field_is_defined_in_any_spelling() -> None:
    fields = _fields(reviews())
    fields.one = judged(["yes", "no"])
    fields["two"] = judged(["yes", "no"])
    fields.three = ["yes", "no"]
    assert fields.names[-3:] == ["one", "two", "three"]
    with pytest.raises(
        TypeError, match=r"fields.four takes judged\(\[labels\], about=...\), not int"
    ):
        fields.four = 4


def test_many_fields_are_told_in_part() -> None:
    text = "\n".join(" | ".join(f"K{'x' * i}: {i}" for i in range(20)) for _ in range(3))
    assert len(repr(_fields(text)).splitlines()) == 20
    wide = "\n".join(
        ",".join([f"c{i}" for i in range(60)] if n == 0 else ["7"] * 60) for n in range(4)
    )
    assert repr(_fields(wide)).splitlines()[-1] == "... and 20 more"


def test_without_records_there_are_none() -> None:
    assert repr(_fields("")) == "no fields: the text was not read into records"
    assert list(_fields("")) == []
