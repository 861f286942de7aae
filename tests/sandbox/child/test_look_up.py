from collections.abc import Callable, Sequence
from functools import partial

import pytest

from rlm_local.config import SandboxPolicy
from rlm_local.sandbox.child.answers import answer_text
from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.finding import rank_passages
from rlm_local.sandbox.child.hits import Hit
from rlm_local.sandbox.child.look_up import LookUps
from rlm_local.types import CellCall, CellReply, Passage, SubcallOutcome
from tests.sandbox.child import texts_with_titles
from tests.sandbox.child.texts_with_titles import ARTICLES, FAILED, Reader
from tests.sandbox.conftest import OpenRepl

TWO_STEPS = "In which village did the captain of the ferry over the strait grow up?"


def look_ups(worker: Reader, text: str, documents: Documents | None = None) -> LookUps:
    documents = documents or Documents.of(text, ())
    search: Callable[[str, int], Sequence[Hit]] = partial(rank_passages, text, documents)
    return LookUps(text, documents, search=search, worker=worker, prompt_chars=6000)


LAYOUTS = {
    "numbered": (texts_with_titles.numbered(), None),
    "brackets": (texts_with_titles.in_brackets(), None),
    "named": (texts_with_titles.named(), None),
    "rows": (texts_with_titles.rows(), None),
    "documents": texts_with_titles.as_documents(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_worker_reads_what_was_found_and_what_that_mentions(layout: str) -> None:
    worker = Reader("Skell")
    found = look_ups(worker, *LAYOUTS[layout]).look_up(TWO_STEPS)
    assert found.answer == "Skell"
    assert len(found.passages) == 3
    assert all(ARTICLES[n][1] in worker.prompts[0].replace("\n", " ") for n in (0, 1))


def test_it_prints_passages_with_their_names_and_then_the_reading() -> None:
    shown = str(look_ups(Reader("Skell"), texts_with_titles.numbered()).look_up(TWO_STEPS, k=2))
    lines = shown.splitlines()
    assert {line.split(": ")[0] for line in lines[:2]} == {
        "[1] Document 1 (Brenna Ferry)",
        "[2] Document 2 (Ole Marsk)",
    } or {line.split(": ")[0] for line in lines[:2]} == {
        "[1] Document 2 (Ole Marsk)",
        "[2] Document 1 (Brenna Ferry)",
    }
    assert lines[2:] == ["Reading: Skell"]


def test_as_a_text_it_is_the_answer() -> None:
    found = look_ups(Reader("Skell"), texts_with_titles.numbered()).look_up(TWO_STEPS)
    assert found == "Skell"
    assert f"{found}!" == "Skell!"
    assert found.upper() == "SKELL"


def test_what_the_worker_cannot_tell_is_no_answer() -> None:
    looking = look_ups(Reader("unknown"), texts_with_titles.numbered())
    found = looking.look_up("Who paid for the lantern?")
    assert found.answer is None
    assert found == "unknown"
    assert str(found).endswith("Reading: unknown")


def test_a_reading_that_failed_says_so() -> None:
    looking = look_ups(Reader(lambda prompt: FAILED), texts_with_titles.numbered())
    found = looking.look_up(TWO_STEPS)
    assert found.answer is None
    assert str(found).endswith("Reading: unknown (the reading failed: no luck)")


def test_a_sentence_that_says_it_needs_no_worker() -> None:
    worker = Reader("nobody is asked")
    text = "Fog.\n" * 500 + "The door code of hall B-12 is 4417.\n" + "Fog.\n" * 500
    found = look_ups(worker, text).look_up("What is the door code of hall B-12?")
    assert found.answer == "4417"
    assert [hit.text for hit in found.passages] == ["The door code of hall B-12 is 4417."]
    assert found.passages[0].start == text.index("The door")
    assert worker.prompts == []


def test_of_sentences_that_say_more_the_worker_reads_these_alone() -> None:
    worker = Reader("the flood")
    text = "Fog.\n" * 500 + "The door code of hall B-12 was changed by Ann, who feared the flood."
    found = look_ups(worker, text).look_up("What is the door code of hall B-12?")
    assert found.answer == "the flood"
    assert "Fog" not in worker.prompts[0]


def test_a_sentence_about_a_neighbour_is_read_among_others() -> None:
    worker = Reader("5521")
    text = (
        "The day door access code of hall B-12 is 4417.\n" + "Fog.\n" * 500
        + "At night B-12 opens with 5521.\n" + "Fog.\n" * 500
    )  # fmt: skip
    found = look_ups(worker, text).look_up("What is the night door access code of hall B-12?")
    assert found.answer == "5521"
    (prompt,) = worker.prompts
    assert "At night B-12 opens with 5521" in prompt
    assert "The day door access code of hall B-12 is 4417" in prompt


def test_what_it_prints_is_its_answer_where_that_is_handed_out() -> None:
    looking = look_ups(Reader("Skell"), texts_with_titles.numbered())
    shown = str(looking.look_up(TWO_STEPS))
    assert "Reading: Skell" in shown
    assert answer_text(shown) == "Skell"
    assert answer_text(shown.strip()) == "Skell"
    assert answer_text([shown, "x"]) == "Skell, x"
    assert answer_text(shown.splitlines()[-1]) == "Reading: Skell"
    unread = look_ups(Reader("unknown"), texts_with_titles.numbered())
    assert answer_text(str(unread.look_up(TWO_STEPS))) == "unknown"


def test_text_without_pieces_is_read_in_passages() -> None:
    worker = Reader("the widow")
    text = "It rained.\n" * 300 + "The widow paid for mending the lighthouse.\n" + "Wind.\n" * 300
    found = look_ups(worker, text).look_up("Who bore the cost of the lighthouse?", k=1)
    assert "The widow paid" in found.passages[0]
    assert found.answer == "the widow"


def test_a_long_piece_is_cut_to_where_it_was_found() -> None:
    worker = Reader("Ann")
    long = "Wind and rain.\n" * 900 + "Ann mended the lighthouse.\n" + "Wind and rain.\n" * 900
    text = f"Document 1:\nLog\n{long}\n\nDocument 2:\nOther\nNothing.\n"
    found = look_ups(worker, text).look_up("Who mended the lighthouse?", k=1)
    assert "Ann mended" in found.passages[0]
    assert len(found.passages[0]) <= 2000


def test_a_question_that_finds_nothing_asks_nobody() -> None:
    worker = Reader("x")
    assert look_ups(worker, "").look_up("Who is it?").answer is None
    assert worker.prompts == []


def test_k_may_be_written_loosely_but_not_anyhow() -> None:
    looking = look_ups(Reader("x"), texts_with_titles.numbered())
    assert len(looking.look_up(TWO_STEPS, k="2").passages) == 2
    with pytest.raises(ValueError, match="k must be"):
        looking.look_up(TWO_STEPS, k=0)


class SearchingHost:
    """Answers searches with a passage for each article, prompts with one text."""

    def __init__(self, text: str) -> None:
        self.calls: list[CellCall] = []
        self._text = text

    async def call(self, call: CellCall) -> CellReply:
        self.calls.append(call)
        if call.fn != "search":
            return CellReply(tuple(SubcallOutcome("Skell", None) for _ in call.texts))
        places = [(self._text.index(body), body) for _, body in ARTICLES[::3]]
        return CellReply(
            passages=tuple(Passage("d", at, at + len(body), body, 1.0) for at, body in places)
        )


@pytest.mark.parametrize("policy", ["auto", "sealed"])
async def test_a_cell_looks_up_through_the_host(open_repl: OpenRepl, policy: SandboxPolicy) -> None:
    text = texts_with_titles.numbered()
    host = SearchingHost(text)
    repl = await open_repl(text, host=host, policy=policy)
    shown = await repl(f"print(look_up({TWO_STEPS!r}))")
    assert shown.error is None
    assert "Document 2 (Ole Marsk)" in shown.stdout
    assert shown.stdout.endswith("Reading: Skell\n")
    assert [call.fn for call in host.calls] == ["search", "llm_query"]
    assert (await repl(f"FINAL(look_up({TWO_STEPS!r}))")).final == "Skell"
    assert (await repl(f"FINAL(str(look_up({TWO_STEPS!r})))")).final == "Skell"
    await repl(f"found = str(look_up({TWO_STEPS!r}))")
    assert (await repl('FINAL_VAR("found")')).final == "Skell"
