import asyncio
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from rlm_local.engine.budget import Budget
from rlm_local.engine.child_calls import ChildCall
from rlm_local.engine.child_rooms import ChildRooms
from rlm_local.engine.journal import Journal
from rlm_local.engine.models import Models, worker_room_tokens
from rlm_local.engine.scheduler import Scheduler
from rlm_local.engine.subcalls import ChildStarter, Subcalls, read_constraint
from rlm_local.errors import SandboxError, ServerError
from rlm_local.events import SubcallDone
from rlm_local.types import (
    Answer,
    CellCall,
    CellReply,
    Choices,
    Completion,
    ContextSlice,
    Json,
    JsonSchema,
    Limits,
    ModelRequest,
    Regex,
    RunUsage,
    StopReason,
)
from tests.engine.scenes import AT_ONCE, Scene, cell
from tests.fakes.parts import (
    Answerer,
    CallableModel,
    HandClock,
    ListSink,
    StringContext,
    completion,
    echo,
)

TEXT = "alpha one\nbeta two\ngamma three\n"


class _Host:
    """A host whose child runs are answered by a function."""

    def __init__(
        self, answer: Answerer | None = None, *, limits: Limits | None = None, depth: int = 0
    ) -> None:
        self.worker = CallableModel(answer or echo())
        self.context = StringContext(TEXT)
        self.sink, self.clock = ListSink(), HandClock()
        self.children: list[ChildCall] = []
        self.child: ChildStarter = self._child
        self.child_error: Exception | None = None
        self.child_text = "the child's answer"
        self.child_stop: StopReason = "answered"
        self.child_reason: str | None = None
        models = Models(self.worker, self.worker, worker_max_tokens=100)
        self.models = models
        self.budget = Budget(limits or Limits(), "run", self.clock)
        self.host = Subcalls(
            models=models,
            context=self.context,
            scheduler=Scheduler(models, AT_ONCE, seed=None),
            budget=self.budget,
            journal=Journal(self.sink, "run", depth=depth),
            start_child=lambda call: self.child(call),
            child_rooms=ChildRooms(),
        )

    async def _child(self, call: ChildCall, /) -> Answer:
        self.children.append(call)
        await asyncio.sleep(0)
        if self.child_error:
            raise self.child_error
        return Answer(
            self.child_text,
            self.child_stop,
            "rlm",
            turns=1,
            subcalls=0,
            cached_subcalls=0,
            seconds=0.0,
            usage=RunUsage(),
            context=self.context.facts,
            stack="",
            trace=None,
            error=self.child_reason,
        )

    async def llm(self, *prompts: str, **args: Json) -> CellReply:
        return await self.host.call(CellCall("llm_query", args, prompts))

    async def rlm(self, *texts: str, **args: Json) -> CellReply:
        return await self.host.call(CellCall("rlm_query", args, texts))


async def test_prompts_are_answered_in_order() -> None:
    reply = await _Host().llm("a", "b")
    assert [outcome.text for outcome in reply.outcomes] == ["re: a", "re: b"]
    assert (reply.notes, reply.refusal) == ((), None)


async def test_options_reach_the_worker() -> None:
    async def reply(request: ModelRequest) -> Completion:
        return completion('"yes"' if isinstance(request.constraint, JsonSchema) else "yes")

    host = _Host(reply)
    await host.llm("a", choices=["yes", "no", "yes"], max_tokens=7)
    await host.llm("b", regex="yes|no")
    await host.llm("c", schema={"type": "string", "minLength": 1})
    await host.llm("d", max_tokens=10**9)
    requests = host.worker.requests
    assert requests[0].constraint == Choices(("yes", "no"))
    assert requests[0].sampling.max_tokens == 7
    assert requests[1].constraint == Regex("yes|no")
    assert requests[1].sampling.max_tokens == 100
    assert requests[2].constraint == JsonSchema('{"minLength": 1, "type": "string"}')
    assert requests[3].sampling.max_tokens == host.worker.context_tokens // 2


