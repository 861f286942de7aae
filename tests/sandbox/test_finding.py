import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.finding import (
    cut_chunks,
    find_lines,
    head_middle_tail,
    rank_passages,
)
from rlm_local.sandbox.child.hits import Hits

_lines = st.text(alphabet="abAB ıİß\n", max_size=60)


def _find(text: str, pattern: str, *, ignore_case: bool = True, max_hits: int = 99) -> Hits:
    return find_lines(
        text,
        Documents.of(text, ()),
        pattern,
        ignore_case=ignore_case,
        max_hits=max_hits,
        context_chars=100,
    )


@given(_lines, st.text(alphabet="abAB ", min_size=1, max_size=3), st.booleans())
def test_a_literal_finds_the_lines_a_regex_would(text: str, needle: str, ignore: bool) -> None:
    flags = re.IGNORECASE if ignore else 0
    expected = [
        number
        for number, line in enumerate(text.split("\n"), 1)
        if re.search(re.escape(needle), line, flags)
    ]
    assert [hit.line for hit in _find(text, needle, ignore_case=ignore)] == expected


@given(st.text(alphabet="ab\n", max_size=300), st.integers(2, 40), st.integers(0, 1))
def test_chunks_cover_the_text_and_fit_their_size(text: str, size: int, overlap: int) -> None:
    pieces = cut_chunks(text, size, overlap)
    assert all(0 < len(piece) <= size for piece in pieces)
    if not overlap:
        assert "".join(pieces) == text
    assert all(piece in text for piece in pieces)


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_sizes_that_cannot_be_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="size >= 1"):
        cut_chunks("text", size, overlap)


def test_a_pattern_that_is_no_regex_is_searched_literally_and_says_so() -> None:
    hits = _find("f(x) = 1\nother", "f(x")
    assert [hit.text for hit in hits] == ["f(x) = 1"]
    assert "searched literally" in str(hits)


def test_more_hits_than_asked_for_are_counted() -> None:
    hits = _find("yes\n" * 10, "yes", max_hits=3)
    assert len(hits) == 3
    assert "10 matching lines" in str(hits)
    assert "the first 3 shown" in str(hits)


def test_counting_stops_where_nearly_every_line_matches() -> None:
    assert "more than 100,000 matching lines" in str(_find("y\n" * 100_001, "y", max_hits=1))


def test_a_very_long_line_is_cut_around_the_match() -> None:
    (hit,) = _find("x" * 5000 + "needle" + "y" * 5000, "needle")
    assert "needle" in hit.text
    assert len(hit.text) < 120
    assert hit.start == 5000


def test_matches_in_every_window_are_found_once() -> None:
    window = 1 << 22
    text = "x" * (window - 3) + "NEEDLE" + "\n" + "x" * window + "\nneedle"
    assert [hit.line for hit in _find(text, "needle")] == [1, 3]


def test_anchors_match_at_lines() -> None:
    assert [hit.line for hit in _find("one\ntwo\ntone", "^t")] == [2, 3]


def test_a_short_text_is_shown_whole() -> None:
    assert repr(head_middle_tail("short", 100)) == "short"


def test_passages_with_rarer_words_come_first() -> None:
    text = ("common words here\n" * 100) + "the rare zebra\n" + ("common words\n" * 100)
    hits = rank_passages(text, Documents.of(text, ()), "common zebra", 2)
    assert "zebra" in hits[0]
    assert not rank_passages(text, Documents.of(text, ()), "absent", 2)
