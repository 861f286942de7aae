from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.links import WordWeights, ranked_pieces
from rlm_local.sandbox.child.titles import Piece, TitledPieces
from tests.sandbox.child import texts_with_titles


def ranked(question: str, found_titles: list[str]) -> list[str]:
    text = texts_with_titles.numbered()
    pieces = TitledPieces(text, Documents.of(text, ()))
    found = [pieces.mentioned_in(title)[0] for title in found_titles]
    best = ranked_pieces(question, found, pieces, WordWeights(text))
    return [piece.title for piece in best]


def test_what_a_hit_mentions_comes_next_to_the_hit() -> None:
    question = "In which village did the captain of the ferry over the strait grow up?"
    found = ["Brenna Ferry", "Tarn Ferry", "Harbour seal"]
    assert set(ranked(question, found)[:2]) == {"Brenna Ferry", "Ole Marsk"}


def test_two_things_that_the_question_names_come_first() -> None:
    question = "Which opened earlier, the Tarn Ferry or the Brenna Ferry?"
    assert set(ranked(question, ["Harbour seal"])[:2]) == {"Tarn Ferry", "Brenna Ferry"}


def test_whatever_was_found_is_kept() -> None:
    found = ["Harbour seal", "Skell", "Tarn Ferry", "Brenna Ferry"]
    assert set(found) <= set(ranked("Who eats fish?", found))
    assert ranked("Who eats fish?", ["Harbour seal"])[0] == "Harbour seal"


def test_without_titles_the_order_is_that_of_the_search() -> None:
    text = "one line\n" * 40
    pieces = TitledPieces(text, Documents.of(text, ()))
    found = [Piece(90, 180), Piece(0, 90)]
    assert ranked_pieces("what is one?", found, pieces, WordWeights(text)) == found
    assert ranked_pieces("what is one?", [], pieces, WordWeights("")) == []


def test_rare_words_weigh_more() -> None:
    weight = WordWeights("the boat and the quay\n" * 500_000 + "walrus")
    assert weight("walrus") > weight("boat") + 3
    assert weight("unheard") >= weight("walrus")