REFUSED: list[tuple[dict[str, Json], str]] = [
    ({"choices": ["only"]}, "2 to 1000 different"),
    ({"choices": ["a", ""]}, "none empty"),
    ({"choices": "abc"}, "list of texts"),
    ({"choices": ["a", 1]}, "list of texts"),
    ({"choices": ["a", "b"], "regex": "x"}, "one of choices, regex, schema"),
    ({"regex": "("}, "not a usable regular expression"),
    ({"regex": ""}, "1 to"),
    ({"regex": 5}, "1 to"),
    ({"schema": "{}"}, "as a dict, not str"),
    ({"max_tokens": 0}, "from 1"),
    ({"max_tokens": True}, "from 1"),
    ({"max_tokens": "many"}, "from 1"),
    ({"system": 5}, "system must be a text"),
    ({"shots": [["a", "b", "c"]]}, "pairs of texts"),
    ({"system": "x" * 40_000}, "use fewer or shorter ones"),
    ({"scores": True}, "give choices too"),
    ({"scores": "yes", "choices": ["a", "b"]}, "True or False"),
]


@pytest.mark.parametrize(("args", "reason"), REFUSED)
async def test_options_that_mean_nothing_are_refused_with_advice(
    args: dict[str, Json], reason: str
) -> None:
    host = _Host()
    reply = await host.llm("a", **args)
    assert reason in (reply.refusal or "")
    assert host.worker.requests == []


async def test_a_prompt_comes_after_its_system_text_and_worked_turns() -> None:
    host = _Host()
    shots: Json = [["one", "odd"], ["two", "even"]]
    await host.llm("three", "four", system="Odd or even?", shots=shots)
    for request in host.worker.requests:
        said = [(message.role, message.content) for message in request.messages]
        assert said[:-1] == [
            ("system", "Odd or even?"),
            ("user", "one"),
            ("assistant", "odd"),
            ("user", "two"),
            ("assistant", "even"),
        ]
        assert said[-1][0] == "user"
    assert sorted(host.worker.prompts) == ["four", "three"]


async def test_only_the_prompt_is_cut_to_what_system_text_and_turns_leave() -> None:
    host = _Host()
    system = "s" * 12_000
    room = worker_room_tokens(host.models)
    reply = await host.llm("start " + "x" * room * 5 + " end", system=system)
    first, last = host.worker.requests[0].messages
    assert first.content == system
    assert last.content.startswith("start")
    assert host.worker.tokens.count(first.content) + host.worker.tokens.count(last.content) <= room
    assert "lost the middle" in reply.notes[0]


async def test_scores_come_with_the_choice_as_json() -> None:
    async def reply(request: ModelRequest) -> Completion:
        assert request.wants_scores
        return dataclasses.replace(completion(" ham\n"), scores={"ham": -0.25, "spam": -1.5})

    host = _Host(reply)
    (outcome,) = (await host.llm("a", choices=["ham", "spam"], scores=True)).outcomes
    assert json.loads(outcome.text or "") == {
        "value": "ham",
        "scores": {"ham": -0.25, "spam": -1.5},
    }
    assert host.sink.of(SubcallDone)[0].reply == outcome.text


async def test_a_reply_that_is_no_choice_is_a_failure_with_scores_too() -> None:
    host = _Host(echo())
    (outcome,) = (await host.llm("a", choices=["ham", "spam"], scores=True)).outcomes
    assert outcome.text is None
    assert 're: a"' in (outcome.error or "")


async def test_no_prompts_are_no_reply_whatever_the_options() -> None:
    assert await _Host().llm(schema={"type": "nothing"}) == CellReply()


async def test_long_constraints_are_read_beside_the_engine_and_short_ones_at_once() -> None:
    long: Json = {"properties": {f"p{n}": {"type": "string"} for n in range(200)}}
    closed = ThreadPoolExecutor(1)
    closed.shutdown()
    assert await read_constraint({"schema": {"type": "string"}}, closed)
    with pytest.raises(RuntimeError, match="shutdown"):
        await read_constraint({"schema": long}, closed)
    replies = await asyncio.gather(*(_Host().llm("a", schema=long) for _ in range(5)))
    assert [reply.refusal for reply in replies] == [None] * 5


