from hypothesis import given
from hypothesis import strategies as st

from rlm_local.engine.windows import cut_to_window, surely_fits
from tests.fakes.parts import WordCounter


class _ByteCounter:
    """As many tokens as UTF-8 bytes: the most any tokenizer makes."""

    exact = True

    def count(self, text: str) -> int:
        return len(text.encode("utf-8", "replace"))


@given(st.text(max_size=400), st.integers(120, 300))
def test_what_is_cut_fits_the_window(text: str, room: int) -> None:
    cut = cut_to_window(text, _ByteCounter(), room)
    assert _ByteCounter().count(cut) <= room
    if surely_fits(text, room):
        assert cut is text


def test_both_ends_stay_and_the_cut_is_seen() -> None:
    text = "A" * 5000 + "B" * 5000
    cut = cut_to_window(text, WordCounter(), 500)
    assert cut.startswith("AAA")
    assert cut.endswith("BBB")
    assert "characters left out" in cut
    assert 400 < WordCounter().count(cut) <= 500


def test_a_text_that_fits_by_count_stays_the_same_object() -> None:
    text = "x" * 3000
    assert not surely_fits(text, 800)
    assert cut_to_window(text, WordCounter(), 800) is text


def test_a_text_far_beyond_the_window_is_not_counted_whole() -> None:
    counted: list[int] = []

    class Counter(WordCounter):
        def count(self, text: str) -> int:
            counted.append(len(text))
            return super().count(text)

    cut_to_window("x" * 10_000_000, Counter(), 100)
    assert max(counted) < 5000


def test_a_window_too_small_for_the_marker_ends_all_the_same() -> None:
    assert len(cut_to_window("x" * 1000, WordCounter(), 1)) < 100
