from rlm_local.context.token_counts import EXACT_CHARS, count_tokens, count_tokens_in_pieces
from rlm_local.types import ContextSlice
from tests.fakes.word_counter import WordCounter


class Reader:
    """Reads parts of a text, and remembers how much was asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.n_chars = 0

    def __call__(self, part: ContextSlice) -> str:
        read = self.text[part.start_char : part.end_char]
        self.n_chars += len(read)
        return read


def test_a_short_text_is_counted() -> None:
    counted = count_tokens(Reader("one two three"), 13, WordCounter())
    assert (counted.tokens, counted.exact) == (3, True)
    assert not count_tokens(Reader("one"), 3, WordCounter(exact=False)).exact
    assert count_tokens(Reader(""), 0, WordCounter()).tokens == 0


def test_a_long_text_is_estimated_closely_from_a_small_part() -> None:
    text = "a few words of text, then another few, and so on without end\n" * 20_000
    reader = Reader(text)
    estimate = count_tokens(reader, len(text), WordCounter())
    assert not estimate.exact
    assert abs(estimate.tokens - len(text.split())) < 0.02 * estimate.tokens
    assert reader.n_chars < len(text) // 10


def test_a_long_text_without_blanks_is_estimated_too() -> None:
    text = "x" * (EXACT_CHARS + 1)
    assert count_tokens(Reader(text), len(text), WordCounter()).tokens > 0


def test_pieces_cover_the_text_once_and_tell_how_far_they_are() -> None:
    text = "a line of words\n\n  and an indented one\n" * 20_000
    told: list[tuple[int, int]] = []
    counted = count_tokens_in_pieces(
        Reader(text), len(text), WordCounter(), progress=lambda *far: told.append(far)
    )
    assert counted == len(text.split())
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (len(text), len(text))
