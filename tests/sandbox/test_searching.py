from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.hits import Hit
from rlm_local.sandbox.child.searching import exact_lines, excerpt, merged, rare_words
from tests.unhurried import UNHURRIED

CODE = "import x\nx = load_it(1)\n\ndef load_it(n):\n    return n\nload_it(2)\n"


def test_names_and_codes_are_rare_words_and_plain_words_are_not() -> None:
    assert rare_words("the special number for sunny-harbor") == ["sunny-harbor"]
    assert rare_words("Where is `load_it` called, in FooBar or v1.2?") == [
        "load_it",
        "FooBar",
        "v1.2",
    ]
    assert rare_words("who paid the lighthouse") == []


def test_a_single_word_is_looked_for_exactly_whatever_it_is() -> None:
    assert rare_words("lighthouse") == ["lighthouse"]
    assert rare_words("  ") == []


def test_the_line_that_defines_a_name_comes_first() -> None:
    hits = exact_lines(CODE, Documents.of(CODE, ()), ["load_it"], 5)
    assert [hit.text for hit in hits] == ["def load_it(n):", "x = load_it(1)", "load_it(2)"]
    assert hits[0].line == 4


def test_a_line_that_holds_two_of_the_words_is_listed_once() -> None:
    text = "a-1 and b-2\n"
    assert len(exact_lines(text, Documents.of(text, ()), ["a-1", "b-2"], 5)) == 1


def test_a_passage_that_holds_an_exact_line_is_not_repeated() -> None:
    exact = [Hit("b-2", document="d", start=15)]
    passages = [Hit("x" * 20, document="d", start=10), Hit("other", document="d", start=90)]
    assert merged(exact, passages, "b-2 thing", 5) == ["b-2", "other"]


def test_no_more_places_are_shown_than_asked_for() -> None:
    passages = [Hit(f"p{n}", document="d", start=n * 100) for n in range(9)]
    assert len(merged([], passages, "p", 3)) == 3


def test_an_excerpt_shows_where_most_of_the_words_stand() -> None:
    text = "filler words " * 40 + "the magic number for amber is 4711 indeed " + "more words " * 40
    shown = excerpt(text, ["magic", "amber"], 120)
    assert "magic number for amber is 4711" in shown
    assert shown.startswith("...")
    assert shown.endswith("...")


def test_an_excerpt_goes_on_behind_the_words_where_the_answer_often_stands() -> None:
    needle = "One of the special magic numbers for sunny-harbor is: 4711."
    for before in range(0, 900, 7):
        text = ("word " * 200)[:before] + needle + " more" * 60
        shown = excerpt(text, ["special", "magic", "number", "for", "sunny", "harbor"])
        assert "4711" in shown


@UNHURRIED
@given(st.text(max_size=600), st.lists(st.text(min_size=1, max_size=8), max_size=4))
def test_an_excerpt_is_made_of_the_passages_own_words(text: str, words: list[str]) -> None:
    shown = excerpt(text, words, 50).removeprefix("...").removesuffix("...")
    assert shown in " ".join(text.split())
    assert len(shown) <= 50 + 40
