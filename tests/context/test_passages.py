from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.context.passages import LEAST_CHARS, MOST_CHARS, cut_passages

texts = st.lists(
    st.text(st.sampled_from("ab .!?\n日。é"), max_size=40) | st.just("word " * 60), max_size=60
).map("".join)


@given(texts, st.lists(st.integers(0, 3000), max_size=8))
def test_passages_join_to_the_text_however_it_comes(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    passages = list(cut_passages([*pieces, text[places[-1] :]]))
    assert passages == list(cut_passages([text]))
    assert "".join(passages) == text


@given(texts)
def test_passages_are_neither_empty_nor_too_long_nor_too_short(text: str) -> None:
    passages = list(cut_passages([text]))
    assert all(0 < len(passage) <= MOST_CHARS for passage in passages)
    assert all(len(passage) >= LEAST_CHARS for passage in passages[:-1])


def test_passages_end_where_a_reader_would_stop() -> None:
    prefix = "x" * 700
    for ending in ("\n\n", "\n", ". ", "。", " "):
        rest = "y" * 500
        assert next(cut_passages([prefix + ending + rest])) == prefix + ending


def test_a_text_without_any_break_is_cut_all_the_same() -> None:
    assert [len(passage) for passage in cut_passages(["x" * 2000])] == [900, 900, 200]


headed = st.lists(
    st.text(st.sampled_from("ab .\n"), max_size=30)
    | st.sampled_from(
        ["\nDocument 12:\nab", "\nTitle: a", '\n{"a": 1}', "Passage [3] (", "a" * 300]
    ),
    max_size=40,
).map("".join)


@given(headed, st.lists(st.integers(0, 3000), max_size=8))
def test_headings_are_found_however_the_text_comes(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    passages = list(cut_passages([*pieces, text[places[-1] :]]))
    assert passages == list(cut_passages([text]))
    assert "".join(passages) == text
    assert all(0 < len(passage) <= MOST_CHARS for passage in passages)
    assert not any("\nDocument 12:" in passage or "\nTitle: a" in passage for passage in passages)


@pytest.mark.parametrize(
    "heading", ["Document 7:", "Passage [7] (Skell)", "Title: Skell", "Article 7.", "Review #7:"]
)
def test_a_heading_opens_a_passage_of_its_own(heading: str) -> None:
    parts = [f"{heading}\nshort text {n}\n\n" for n in range(5)]
    assert list(cut_passages(["".join(parts)])) == parts


def test_words_that_are_no_heading_open_none() -> None:
    for line in ("Document 7 shows", "The Document 7:", "Passages", "Title:", "Articles 7:"):
        text = f"one\n{line}\ntwo\n" * 3
        assert list(cut_passages([text])) == [text]


def test_rows_of_json_are_not_cut_in_two() -> None:
    rows = [f'{{"id": {n}, "text": "{"word " * 50}"}}\n' for n in range(8)]
    assert all(
        passage.startswith("{") and passage.endswith("}\n")
        for passage in cut_passages(["".join(rows)])
    )
