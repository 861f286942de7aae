import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.titles import TitledPieces
from tests.sandbox.child import texts_with_titles
from tests.sandbox.child.texts_with_titles import ARTICLES
from tests.unhurried import UNHURRIED


def pieces_of(text: str, documents: Documents | None = None) -> TitledPieces:
    return TitledPieces(text, documents or Documents.of(text, ()))


LAYOUTS = {
    "numbered": texts_with_titles.numbered(),
    "brackets": texts_with_titles.in_brackets(),
    "named": texts_with_titles.named(),
    "rows": texts_with_titles.rows(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_piece_has_its_title_and_its_text(layout: str) -> None:
    text = LAYOUTS[layout]
    pieces = pieces_of(text)
    assert len(pieces) == len(ARTICLES)
    for title, body in ARTICLES:
        piece = pieces.at(text.index(body) + 3)
        assert piece is not None
        assert piece.title == title
        assert body in pieces.text(piece)
        assert sum(other in pieces.text(piece) for _, other in ARTICLES) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_title_is_found_in_a_text_that_mentions_it(layout: str) -> None:
    pieces = pieces_of(LAYOUTS[layout])
    found = pieces.mentioned_in("The Brenna Ferry, whose captain OLE MARSK wrote Lantern, sailed.")
    assert [piece.title for piece in found] == ["Brenna Ferry", "Ole Marsk", "Lantern (play)"]
    assert pieces.mentioned_in("a lantern on a ferry") == []


def test_documents_are_called_by_the_words_of_their_file_names() -> None:
    context, documents = texts_with_titles.as_documents()
    pieces = pieces_of(context, documents)
    (found,) = pieces.mentioned_in("the old Tarn Ferry")
    assert found.name == "004-tarn-ferry.txt"
    assert pieces.text(found) == ARTICLES[3][1]


def test_a_header_line_between_documents_belongs_to_none() -> None:
    context, documents = texts_with_titles.as_documents()
    assert pieces_of(context, documents).at(2) is None
    assert pieces_of(context, documents).at(documents[1].start - 3) is None


def test_longer_titles_come_before_titles_in_them() -> None:
    text = "Document 1:\nTarn\nA river.\n\nDocument 2:\nTarn Ferry\nA ferry.\n"
    pieces = pieces_of(text)
    assert [piece.title for piece in pieces.mentioned_in("On the Tarn Ferry")] == ["Tarn Ferry"]
    assert [piece.title for piece in pieces.mentioned_in("On Tarn, a ferry")] == ["Tarn"]


def test_a_long_first_line_is_no_title() -> None:
    text = f"Document 1:\n{'many words ' * 20}\nmore\n\nDocument 2:\nOne sentence alone.\n"
    pieces = pieces_of(text)
    assert len(pieces) == 2
    assert not pieces.has_titles


def test_plain_text_has_no_pieces() -> None:
    for text in ("", "only\nlines\n", "Document 5 shows\nthat it is so\n", "Title: alone\ntext\n"):
        assert len(pieces_of(text)) == 0
        assert pieces_of(text).at(0) is None


def test_the_first_line_of_source_code_is_no_title() -> None:
    context = "=== a.py ===\nimport os\nimport re\n\n=== b.py ===\nimport re\nx = 1\n"
    spans = [("a.py", 13, 34), ("b.py", 48, 64)]
    assert not pieces_of(context, Documents.of(context, spans)).has_titles


HEADS = st.sampled_from(
    ["Document 1:\n", "Document 2: ", "\n", "Title: ", '{"title": "', '"}', "\\", "Ab C", "(", ")"]
)


@UNHURRIED
@given(st.lists(HEADS | st.text(max_size=5), max_size=30).map("".join), st.text(max_size=30))
def test_no_text_breaks_it_and_pieces_never_overlap(text: str, mention: str) -> None:
    pieces = pieces_of(text)
    known = {p for at in range(len(text)) if (p := pieces.at(at)) is not None}
    assert all(0 <= piece.start < piece.end <= len(text) for piece in known)
    assert sum(piece.end - piece.start for piece in known) <= len(text)
    for piece in [*known, *pieces.mentioned_in(mention + text)]:
        pieces.text(piece)
