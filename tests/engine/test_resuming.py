"""Runs that were killed and go on: cut after every single event of a whole run."""

import asyncio
import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence

import pytest

from rlm_local.config import RunConfig
from rlm_local.engine.loop import Engine, Models
from rlm_local.engine.recording import Recording
from rlm_local.engine.shared_calls import SharedReplies
from rlm_local.errors import ModelError, UserError
from rlm_local.events import (
    CellRan,
    Event,
    GuardFired,
    Notice,
    RootReplied,
    RunEnded,
    RunStarted,
    SubcallDone,
)
from rlm_local.trace.records import decode_event, encode_event
from rlm_local.types import Answer, Completion, Limits, ModelRequest, RunMode
from tests.engine.scenes import AT_ONCE, TEXT, cell, profile
from tests.fakes.interpreter import InProcessPool
from tests.fakes.parts import (
    Answerer,
    CallableModel,
    HandClock,
    ListSink,
    Shelf,
    StringContext,
    completion,
    echo,
)

QUESTION = "What is the magic number for sunny-harbor?"


class Stage:
    """Models that answer by what they are asked, so that every process of a run is alike."""

    def __init__(
        self,
        script: Mapping[int, str],
        *,
        worker: Answerer | None = None,
        limits: Limits | None = None,
        mode: RunMode = "rlm",
        shelf: Shelf | None = None,
        text: str = TEXT,
        style: str = "coder",
        seed: int | None = None,
    ) -> None:
        async def reply(request: ModelRequest) -> Completion:
            await asyncio.sleep(0)
            sent = request.messages[:-1] if request.continue_final else request.messages
            if "words only" in sent[-1].content:
                return completion("seven", prompt_tokens=70)
            told = sent[opened if len(sent) > opened else -1].content
            replies = CHILD if "part of a text" in told else script
            said = (len(sent) - opened) // 2
            text = (
                replies[said].partition("```repl\n")[2] if request.continue_final else replies[said]
            )
            return completion(text, prompt_tokens=1000 + 10 * said)

        self.root = CallableModel(reply, name="root", digest="sha256:root")
        self.worker = CallableModel(worker or echo(), digest="sha256:worker")
        self.context = StringContext(text)
        self.sink = ListSink()
        shown = profile(style)
        opened = len(shown.opening)
        self.engine = Engine(
            Models(self.root, self.worker),
            profile=shown,
            config=RunConfig(
                limits=limits or Limits(), mode=mode, stack="test", seed=seed, direct_tokens=30
            ),
            sink=self.sink,
            clock=HandClock(),
            retries=AT_ONCE,
            results=SharedReplies(shelf) if shelf else None,
        )

    async def ask(self, recording: Recording | None = None, question: str = QUESTION) -> Answer:
        pool = InProcessPool(self.context)
        return await self.engine.run(question, self.context, pool, recording=recording)

    def ended(self) -> RunEnded:
        return next(event for event in self.sink.of(RunEnded) if event.depth == 0)


def as_read(events: Sequence[Event]) -> list[Event]:
    """As they come back from a file."""
    return [decode_event(encode_event(event)) for event in events]


MAP = cell(
    "lines = [line for line in context.split(chr(10)) if line][:4]\n"
    "said = llm_query_batched([f'Shorten: {line}' for line in lines * 2])\n"
    "more = llm_query('One more')\nprint(said, more)"
)
CHILDREN = cell(
    "a, b = context[:400], 'A text of its own. ' * 40\n"
    "print(rlm_query_batched(['which part of a text?'] * 2, [a, b]))\n"
    "print(rlm_query('in words only?', 'short'))"
)
CHILD = {0: cell("print(llm_query('from a child'), len(context))"), 1: cell("FINAL('a child')")}
FINISH = cell("FINAL(grep('magic')[0].split()[-1])")
PLAIN = {0: MAP, 1: CHILDREN, 2: FINISH}
GUARDED = {0: cell("# thinking"), 1: MAP, 2: FINISH}
"""The first reply is refused twice over, and sampled again."""


async def _whole(make: Callable[[], Stage]) -> Stage:
    stage = make()
    await stage.ask()
    return stage


