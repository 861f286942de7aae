"""Child runs of child runs, down to depth 3: real REPLs, a real index, models from a script.

Every run cuts lines off its text and asks a child run about the rest, so that each level can be
told from the others by how much it sees.
"""

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from rlm_local.config import RunConfig
from rlm_local.context.mapped_file import MappedContext, open_context
from rlm_local.context.sources import ContextInput, ReadOptions, TextInput
from rlm_local.engine.loop import Engine, Models
from rlm_local.events import CellRan, Event, RunEnded, RunStarted, SubcallDone
from rlm_local.sandbox.worker_process import WorkerProcess
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.serving.scripted_model import ScriptedModel
from rlm_local.types import Answer, Choices, Completion, ContextSlice, Limits, ModelRequest
from tests.engine.scenes import AT_ONCE, cell, profile
from tests.fakes.parts import CallableModel, HandClock, ListSink, WordCounter, completion, echo

N_LINES, CUT = 900, 50
LINES = [
    f"Date: 2024-03-{1 + n % 28:02d} || Hall: {n} || Report: the {'pump' if n % 3 else 'door'} of "
    f"hall {n} is {'loud' if n % 2 else 'leaking'}"
    for n in range(N_LINES)
]
TEXT = "\n".join(LINES)
DEEPEST = 3
LIMITS = Limits(max_depth=DEEPEST)


def _rest(level: int) -> str:
    """What a run of that depth sees."""
    return "\n".join(LINES[CUT * level : N_LINES - CUT * level])


def _go_deeper(level: int) -> str:
    return (
        f"rest = '\\n'.join(context.split('\\n')[{CUT}:-{CUT}])\n"
        f"FINAL(rlm_query('LEVEL {level + 1}: what is there?', rest))"
    )


def _level(request: ModelRequest) -> int:
    """How deep the run is that asks, by its question."""
    said = "\n".join(message.content for message in request.messages)
    levels = [int(found) for found in re.findall(r"LEVEL (\d)", said)]
    return levels[0] if levels else 0


