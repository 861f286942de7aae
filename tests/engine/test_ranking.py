from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rlm_local.engine.ranking import Ranking

LINES = [f"common words fill line {n} of many" for n in range(200)]


def test_rare_words_weigh_more_than_common_ones() -> None:
    lines = list(LINES)
    lines[120] = "common words and the rare heron"
    text = "\n".join(lines)
    best, *others = Ranking(text).best("common heron", 3)
    assert "heron" in best.text
    assert text[best.start_char : best.end_char] == best.text
    assert best.score > others[0].score >= others[1].score


def test_case_does_not_matter_and_words_that_are_not_there_find_nothing() -> None:
    ranking = Ranking("The Heron\n" * 3)
    assert len(ranking.best("heron", 5)) == 1
    assert ranking.best("absent", 5) == ()
    assert ranking.best("", 5) == ()
    assert Ranking("").best("x", 5) == ()


@given(st.text(alphabet="ab \n", max_size=4000))
def test_pieces_are_the_text_cut_up(text: str) -> None:
    hits = sorted(Ranking(text).best(text, len(text)), key=lambda hit: hit.start_char)
    assert all(text[hit.start_char : hit.end_char] == hit.text for hit in hits)
    assert all(a.end_char <= b.start_char for a, b in pairwise(hits))