def _unordered(event: RunEnded) -> RunEnded:
    return dataclasses.replace(event, run_id="", time_s=0.0)


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (PLAIN, {}),
        (PLAIN, {"style": "small-coder"}),
        (PLAIN, {"limits": Limits(max_tokens=900_000, max_subcalls=40)}),
        (GUARDED, {"seed": 5}),
        ({0: MAP, 1: MAP, 2: MAP, 3: MAP}, {"limits": Limits(max_turns=2)}),
        ({0: "the gate opens"}, {"mode": "direct"}),
    ],
    ids=["plain", "prefilled", "limits", "guarded", "forced", "direct"],
)
async def test_a_run_cut_after_any_event_ends_the_same_and_asks_nothing_twice(
    script: Mapping[int, str], options: Mapping[str, object]
) -> None:
    def make() -> Stage:
        return Stage(script, **options)  # type: ignore[arg-type]  # as parametrized

    whole = await _whole(make)
    events = as_read(whole.sink.events)
    end = whole.ended()
    n_root, n_worker = len(whole.root.requests), len(whole.worker.requests)
    for cut in range(1, len(events)):
        known = events[:cut]
        recording = Recording.of("trace", known)
        again = make()
        await again.ask(recording)
        n_known_root = sum(isinstance(event, RootReplied) for event in known)
        done = {event.prompt for event in known if isinstance(event, SubcallDone)}
        assert len(again.root.requests) == n_root - n_known_root, cut
        assert not done & set(again.worker.prompts), cut
        assert len(again.worker.requests) == n_worker - len(done), cut
        assert _unordered(again.ended()) == _unordered(end), cut
        assert again.sink.of(RunStarted)[0].resumed_from == "trace"