def _root(deepest: str, *, above: Callable[[int], str] = _go_deeper) -> CallableModel:
    """A root that goes deeper in every run, and runs `deepest` in the deepest."""

    async def answer(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        level = _level(request)
        code = deepest if level == DEEPEST else above(level)
        return completion(f"{code}\n```" if request.continue_final else cell(code))

    return CallableModel(answer, name="root", context_tokens=100_000)


class WatchedPool:
    """A real pool that remembers whom it started, and over what."""

    def __init__(self, pool: ZygotePool) -> None:
        self.started: list[WorkerProcess] = []
        self.places: list[ContextSlice | str | None] = []
        self._pool = pool

    async def start(
        self, *, part: ContextSlice | None = None, text: str | None = None
    ) -> WorkerProcess:
        self.places.append(part or text)
        started = await self._pool.start(part=part, text=text)
        self.started.append(started)
        return started

    async def aclose(self) -> None:
        await self._pool.aclose()


class Shaft:
    """Engines over one text, and what happened at each depth."""

    def __init__(self, context: MappedContext, pool: WatchedPool) -> None:
        self.context, self.pool, self.sink = context, pool, ListSink()
        self.clock = HandClock()

    async def ask(
        self,
        root: CallableModel | ScriptedModel,
        worker: CallableModel | None = None,
        *,
        limits: Limits = LIMITS,
        shown: str = "coder",
    ) -> Answer:
        engine = Engine(
            Models(root, worker or CallableModel(echo(), context_tokens=100_000)),
            profile=profile(shown),
            config=RunConfig(mode="rlm", limits=limits, direct_tokens=1, stack="test"),
            sink=self.sink,
            clock=self.clock,
            retries=AT_ONCE,
        )
        return await engine.run("What is there?", self.context, self.pool)

    def ends(self) -> list[tuple[int, str]]:
        return [(end.depth, end.stop_reason) for end in self.sink.of(RunEnded)]

    def is_quiet(self) -> bool:
        """Whether every REPL that was started is gone."""
        return all(worker.is_closed for worker in self.pool.started)


@pytest.fixture
async def shaft(tmp_path: Path) -> AsyncIterator[Shaft]:
    async for opened in _shaft(tmp_path, [TextInput("reports", TEXT)]):
        yield opened


@pytest.fixture
async def shaft_of_documents(tmp_path: Path) -> AsyncIterator[Shaft]:
    """The same lines, a hundred a document."""
    inputs = [TextInput(f"book {n}", "\n".join(LINES[100 * n : 100 * n + 100])) for n in range(9)]
    async for opened in _shaft(tmp_path, inputs):
        yield opened


async def _shaft(folder: Path, inputs: list[TextInput]) -> AsyncIterator[Shaft]:
    given: list[ContextInput] = list(inputs)
    context = open_context(
        given, ReadOptions(), counter=WordCounter(), scratch=folder, index_folder=folder / "indexes"
    )
    pool = WatchedPool(await ZygotePool.open(context, ReplFacts(20_000, 7000)))
    yield Shaft(context, pool)
    await pool.aclose()
    context.close()


async def test_each_run_sees_its_slice_alone_and_the_deepest_asks_the_worker(shaft: Shaft) -> None:
    worker = CallableModel(echo(), context_tokens=100_000)
    replies = [cell(_go_deeper(level)) for level in range(DEEPEST)]
    root = ScriptedModel(
        [*replies, cell("FINAL(f\"{len(context)} {rlm_query('LEVEL 4', context)}\")")]
    )
    answer = await shaft.ask(root, worker)
    deepest = _rest(DEEPEST)
    assert (answer.text, answer.stop_reason) == (
        f"{len(deepest)} re: LEVEL 4\n\n{deepest}", "answered",
    )  # fmt: skip
    starts = shaft.sink.of(RunStarted)
    assert [start.depth for start in starts] == [0, 1, 2, 3]
    assert [start.parent_run_id for start in starts] == [
        None, *(start.run_id for start in starts[:-1]),
    ]  # fmt: skip
    assert [start.context.chars for start in starts] == [len(_rest(n)) for n in range(4)]
    places = [place for place in shaft.pool.places[1:] if isinstance(place, ContextSlice)]
    assert [shaft.context.read(place) for place in places] == [_rest(n) for n in (1, 2, 3)]
    assert worker.prompts == [f"LEVEL 4\n\n{deepest}"]
    (done,) = shaft.sink.of(SubcallDone)
    assert (done.depth, done.run_id) == (3, starts[3].run_id)
    assert shaft.ends() == [(3, "answered"), (2, "answered"), (1, "answered"), (0, "answered")]
    assert shaft.is_quiet()


async def test_every_event_of_a_run_carries_its_depth_and_parent(shaft: Shaft) -> None:
    await shaft.ask(_root("FINAL(llm_query('x'))"))
    runs = {start.run_id: start for start in shaft.sink.of(RunStarted)}

    def where(event: Event) -> tuple[str | None, int]:
        return event.parent_run_id, event.depth

    assert all(where(event) == where(runs[event.run_id]) for event in shaft.sink.events)
    assert len(runs) == 4


LOOK_AROUND = """\
halls = [int(r['hall']) for r in records]
named, outside, ranked = search('hall 449', 5), search('hall 3', 5), search('leaking door', 5)
lines = grep(r'hall \\d+', max_hits=2000)
places = [context[hit.start:hit.start + len(hit)] == hit.text for hit in ranked]
FINAL(json.dumps([len(records), halls[0], halls[-1], list(fields.names), named[0].text,
    [hit.text in context for hit in [*named, *outside, *ranked]], places, len(lines)]))"""


async def test_records_fields_and_search_are_those_of_the_slice(shaft: Shaft) -> None:
    answer = await shaft.ask(_root("import json\n" + LOOK_AROUND))
    n = N_LINES - 2 * CUT * DEEPEST
    records, first, last, names, named, inside, places, lines = json.loads(answer.text)
    assert (records, lines) == (n, n)
    assert (first, last) == (CUT * DEEPEST, N_LINES - CUT * DEEPEST - 1)
    assert names == ["date", "hall", "report"]
    assert "hall 449 is" in named
    assert len(inside) >= 10
    assert all(inside)
    assert places == [True] * 5


async def test_a_field_judged_in_a_child_run_asks_about_its_records_only(shaft: Shaft) -> None:
    async def judge(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        choices = request.constraint
        asked = request.messages[-1].content
        if isinstance(choices, Choices):
            return completion("loud" if "loud" in asked else "leaking")
        return completion("an example")

    worker = CallableModel(judge, context_tokens=100_000)
    deepest = (
        "fields.label = judged(['loud', 'leaking'], 'report')\n"
        "FINAL(sum(r['label'] == 'loud' for r in records))"
    )
    answer = await shaft.ask(_root(deepest), worker)
    assert answer.text == str(sum("loud" in line for line in _rest(DEEPEST).split("\n")))
    halls = {int(hall) for prompt in worker.prompts for hall in re.findall(r"hall (\d+)", prompt)}
    assert min(halls) == CUT * DEEPEST
    assert max(halls) == N_LINES - CUT * DEEPEST - 1


async def test_a_child_run_is_told_and_given_the_documents_of_its_slice(
    shaft_of_documents: Shaft,
) -> None:
    shaft = shaft_of_documents

    def by_documents(level: int) -> str:
        return (
            "inner = context[documents[1].start:documents[-2].end]\n"
            f"FINAL(rlm_query('LEVEL {level + 1}: what is there?', inner))"
        )

    deepest = (
        "hit = search('hall 449', 1)[0]\n"
        "FINAL(' '.join([d.name for d in documents] + [hit.document, str(hit.text in context)]))"
    )
    root = _root(deepest, above=by_documents)
    answer = await shaft.ask(root)
    assert answer.text == "book 3 book 4 book 5 book 4 True"
    assert [start.context.documents for start in shaft.sink.of(RunStarted)] == [9, 7, 5, 3]
    told = root.requests[-1].messages[-1].content
    assert "3 documents (book 3, book 4, book 5)" in told


async def test_the_harness_looks_first_at_every_depth(shaft: Shaft) -> None:
    answer = await shaft.ask(_root("FINAL(len(records))"), shown="small-coder")
    assert answer.text == str(N_LINES - 2 * CUT * DEEPEST)
    looked = [event.depth for event in shaft.sink.of(CellRan) if event.turn == 0]
    assert looked == [0, 1, 2, 3]


async def test_what_the_deepest_spends_comes_out_of_the_whole_tree(shaft: Shaft) -> None:
    deepest = "FINAL(' '.join(str(r) for r in llm_query_batched(list('abcde'))))"
    answer = await shaft.ask(_root(deepest), limits=dataclasses.replace(LIMITS, max_subcalls=5))
    assert answer.subcalls == 5
    assert answer.usage.worker.prompt_tokens == 20
    assert answer.usage.root.prompt_tokens >= 40
    assert answer.stop_reason == "max_subcalls"
    done = shaft.sink.of(SubcallDone)
    assert [event.error is None for event in done].count(True) == 2
    assert shaft.ends() == [(depth, "max_subcalls") for depth in (3, 2, 1, 0)]
    booked = [(end.subcalls, end.usage.worker.prompt_tokens) for end in shaft.sink.of(RunEnded)]
    assert booked == [(2, 20), (3, 20), (4, 20), (5, 20)]


async def test_tokens_that_the_deepest_spends_stop_every_run_above(shaft: Shaft) -> None:
    async def dear(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        return completion("dear", prompt_tokens=1_000_000)

    answer = await shaft.ask(
        _root("print(llm_query('a'))\nprint(llm_query('b'))"),
        CallableModel(dear),
        limits=dataclasses.replace(LIMITS, max_tokens=900_000),
    )
    assert answer.stop_reason == "max_tokens"
    assert shaft.ends() == [(depth, "max_tokens") for depth in (3, 2, 1, 0)]
    assert answer.usage.worker.prompt_tokens == 1_000_000


async def test_turns_are_each_runs_own(shaft: Shaft) -> None:
    answer = await shaft.ask(
        _root("print(len(context))"), limits=dataclasses.replace(LIMITS, max_turns=2)
    )
    assert (answer.stop_reason, answer.turns) == ("answered", 1)
    deepest, *above = shaft.sink.of(RunEnded)
    assert (deepest.depth, deepest.turns) == (3, 2)
    assert deepest.stop_reason in ("forced", "max_turns")
    assert [end.turns for end in above] == [1, 1, 1]


class _Hanging:
    """A root or worker that never answers in the deepest run, and says when it was reached."""

    def __init__(self, who: str) -> None:
        self.reached = asyncio.Event()
        self.who = who
        self.root = _root("FINAL(llm_query('x'))")
        self.worker = CallableModel(self._hang)
        self._answer = self.root.answer
        if who == "root":
            self.root.answer = self._hang_deep

    async def _hang(self, request: ModelRequest) -> Completion:
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def _hang_deep(self, request: ModelRequest) -> Completion:
        is_deepest = _level(request) == DEEPEST
        return await (self._hang if is_deepest else self._answer)(request)

    @property
    def cancelled(self) -> int:
        return self.root.cancelled + self.worker.cancelled


@pytest.mark.parametrize("who", ["root", "worker"])
async def test_cancelling_the_question_reaches_the_deepest_run(shaft: Shaft, who: str) -> None:
    hanging = _Hanging(who)
    asked = asyncio.create_task(shaft.ask(hanging.root, hanging.worker))
    await hanging.reached.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert hanging.cancelled == 1
    assert shaft.ends() == [(depth, "interrupted") for depth in (3, 2, 1, 0)]
    assert len(shaft.pool.started) == 4
    assert shaft.is_quiet()


@pytest.mark.parametrize("who", ["root", "worker"])
async def test_the_deadline_of_the_question_ends_the_deepest_run(shaft: Shaft, who: str) -> None:
    class LateSink(ListSink):
        """Time runs when the deepest run begins, and is nearly over then."""

        def emit(self, event: Event) -> None:
            super().emit(event)
            if isinstance(event, RunStarted) and event.depth == DEEPEST:
                shaft.clock.time_s += 999.9

    shaft.sink = LateSink()
    hanging = _Hanging(who)
    limits = dataclasses.replace(LIMITS, max_seconds=1000)
    asked = asyncio.create_task(shaft.ask(hanging.root, hanging.worker, limits=limits))
    await hanging.reached.wait()
    shaft.clock.time_s += 1
    answer = await asked
    assert answer.stop_reason == "max_seconds"
    assert hanging.cancelled == 1
    assert shaft.ends() == [(depth, "max_seconds") for depth in (3, 2, 1, 0)]
    assert shaft.is_quiet()


async def test_a_repl_that_dies_in_the_deepest_run_costs_the_runs_above_nothing(
    shaft: Shaft,
) -> None:
    dies = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    answer = await shaft.ask(_root(dies), limits=dataclasses.replace(LIMITS, max_turns=2))
    assert answer.stop_reason == "answered"
    assert shaft.ends()[1:] == [(2, "answered"), (1, "answered"), (0, "answered")]
    assert shaft.is_quiet()
