import asyncio
import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_local.context.index import IN_MEMORY_CHARS, PassageIndex
from rlm_local.context.mapped_file import MappedContext
from rlm_local.context.sources import TextInput
from rlm_local.errors import ContextError
from rlm_local.types import ContextSlice
from tests.context.conftest import Opener

NEEDLE = "The keeper of the Vellmora lighthouse is called Ottoline Brandt."


def hay(n_chars: int, seed: int = 0) -> str:
    rng = random.Random(seed)
    words = ["river", "stone", "market", "letter", "garden", "winter", "copper", "quiet", "road"]
    lines: list[str] = []
    size = 0
    while size < n_chars:
        lines.append(" ".join(rng.choices(words, k=12)) + ".\n")
        size += len(lines[-1])
    return "".join(lines)


def long_text() -> str:
    """Just too long for an index in memory, the needle in its middle."""
    half = hay(IN_MEMORY_CHARS // 2)
    return f"{half}{NEEDLE}\n{half}"


@pytest.fixture(scope="module")
def long_hay() -> str:
    return long_text()


async def test_a_needle_is_found_first_with_its_place(open_inputs: Opener) -> None:
    context = open_inputs(TextInput("t", f"日本 {hay(300_000)}{NEEDLE}\n{hay(300_000, 1)}"))
    hits = await context.search("who keeps the lighthouse of Vellmora?", 5)
    assert NEEDLE in hits[0].text
    assert context.read(ContextSlice(hits[0].start_char, hits[0].end_char)) == hits[0].text
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_a_hit_names_its_document_and_stays_within_it(open_inputs: Opener) -> None:
    context = open_inputs(
        TextInput("first.txt", hay(5000)),
        TextInput("lighthouses/vellmora.txt", NEEDLE),
        TextInput("last.txt", hay(5000)),
    )
    for query in ("Ottoline", "vellmora"):
        hit = (await context.search(query, 3))[0]
        assert (hit.document, hit.text) == ("lighthouses/vellmora.txt", NEEDLE)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Die Brücken über den Fluß", "brucken"),
        ("he was running home", "runs"),
        ("def snake_cased_name(x):", "cased"),
        ("key = " + "a1" * 80, "a1" * 80),
        ("東京は大きな都市です。", "東京"),
        ("กรุงเทพมหานคร", "กรุงเทพ"),
        ("Москва столица", "москва"),
        ("한국어 텍스트", "텍스트"),
    ],
)
async def test_words_match_folded_stemmed_and_in_any_script(
    open_inputs: Opener, text: str, query: str
) -> None:
    context = open_inputs(TextInput("a", hay(3000)), TextInput("b", text))
    assert [hit.document for hit in await context.search(query, 3)] == ["b"]


async def test_a_quoted_phrase_beats_its_words_apart(open_inputs: Opener) -> None:
    context = open_inputs(
        TextInput("apart", "iron bridge of red; red and iron, a bridge, red, iron"),
        TextInput("phrase", "the red iron bridge stands there with much more text around it"),
    )
    assert (await context.search('"red iron bridge"', 1))[0].document == "phrase"


STRANGE = (
    *('"', "(", 'a"', "title:x", "AND", "NOT x", "*", "[a TO b]", "\\", "a^9", "+", "\0", "~2"),
    *("\ud800", "IN [", "x" * 100_000, "日", "word " * 5000, "", " \n", "{", "'"),
)


async def test_strange_queries_are_answered_quietly(open_inputs: Opener) -> None:
    context = open_inputs(TextInput("t", "x word and title\n"))
    for query in STRANGE:
        assert isinstance(await context.search(query, 3), tuple)
    assert await context.search("word", 0) == ()
    assert len(await context.search("word", 10**9)) == 1


@given(query=st.text(st.sampled_from('ab"():^~*\\ +-[]{}!?日é/<>=&|')) | st.text())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_query_is_answered(open_inputs: Opener, query: str) -> None:
    context = open_inputs(TextInput("t", "a b 日本 é\n"))
    await context.search(query, 3)
    context.close()


async def test_concurrent_searches_build_once(open_inputs: Opener) -> None:
    context = open_inputs(TextInput("t", hay(1_000_000)))
    results = await asyncio.gather(*(context.search("river stone", 2) for _ in range(20)))
    assert len({result[0].start_char for result in results}) == 1
    assert builds(context) == 1


async def test_a_cancelled_caller_does_not_stop_the_build_for_others(open_inputs: Opener) -> None:
    context = open_inputs(TextInput("t", hay(1_000_000)))
    first = asyncio.create_task(context.search("river", 1))
    second = asyncio.create_task(context.search("river", 1))
    await asyncio.sleep(0)
    first.cancel()
    assert len(await second) == 1
    assert builds(context) == 1


async def test_an_index_is_kept_for_the_next_context_with_the_same_text(
    open_inputs: Opener, index_folder: Path, long_hay: str
) -> None:
    first = open_inputs(TextInput("t", long_hay))
    hits = await first.search("Vellmora", 3)
    first.close()
    second = open_inputs(TextInput("t", long_hay))
    assert await second.search("Vellmora", 3) == hits
    assert (builds(first), builds(second)) == (1, 0)
    assert listing(index_folder) == [f"{second.facts.sha256}-0-v2"]


async def test_a_spoilt_index_is_built_again(
    open_inputs: Opener, index_folder: Path, long_hay: str
) -> None:
    first = open_inputs(TextInput("t", long_hay))
    await first.search("Vellmora", 1)
    spoil(index_folder)
    second = open_inputs(TextInput("t", long_hay))
    assert NEEDLE in (await second.search("Vellmora", 1))[0].text
    assert builds(second) == 1


async def test_an_index_that_cannot_be_written_is_built_in_memory(
    open_inputs: Opener, index_folder: Path, long_hay: str
) -> None:
    put_file_at(index_folder)
    context = open_inputs(TextInput("t", long_hay))
    assert NEEDLE in (await context.search("Vellmora", 1))[0].text


async def test_closing_stops_a_build_and_leaves_nothing(
    open_inputs: Opener, index_folder: Path, long_hay: str
) -> None:
    context = open_inputs(TextInput("t", long_hay))
    searching = asyncio.create_task(context.search("Vellmora", 1))
    await asyncio.to_thread(wait_for_entry, index_folder)
    context.close()
    with pytest.raises(ContextError, match="closed"):
        await searching
    assert listing(index_folder) == []
    with pytest.raises(ContextError, match="closed"):
        await context.search("Vellmora", 1)


def builds(context: MappedContext) -> int:
    index: PassageIndex = context._index
    return index.n_builds


def listing(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def wait_for_entry(folder: Path) -> None:
    while not listing(folder):
        time.sleep(0.001)


def spoil(folder: Path) -> None:
    (kept,) = folder.iterdir()
    (kept / "meta.json").write_text("{")


def put_file_at(path: Path) -> None:
    path.write_text("a file where the folder should be")