async def test_a_resumed_run_that_is_killed_too_can_be_resumed_from_either_trace() -> None:
    whole = await _whole(lambda: Stage(PLAIN))
    events = as_read(whole.sink.events)
    first = events[: len(events) * 2 // 3]
    again = Stage(PLAIN)
    await again.ask(Recording.of("one", first))
    for cut in range(1, len(again.sink.events), 3):
        older = Recording.of("one", first)
        recording = Recording.of("two", as_read(again.sink.events[:cut])).after(older)
        third = Stage(PLAIN)
        answer = await third.ask(recording)
        done = {event.prompt for event in first if isinstance(event, SubcallDone)}
        assert answer.text == "9345706."
        assert not done & set(third.worker.prompts)
        replied = sum(isinstance(event, RootReplied) for event in first)
        assert len(third.root.requests) <= len(whole.root.requests) - replied


async def test_origins_tell_where_each_reply_came_from() -> None:
    whole = await _whole(lambda: Stage(PLAIN))
    events = as_read(whole.sink.events)
    cut = next(n for n, event in enumerate(events) if isinstance(event, SubcallDone)) + 2
    again = Stage(PLAIN)
    answer = await again.ask(Recording.of("trace", events[:cut]))
    origins = collections.Counter(event.origin for event in again.sink.of(SubcallDone))
    assert origins == {"trace": 1, "worker": 5, "run": 5}
    assert answer.cached_subcalls == 5
    replayed = [event.replayed for event in again.sink.of(RootReplied)]
    assert replayed[0] is True
    assert not any(replayed[1:])
    notices = [event.text for event in again.sink.of(Notice) if event.depth == 0]
    assert notices == ["resume: all that is on record was used; the run goes on"]


async def test_a_cell_that_prints_something_else_is_told_and_the_run_goes_on_from_it() -> None:
    clock = cell("print('it is', llm_query('time?')[-5:])")
    whole = Stage({0: clock, 1: clock + " ", 2: FINISH}, worker=always("at 12:00"))
    await whole.ask()
    events = [
        dataclasses.replace(event, stdout="it is 11:59\n") if isinstance(event, CellRan) else event
        for event in as_read(whole.sink.events)[:-1]
    ]
    again = Stage({0: clock, 1: clock + " ", 2: FINISH}, worker=always("at 12:00"))
    await again.ask(Recording.of("trace", events))
    notices = [event.text for event in again.sink.of(Notice)]
    assert len([text for text in notices if "came out otherwise" in text]) == 1
    assert "11:59" in notices[0]
    assert "12:00" in notices[0]


def always(text: str) -> Answerer:
    async def answer(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        return completion(text)

    return answer


async def test_where_the_course_differs_the_root_is_asked_and_nothing_stale_is_used() -> None:
    whole = await _whole(lambda: Stage(PLAIN, worker=always("old")))
    events = [
        dataclasses.replace(event, reply="changed") if isinstance(event, SubcallDone) else event
        for event in as_read(whole.sink.events)[:-1]
    ]
    again = Stage(PLAIN, worker=always("old"))
    answer = await again.ask(Recording.of("trace", events))
    assert answer.text == "9345706."
    assert len(again.root.requests) == 4  # two of this run, the second of two children
    notices = [event.text for event in again.sink.of(Notice) if event.depth == 0]
    assert any("go unused" in text for text in notices)


async def test_a_failure_counts_where_its_cell_had_ended_and_is_tried_again_where_not() -> None:
    fails = {"on": True}

    async def moody(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        if fails["on"]:
            raise ModelError("refused")
        return completion("now it works")

    script = {0: cell("print(llm_query('a'))"), 1: cell("print(llm_query('b'))"), 2: FINISH}
    whole = Stage(script, worker=moody)
    await whole.ask()
    events = as_read(whole.sink.events)
    second = [n for n, event in enumerate(events) if isinstance(event, SubcallDone)][1]
    fails["on"] = False
    again = Stage(script, worker=moody)
    await again.ask(Recording.of("trace", events[: second + 1]))
    assert again.worker.prompts == ["b"]
    first, then, *_ = (event.stdout for event in again.sink.of(CellRan))
    assert "refused" in first
    assert then == "now it works\n"


async def test_the_budget_counts_what_the_killed_run_had_spent() -> None:
    batches = cell("print(llm_query_batched([f'p{n}' for n in range(6)]))\nprint('second')")
    more = cell("print(llm_query_batched([f'q{n}' for n in range(6)]))")
    script = {0: batches, 1: more, 2: FINISH}
    whole = Stage(script, limits=Limits(max_subcalls=8))
    await whole.ask()
    events = as_read(whole.sink.events)
    cut = next(n for n, event in enumerate(events) if isinstance(event, CellRan)) + 1
    again = Stage(script, limits=Limits(max_subcalls=8))
    answer = await again.ask(Recording.of("trace", events[:cut]))
    assert answer.stop_reason == "max_subcalls"
    assert len(again.worker.requests) == 2


async def test_limits_may_be_raised_and_all_replies_are_still_of_use() -> None:
    script = {0: MAP, 1: CHILDREN, 2: FINISH}
    short = Stage(script, limits=Limits(max_turns=2, max_subcalls=50))
    answer = await short.ask()
    assert answer.stop_reason != "answered"
    recording = Recording.of("trace", as_read(short.sink.events))
    recording.check_unfinished()
    longer = Stage(script, limits=Limits(max_turns=6, max_subcalls=500))
    answer = await longer.ask(recording)
    assert (answer.text, answer.stop_reason) == ("9345706.", "answered")
    assert len(longer.root.requests) == 1
    assert longer.worker.requests == []


async def test_only_the_same_question_text_and_models_are_resumed() -> None:
    whole = await _whole(lambda: Stage(PLAIN))
    events = as_read(whole.sink.events)[:-1]
    with pytest.raises(UserError, match="asks 'What is the magic"):
        await Stage(PLAIN).ask(Recording.of("trace", events), question="Another?")
    other = Stage(PLAIN, text=TEXT + "!")
    with pytest.raises(UserError, match="another text") as raised:
        await other.ask(Recording.of("trace", events))
    for facts in (whole.context.facts, other.context.facts):
        assert facts.sha256 in str(raised.value)
    changed = Stage(PLAIN)
    changed.worker.digest = "sha256:new"
    with pytest.raises(UserError, match="its worker was sha256:worker, now it is sha256:new"):
        await changed.ask(Recording.of("trace", events))
    assert changed.root.requests == []


async def test_a_second_run_finds_its_sub_calls_on_disk_and_pays_nothing() -> None:
    shelf = Shelf()
    first, second = Stage(PLAIN, shelf=shelf), Stage(PLAIN, shelf=shelf)
    before, after = await first.ask(), await second.ask()
    assert second.worker.requests == []
    assert after.text == before.text
    assert after.usage.worker.total_tokens == 0
    assert after.subcalls == before.subcalls
    assert after.cached_subcalls == 11
    assert {event.origin for event in second.sink.of(SubcallDone)} == {"disk", "run"}


async def test_root_turns_are_not_kept_on_disk() -> None:
    shelf = Shelf()
    first, second = Stage(PLAIN, shelf=shelf), Stage(PLAIN, shelf=shelf)
    await first.ask()
    await second.ask()
    assert len(second.root.requests) == len(first.root.requests)
    assert len(shelf.replies) == len(first.worker.requests)


async def test_a_run_resumed_by_trace_and_disk_asks_nothing_that_either_has() -> None:
    shelf = Shelf()
    whole = Stage(PLAIN, shelf=shelf)
    await whole.ask()
    again = Stage(PLAIN, shelf=shelf)
    await again.ask(Recording.of("trace", as_read(whole.sink.events)[:5]))
    assert again.worker.requests == []


async def test_a_guarded_reply_is_replayed_with_its_guard() -> None:
    whole = await _whole(lambda: Stage(GUARDED, seed=1))
    guards = [event.guard for event in whole.sink.of(GuardFired)]
    assert guards
    again = Stage(GUARDED, seed=1)
    await again.ask(Recording.of("trace", as_read(whole.sink.events)[:-1]))
    assert [event.guard for event in again.sink.of(GuardFired)] == guards
    assert again.root.requests == []
