import asyncio

import pytest

from rlm_local.events import RunEnded, RunStarted, SubcallDone
from rlm_local.types import Completion, ContextSlice, Limits, ModelRequest
from tests.engine.scenes import Scene, cell
from tests.fakes.parts import CallableModel, completion

BIG = "alpha line\n" * 4000 + "the key is 42\n" + "omega line\n" * 4000
"""Too long to go straight to the root."""


def _root(
    first: str, *, child: str = "print(grep('key is'))\nFINAL(grep('key is')[0])"
) -> CallableModel:
    """A root that starts children at depth 0, and reads in them."""

    async def answer(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        opening = str(request.messages)
        if "SUB" in opening:
            return completion(cell(child))
        return completion(cell(first))

    return CallableModel(answer, name="root")


async def test_a_child_run_is_the_same_engine_on_a_text_of_its_own() -> None:
    scene = Scene.of(root=_root("FINAL(rlm_query('SUB: what is the key?', context))"), text=BIG)
    answer = await scene.ask("What is the key?")
    assert (answer.text, answer.stop_reason) == ("the key is 42", "answered")
    assert answer.subcalls == 1
    starts, ends = scene.sink.of(RunStarted), scene.sink.of(RunEnded)
    assert [start.depth for start in starts] == [0, 1]
    assert starts[1].parent_run_id == starts[0].run_id
    assert ends[0].run_id == starts[1].run_id
    assert scene.pool.places == [None, BIG]
    assert all(interpreter.closed for interpreter in scene.pool.started)
    assert answer.usage.root.prompt_tokens == 20


async def test_a_child_run_over_a_slice_reads_the_mapped_file() -> None:
    scene = Scene.of(
        root=_root("FINAL(rlm_query_batched(['SUB key?'], slices=[[11, 60_000]])[0])"), text=BIG
    )
    answer = await scene.ask("What is the key?")
    assert answer.text == "the key is 42"
    assert scene.pool.places == [None, ContextSlice(11, 60_000)]
    assert scene.sink.of(RunStarted)[1].context.chars == 60_000 - 11


async def test_a_child_with_a_short_text_needs_no_repl() -> None:
    async def answer(request: ModelRequest) -> Completion:
        if request.messages[0].content.startswith("Answer the question from the text"):
            return completion("42")
        return completion(cell("FINAL(rlm_query('what is the key?', 'the key is 42'))"))

    scene = Scene.of(root=CallableModel(answer, name="root"), text=BIG)
    assert (await scene.ask("key?")).text == "42"
    assert len(scene.pool.started) == 1
    assert scene.sink.of(RunStarted)[1].mode == "direct"


async def test_a_short_prompt_without_a_context_is_asked_over_the_same_text() -> None:
    scene = Scene.of(root=_root("FINAL(rlm_query('SUB: what is the key?'))"), text=BIG)
    assert (await scene.ask("key?")).text == "the key is 42"
    assert scene.pool.places == [None, None]


async def test_a_long_prompt_without_a_context_brings_its_text_along() -> None:
    code = "FINAL(rlm_query('SUB: what is the key? ' + context))"
    scene = Scene.of(root=_root(code), text=BIG)
    assert "the key is 42" in (await scene.ask("key?")).text
    assert scene.pool.places[1] == "SUB: what is the key? " + BIG
    question = scene.sink.of(RunStarted)[1].question
    assert question.startswith("SUB: what is the key?")
    assert len(question) < 1200


async def test_at_the_last_depth_children_are_prompts() -> None:
    child = "FINAL(rlm_query('SUB again', 'short text'))"
    scene = Scene.of(root=_root("FINAL(rlm_query('SUB', context))", child=child), text=BIG)
    answer = await scene.ask("key?")
    assert answer.text == "re: SUB again\n\nshort text"
    assert [start.depth for start in scene.sink.of(RunStarted)] == [0, 1]
    assert [event.depth for event in scene.sink.of(SubcallDone)] == [1]
    assert answer.subcalls == 2
    assert answer.usage.worker.prompt_tokens == 10


async def test_deeper_children_run_where_the_limit_allows() -> None:
    child = "FINAL(rlm_query('SUB', context[5:]) if len(context) > 88_000 else 'deep')"
    scene = Scene.of(
        root=_root("FINAL(rlm_query('SUB', context[1:]))", child=child),
        text=BIG + "x" * 20,
        limits=Limits(max_depth=2),
    )
    scene.context.text = scene.context.text[:88_020]
    answer = await scene.ask("key?")
    assert max(start.depth for start in scene.sink.of(RunStarted)) == 2
    assert answer.stop_reason == "answered"


async def test_a_childs_spending_stops_the_root() -> None:
    child = "FINAL(llm_query_batched(['a', 'b', 'c'])[0])"
    scene = Scene.of(
        root=_root("print(rlm_query('SUB', context))", child=child),
        text=BIG,
        limits=Limits(max_subcalls=2),
    )
    answer = await scene.ask("key?")
    assert answer.stop_reason == "max_subcalls"
    assert answer.subcalls == 2
    child_end, root_end = scene.sink.of(RunEnded)
    assert (child_end.depth, child_end.stop_reason) == (1, "max_subcalls")
    assert root_end.stop_reason == "max_subcalls"


async def test_a_child_out_of_turns_does_not_stop_the_root() -> None:
    scene = Scene.of(
        root=_root("FINAL(rlm_query('SUB', context))", child="print(context[:7])"),
        text=BIG,
        limits=Limits(max_turns=3),
    )
    answer = await scene.ask("key?")
    assert answer.stop_reason == "answered"
    assert answer.turns == 1
    assert scene.sink.of(RunEnded)[0].stop_reason in {"forced", "max_turns"}


async def test_a_prompt_answered_in_a_child_is_not_sent_again_by_its_parent() -> None:
    child = "FINAL(llm_query('shared'))"
    first = "a = rlm_query('SUB', context)\nFINAL(a + llm_query('shared'))"
    scene = Scene.of(root=_root(first, child=child), text=BIG)
    answer = await scene.ask("key?")
    assert answer.text == "re: sharedre: shared"
    assert scene.worker.prompts == ["shared"]
    assert answer.cached_subcalls == 1


async def test_at_the_parents_deadline_its_children_stop_too() -> None:
    async def answer(request: ModelRequest) -> Completion:
        if "SUB" in str(request.messages):
            await asyncio.sleep(60)
        return completion(cell("print(rlm_query('SUB', context))"))

    scene = Scene.of(
        root=CallableModel(answer, name="root"), text=BIG, limits=Limits(max_seconds=0.2)
    )
    result = await scene.ask("key?")
    assert result.stop_reason == "max_seconds"
    assert scene.sink.of(RunEnded)[0].stop_reason == "max_seconds"
    assert all(interpreter.closed for interpreter in scene.pool.started)


async def test_a_child_that_is_cancelled_after_the_deadline_says_so() -> None:
    scene = Scene.of(root=_root("print(rlm_query('SUB', context))"), text=BIG,
                     limits=Limits(max_seconds=1000))  # fmt: skip
    reached = asyncio.Event()

    async def answer(request: ModelRequest) -> Completion:
        if "SUB" in str(request.messages):
            reached.set()
            await asyncio.sleep(60)
        return completion(cell("print(rlm_query('SUB', context))"))

    scene.root.answer = answer
    run = asyncio.ensure_future(scene.ask("key?"))
    await reached.wait()
    scene.clock.time_s += 2000
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert [end.stop_reason for end in scene.sink.of(RunEnded)] == ["max_seconds"] * 2