async def test_a_prompt_longer_than_the_window_loses_its_middle_visibly() -> None:
    host = _Host()
    room = worker_room_tokens(host.models)
    long = "start " + "x" * room * 5 + " end"
    reply = await host.llm("short", long)
    sent = host.worker.prompts[1]
    assert sent.startswith("start")
    assert sent.endswith("end")
    assert "characters left out" in sent
    assert host.worker.tokens.count(sent) <= room
    assert len(reply.notes) == 1
    assert reply.notes[0].startswith("1 prompt was longer")
    middling = await host.llm("m" * (host.models.worker.context_tokens * 2), max_tokens=6000)
    assert len(middling.notes) == 1
    both = await host.llm(long + "1", long + "2")
    assert both.notes[0].startswith("2 prompts were longer")


async def test_a_long_prompt_that_fits_after_counting_stays_whole() -> None:
    host = _Host()
    fits = "x" * (worker_room_tokens(host.models) * 4)
    assert (await host.llm(fits)).notes == ()
    assert host.worker.prompts == [fits]


async def test_search_is_the_contexts() -> None:
    host = _Host()
    reply = await host.host.call(CellCall("search", {"k": 2}, ("beta gamma",)))
    assert [passage.text for passage in reply.passages] == ["beta two", "gamma three"]
    assert (await host.host.call(CellCall("search", {}, ("beta",)))).passages
    assert host.context.searched == [("beta gamma", 2), ("beta", 10)]


@pytest.mark.parametrize("k", [0, 1001, "5", None])
async def test_search_refuses_a_k_that_makes_no_sense(k: Json) -> None:
    reply = await _Host().host.call(CellCall("search", {"k": k}, ("beta",)))
    assert "k must be 1 to 1000" in (reply.refusal or "")


async def test_search_takes_one_query() -> None:
    reply = await _Host().host.call(CellCall("search", {}, ("a", "b")))
    assert reply.refusal == "search takes one query"


async def test_child_runs_answer_in_order_and_count_as_subcalls() -> None:
    host = _Host()
    reply = await host.rlm("one", "two", has_context=False, slices=[])
    assert [outcome.text for outcome in reply.outcomes] == ["the child's answer"] * 2
    assert host.children == [ChildCall("one"), ChildCall("two")]
    assert host.budget.subcalls == 2


async def test_child_runs_get_texts_and_slices_as_the_repl_sends_them() -> None:
    host = _Host()
    await host.rlm("q1", "q2", "text 2", has_context=True, slices=[[0, 9], None])
    await host.rlm("q3", "text 3", has_context=True)
    assert host.children == [
        ChildCall("q1", part=ContextSlice(0, 9)),
        ChildCall("q2", text="text 2"),
        ChildCall("q3", text="text 3"),
    ]


BAD_CALLS: list[tuple[tuple[str, ...], Json]] = [
    (("q",), [None]),
    (("q", "t", "q2"), [None]),
    (("q",), [[5, 2]]),
    (("q",), [["a", "b"]]),
    (("q",), "no list"),
    (("q",), None),
]


@pytest.mark.parametrize(("texts", "slices"), BAD_CALLS)
async def test_a_child_call_that_does_not_add_up_is_refused(
    texts: tuple[str, ...], slices: Json
) -> None:
    host = _Host()
    reply = await host.rlm(*texts, has_context=True, slices=slices)
    assert (reply.refusal or "").startswith("rlm_query")
    assert host.children == []


async def test_a_child_that_fails_is_an_item_that_failed() -> None:
    host = _Host()
    host.child_error = SandboxError("no process")
    reply = await host.rlm("one")
    assert (reply.outcomes[0].text, reply.outcomes[0].error) == (None, "no process")


async def test_a_child_without_an_answer_is_an_item_that_failed() -> None:
    host = _Host()
    host.child_text = ""
    assert (await host.rlm("one")).outcomes[0].error == "no answer (answered)"


@pytest.mark.parametrize("stop", ["answered", "direct", "forced"])
async def test_a_child_that_came_to_an_answer_succeeds(stop: StopReason) -> None:
    host = _Host()
    host.child_stop = stop
    assert (await host.rlm("one")).outcomes[0].text == "the child's answer"


