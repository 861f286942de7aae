import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.engine.child_calls import ChildCall
from rlm_local.engine.child_context import (
    SliceContext,
    TextContext,
    child_scope,
    open_slice,
    open_text,
)
from rlm_local.types import ContextSlice, DocumentSpan, Passage
from tests.fakes.parts import StringContext, WordCounter

TEXT = "first line\nsecond line\nthird line\n" * 10
COUNTER = WordCounter()


async def test_a_text_of_a_cells_own_is_a_context() -> None:
    context = await open_text("héllo\nworld", COUNTER)
    facts = context.facts
    assert (facts.chars, facts.bytes, facts.lines, facts.documents) == (11, 12, 2, 1)
    assert (facts.tokens.tokens, facts.tokens.exact) == (3, True)
    assert facts.sha256 == StringContext("héllo\nworld").facts.sha256
    assert (context.head(3), context.tail(3), context.tail(99)) == ("hél", "rld", "héllo\nworld")
    assert context.read(ContextSlice(1, 4)) == "éll"
    assert context.documents == ()
    with pytest.raises(OSError, match="in memory"):
        context.fileno()
    context.close()


async def test_an_empty_text_is_a_context_too() -> None:
    facts = (await open_text("", COUNTER)).facts
    assert (facts.chars, facts.lines, facts.tokens.tokens) == (0, 0, 0)
    assert (await open_text("a\n", COUNTER)).facts.lines == 1


async def test_a_long_text_is_estimated_from_its_start() -> None:
    facts = (await open_text("word " * 20_000, COUNTER)).facts
    assert (facts.tokens.tokens, facts.tokens.exact) == (25_000, False)


async def test_a_text_is_searched_by_rare_words_first() -> None:
    lines = [f"common words fill line {n} of many" for n in range(200)]
    lines[120] = "common words and the rare heron"
    context = await open_text("\n".join(lines), COUNTER)
    hits = await context.search("common heron", 3)
    assert len(hits) == 3
    assert "heron" in hits[0].text
    assert context.read(ContextSlice(hits[0].start_char, hits[0].end_char)) == hits[0].text
    assert hits[0].score > hits[1].score >= hits[2].score
    assert await context.search("absent", 3) == ()
    assert await (await open_text("", COUNTER)).search("x", 3) == ()
    assert len(await (await open_text("heron " * 1000, COUNTER)).search("heron", 50)) == 6


async def test_a_slice_keeps_the_files_offsets() -> None:
    whole = StringContext(TEXT)
    part = await open_slice(whole, ContextSlice(11, 34), COUNTER)
    assert (part.facts.chars, part.facts.lines) == (23, 2)
    assert part.head(6) == "second"
    assert part.tail(5) == "line\n"
    assert part.tail(999) == "second line\nthird line\n"
    assert part.read(ContextSlice(0, 999)) == "second line\nthird line\n"
    assert part.read(ContextSlice(11, 17)) == "second"
    assert part.documents == ()
    with pytest.raises(OSError, match="no file"):
        part.fileno()
    part.close()


async def test_a_slice_is_searched_through_the_whole_files_index() -> None:
    whole = StringContext(TEXT)
    part = await open_slice(whole, ContextSlice(34, 80), COUNTER)
    hits = await part.search("second", 1)
    assert [(hit.start_char, hit.text) for hit in hits] == [(45, "second line")]
    assert whole.searched == [("second", 8)]


async def test_what_the_index_leaves_out_of_a_slice_is_found_in_the_slice_itself() -> None:
    class BestElsewhere(StringContext):
        """An index whose best hits lie all before the slice, as those of a large text may."""

        async def search(self, query: str, k: int) -> tuple[Passage, ...]:
            return (await super().search(query, 1000))[:k]

    text = "the heron stands\n" * 500 + "the heron flies\n" + "nothing here\n" * 50
    start = text.index("the heron flies")
    part = await open_slice(BestElsewhere(text), ContextSlice(start, len(text)), COUNTER)
    (hit,) = await part.search("heron", 3)
    assert hit.start_char == start
    assert text[hit.start_char : hit.end_char] == hit.text
    assert await part.search("absent", 3) == ()


async def test_a_slice_has_the_documents_it_has_something_of() -> None:
    bodies = ["first\n" * 20, "second\n" * 20, "third\n" * 20]
    starts = [sum(map(len, bodies[:n])) for n in range(4)]
    spans = [
        DocumentSpan(f"d{n}", starts[n], starts[n + 1], starts[n], starts[n + 1]) for n in range(3)
    ]
    whole = StringContext("".join(bodies), documents=spans)
    part = await open_slice(whole, ContextSlice(starts[1] + 3, starts[2] + 10), COUNTER)
    assert [span.name for span in part.documents] == ["d1", "d2"]
    assert part.facts.documents == 2
    hits = await part.search("second", 99)
    assert {hit.document for hit in hits} == {"d1"}
    none = await open_slice(whole, ContextSlice(5, 5), COUNTER)
    assert none.facts.documents == 1


async def test_a_slice_of_a_slice_is_a_slice_of_the_file() -> None:
    whole = StringContext(TEXT)
    outer = await open_slice(whole, ContextSlice(11, 60), COUNTER)
    inner = await open_slice(outer, ContextSlice(0, 30), COUNTER)
    assert inner.whole is whole
    assert inner.part == ContextSlice(11, 30)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
async def test_a_slice_never_shows_what_lies_outside(a: int, b: int, c: int, d: int) -> None:
    outer = ContextSlice(min(a, b), max(a, b))
    part = await open_slice(StringContext(TEXT), outer, COUNTER)
    shown = part.read(ContextSlice(min(c, d), max(c, d)))
    assert shown in TEXT[outer.start_char : outer.end_char]
    assert len(shown) <= max(c, d) - min(c, d)


async def test_what_a_child_reads_follows_from_the_call() -> None:
    whole = StringContext(TEXT)
    same = await child_scope(whole, ChildCall("q"), COUNTER)
    assert same.context is whole
    text = await child_scope(whole, ChildCall("q", text="mine"), COUNTER)
    assert isinstance(text.context, TextContext)
    part = await child_scope(whole, ChildCall("q", part=ContextSlice(0, 5)), COUNTER)
    assert isinstance(part.context, SliceContext)
    of_text = await child_scope(text.context, ChildCall("q", part=ContextSlice(1, 3)), COUNTER)
    assert isinstance(of_text.context, TextContext)
    assert of_text.context.text == "in"
