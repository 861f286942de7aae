"""Automata over a vocabulary of single characters, built in real processes."""

import asyncio
import contextlib
import string
from collections.abc import AsyncIterator

import pytest
from outlines_core import Vocabulary

from rlm_local.errors import ModelError
from rlm_local.serving.compiled_constraints import BuildLimits, CompiledConstraints
from rlm_local.serving.structured import Automaton
from rlm_local.types import Choices, Constraint, JsonSchema, Regex

END = 0
HOSTILE = Regex("(a|b)*a(a|b){24}")
"""A deterministic automaton of it has 2**24 states."""
YEAR = Regex("[0-9]{4}")


def vocabulary() -> bytes:
    tokens = {char: [number] for number, char in enumerate(string.printable, 1)}
    _, (data,) = Vocabulary(END, tokens).__reduce__()
    return bytes(data)


def compiled(limits: BuildLimits | None = None) -> CompiledConstraints:
    async def tokens() -> bytes:
        return vocabulary()

    return CompiledConstraints(tokens, limits=limits or BuildLimits())


@pytest.fixture
async def automata() -> AsyncIterator[CompiledConstraints]:
    opened = compiled()
    yield opened
    await opened.aclose()


def accepts(automaton: Automaton, text: str) -> bool:
    index = automaton.index
    state = index.get_initial_state()
    for char in text:
        state = index.get_next_state(state, string.printable.index(char) + 1)
        if state is None:
            return False
    return bool(index.is_final_state(state))


@pytest.mark.parametrize(
    ("constraint", "inside", "outside"),
    [
        (YEAR, "1999", "199"),
        (Choices(("yes", "no (really)")), "no (really)", "no"),
        (JsonSchema('{"type": "array", "items": {"type": "boolean"}}'), "[true]", "[1]"),
    ],
)
async def test_an_automaton_accepts_what_the_constraint_does(
    automata: CompiledConstraints, constraint: Constraint, inside: str, outside: str
) -> None:
    automaton = await automata.get(constraint)
    assert accepts(automaton, inside)
    assert not accepts(automaton, outside)


async def test_who_asks_at_the_same_time_waits_for_the_same_one(
    automata: CompiledConstraints,
) -> None:
    all_of_them = await asyncio.gather(*(automata.get(YEAR) for _ in range(50)))
    assert automata.built == 1
    assert all(one is all_of_them[0] for one in all_of_them)
    assert await automata.get(YEAR) is all_of_them[0]
    assert automata.built == 1


async def test_a_caller_that_is_cancelled_stops_nobody_elses(
    automata: CompiledConstraints,
) -> None:
    first = asyncio.create_task(automata.get(YEAR))
    second = asyncio.create_task(automata.get(YEAR))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert accepts(await second, "2024")
    assert automata.built == 1


async def test_what_nobody_waits_for_is_given_up() -> None:
    async with contextlib.aclosing(compiled()) as automata:
        hostile = [Regex(f"(a|b)*a(a|b){{{n}}}") for n in range(22, 30)]
        asked = [asyncio.create_task(automata.get(one)) for one in hostile]
        await asyncio.wait(asked, timeout=0.5)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert accepts(await asyncio.wait_for(automata.get(YEAR), 20), "1999")
        assert automata.built <= 2


async def test_only_so_many_wait_to_be_built() -> None:
    async with contextlib.aclosing(compiled(BuildLimits(waiting=2))) as automata:
        asked = [automata.get(Regex(pattern)) for pattern in ("a", "b", "c", "a")]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(one, Automaton) for one in results] == [True, True, False, True]
        assert "wait to be prepared already" in str(results[2])
        assert isinstance(await automata.get(Regex("c")), Automaton)


async def test_refusals_put_no_automaton_out() -> None:
    async with contextlib.aclosing(compiled(BuildLimits(kept=1))) as automata:
        await automata.get(YEAR)
        for pattern in ("(?=a)b", "(?=a)c"):
            with pytest.raises(ModelError):
                await automata.get(Regex(pattern))
        await automata.get(YEAR)
        assert automata.built == 3


async def test_the_least_used_go_first() -> None:
    async with contextlib.aclosing(compiled(BuildLimits(kept=2))) as automata:
        for pattern in ("a", "b", "a", "c", "a"):
            await automata.get(Regex(pattern))
        assert automata.built == 3
        await automata.get(Regex("b"))
        assert automata.built == 4


async def test_the_kept_are_bounded_in_bytes_as_well() -> None:
    async with contextlib.aclosing(compiled(BuildLimits(kept_bytes=1))) as automata:
        for pattern in ("a", "b", "b", "a"):
            await automata.get(Regex(pattern))
        assert automata.built == 3


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (BuildLimits(seconds=1.0), "takes more than 1 s to prepare"),
        (BuildLimits(memory_bytes=200 << 20), "does not fit into memory"),
    ],
)
async def test_a_hostile_pattern_ends_at_a_limit_and_is_tried_once(
    limits: BuildLimits, said: str
) -> None:
    async with contextlib.aclosing(compiled(limits)) as automata:
        asked = [automata.get(HOSTILE) for _ in range(5)]
        failures = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one, ModelError) and said in str(one) for one in failures)
        with pytest.raises(ModelError, match=said):
            await automata.get(HOSTILE)
        assert automata.built == 1
        assert accepts(await automata.get(YEAR), "1999")


async def test_an_automaton_that_is_too_large_is_not_kept() -> None:
    async with contextlib.aclosing(compiled(BuildLimits(index_bytes=10))) as automata:
        with pytest.raises(ModelError, match="bytes; ask for less"):
            await automata.get(YEAR)


async def test_what_outlines_cannot_build_is_told_in_its_words(
    automata: CompiledConstraints,
) -> None:
    with pytest.raises(ModelError, match=r"cannot be prepared: .*"):
        await automata.get(Regex("(?=a)b"))


async def test_closing_ends_what_is_built_and_those_who_wait() -> None:
    asked = asyncio.Event()

    async def tokens() -> bytes:
        asked.set()
        return vocabulary()

    automata = CompiledConstraints(tokens)
    waiting = asyncio.create_task(automata.get(HOSTILE))
    await asked.wait()
    await automata.aclose()
    with pytest.raises(ModelError, match="closed"):
        await waiting