@pytest.mark.parametrize(
    "stop", sorted(set(get_args(StopReason)) - {"answered", "direct", "forced"})
)
async def test_what_a_child_that_was_cut_off_had_found_is_not_its_answer(stop: StopReason) -> None:
    host = _Host()
    host.child_stop, host.child_text = stop, "a part"
    outcome = (await host.rlm("one")).outcomes[0]
    assert (outcome.text, outcome.error) == (None, f"no answer ({stop}); found so far: a part")
    host.child_reason, host.child_text = "why", "x" * 100_000
    outcome = (await host.rlm("one")).outcomes[0]
    assert outcome.text is None
    assert (outcome.error or "").startswith("why; found so far: xxx")
    assert len(outcome.error or "") < 3000


async def test_a_child_whose_server_died_ends_the_run() -> None:
    host = _Host()
    host.child_error = ServerError("died")
    with pytest.raises(ServerError):
        await host.rlm("one", "two")
    assert str(host.host.failure) == "died"


async def test_child_runs_beyond_the_budget_fail() -> None:
    host = _Host(limits=Limits(max_subcalls=1))
    reply = await host.rlm("one", "two")
    assert [outcome.text for outcome in reply.outcomes] == ["the child's answer", None]


async def test_at_the_last_depth_a_child_call_becomes_a_prompt() -> None:
    host = _Host(depth=1)
    await host.rlm("q1", "q2", "text 2", has_context=True, slices=[[10, 18], None])
    await host.rlm("q3", has_context=False)
    assert host.worker.prompts == ["q1\n\nbeta two", "q2\n\ntext 2", "q3"]
    assert host.children == []
    assert len(host.sink.of(SubcallDone)) == 3


async def test_after_the_deadline_calls_are_refused() -> None:
    host = _Host(limits=Limits(max_seconds=5))
    host.clock.time_s += 6
    assert "max_seconds" in ((await host.llm("a")).refusal or "")


async def test_what_a_finished_cell_left_under_way_is_cancelled() -> None:
    async def hang(request: ModelRequest) -> Completion:
        await asyncio.sleep(60)
        return completion("never")

    host = _Host(hang)
    late = asyncio.ensure_future(host.llm("a"))
    await asyncio.sleep(0.01)
    await host.host.end_cell()
    assert host.worker.cancelled == 1
    with pytest.raises(asyncio.CancelledError):
        await late
    await host.host.end_cell()


async def test_a_child_run_that_is_cancelled_may_end_what_it_began() -> None:
    host, reached, ended = _Host(), asyncio.Event(), asyncio.Event()

    async def child(call: ChildCall, /) -> Answer:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.set()
        raise AssertionError

    host.child = child
    cell_call = asyncio.ensure_future(host.rlm("one"))
    await reached.wait()
    cell_call.cancel()
    await asyncio.sleep(0)
    await host.host.end_cell()
    with pytest.raises(asyncio.CancelledError):
        await cell_call
    assert ended.is_set()


def test_every_function_of_the_contract_is_served() -> None:
    assert set(get_args(CellCall.__dataclass_fields__["fn"].type)) == {
        "llm_query",
        "rlm_query",
        "search",
    }


async def test_a_cell_reaches_the_worker_through_the_engine() -> None:
    scene = Scene.of(cell("FINAL(llm_query_batched(['a', 'b', 'a']))"))
    answer = await scene.ask()
    assert answer.text == "['re: a', 're: b', 're: a']"
    assert (answer.subcalls, answer.cached_subcalls) == (3, 1)
    assert answer.usage.worker.prompt_tokens == 20


async def test_a_note_is_printed_in_the_cell() -> None:
    scene = Scene.of(cell("print(len(llm_query('y' * 99_000)))"), cell("FINAL('ok')"))
    await scene.ask()
    assert "1 prompt was longer" in scene.root.requests[1].messages[-1].content


async def test_a_refusal_is_raised_in_the_cell() -> None:
    scene = Scene.of(cell("llm_query('a', choices=['x'])"), cell("FINAL('ok')"))
    await scene.ask("Is it?")
    assert "RuntimeError: choices must be 2" in scene.root.requests[1].messages[-1].content
