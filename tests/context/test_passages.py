from itertools import pairwise

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
