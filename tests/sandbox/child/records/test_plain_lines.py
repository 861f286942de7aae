"""Lines that are items by themselves, told from prose."""

import pytest

from rlm_local.sandbox.child.records.formats import NoRecords
from tests.sandbox.child.records.given import read

PROSE = """The harbour office stood at the end of the long quay, and from its window one could
see every ship that came in between the two lights. Nobody had painted it since the
war, and the clerk who kept the book there was older than the book itself, or so it
was said by those who had to wait for him. In the mornings he opened the shutters and
counted the masts, and what he counted he wrote down with a pencil that he sharpened
on the sill.
"""


def test_lines_called_one_each_are_items() -> None:
    text = (
        "The following lines contain 5 messages, one per line. Each is either calm or angry.\n\n"
        "Count them.\n\nwhere are you\nI am late, sorry!!\nok\nsee you at nine then\nno\n"
        "Recall: the preceding lines contain 5 messages, one per line.\n\nCount them.\n"
    )
    raw = read(text)
    assert [row["text"] for row in raw.rows] == [
        "where are you", "I am late, sorry!!", "ok", "see you at nine then", "no",
    ]  # fmt: skip
    assert len(raw.header) == 2
    assert len(raw.footer) == 2
    assert not raw.is_guess


@pytest.mark.parametrize("mark", ["- ", "* ", "{}. ", "{}) ", "({}) ", "#{} ", "• "])
def test_items_of_a_list_lose_their_marks(mark: str) -> None:
    raw = read("Things to buy:\n" + "\n".join(f"{mark.format(i)}kettle {i}" for i in range(5)))
    assert raw.kind == "items of a list"
    assert [row["text"] for row in raw.rows] == [f"kettle {i}" for i in range(5)]
    assert raw.header == ["Things to buy:"]
    assert ("number" in raw.names) == ("{}" in mark)


def test_short_lines_are_a_guess() -> None:
    raw = read("red kettle\nblue kettle\nold teapot\nbrass spoon\n")
    assert len(raw.rows) == 4
    assert raw.is_guess


@pytest.mark.parametrize(
    "text", [PROSE, PROSE * 40, "\n\n".join([PROSE] * 9), "A long paragraph. " * 90]
)
def test_prose_has_no_records(text: str) -> None:
    with pytest.raises(NoRecords, match="not made of like"):
        read(text)


@pytest.mark.parametrize("item", ["Remember to buy milk", "Note: late", "The above film was fine"])
def test_an_item_may_begin_like_a_closing_note(item: str) -> None:
    lines = [f"message number {i} is here" for i in range(30)]
    lines[20] = item
    assert (
        len(read("The following lines hold messages, one per line:\n\n" + "\n".join(lines)).rows)
        == 30
    )
    assert len(read("\n".join([*lines[:20], "", *lines[20:]])).rows) == 30


def test_a_note_that_stands_apart_is_no_item() -> None:
    raw = read("\n".join(f"message {i}" for i in range(9)) + "\n\nRemember: count them all.\n")
    assert len(raw.rows) == 9
    assert raw.footer == ["Remember: count them all."]
