from hypothesis import given
from hypothesis import strategies as st

from rlm_local.context.search_terms import character_pairs, split_query


def test_a_query_is_words_whatever_else_stands_in_it() -> None:
    terms = split_query('title:foo AND (bar* OR "snake_case")~2')
    assert terms.words == ("title", "foo", "AND", "bar", "OR", "snake", "case", "2")


def test_quoted_words_are_a_phrase_too() -> None:
    terms = split_query('the "red iron bridge" and "one"')
    assert terms.phrases == (("red", "iron", "bridge"),)
    assert "iron" in terms.words


def test_unspaced_scripts_become_pairs() -> None:
    assert character_pairs("in 東京都 and 水") == ["東京", "京都", "水"]
    assert split_query("東京都 tower").words == ("tower",)


@given(st.text())
def test_any_text_is_a_query(text: str) -> None:
    terms = split_query(text)
    assert not any(set('"\\ ') & set(term) for term in (*terms.words, *terms.pairs))
