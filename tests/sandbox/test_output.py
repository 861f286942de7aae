from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.output import CappedText, PlainText, cut_middle


@given(st.lists(st.text(max_size=30), max_size=20), st.sampled_from([10, 40, 4000]))
def test_a_stream_keeps_both_ends_and_counts_all(pieces: list[str], cap_chars: int) -> None:
    stream = CappedText(cap_chars)
    assert [stream.write(piece) for piece in pieces] == [len(piece) for piece in pieces]
    whole = "".join(pieces)
    assert stream.total_chars == len(whole)
    assert stream.text() == cut_middle(whole, cap_chars)


def test_a_cut_tells_the_true_length() -> None:
    text = cut_middle("a" * 500 + "b" * 500, 100)
    assert text.startswith("a" * 50 + "\n")
    assert text.endswith("\n" + "b" * 50)
    assert "[900 of 1,000 characters left out]" in text
    assert cut_middle("short", 100) == "short"


def test_a_plain_text_shows_as_itself() -> None:
    assert repr(PlainText("two\nlines")) == "two\nlines"
