import asyncio
import dataclasses

import pytest

from rlm_local.config import RunConfig
from rlm_local.engine.loop import Engine, Models
from rlm_local.errors import (
    ConfigError,
    ModelError,
    ModelUnavailable,
    SandboxError,
    SandboxUnavailable,
    ServerError,
)
from rlm_local.events import (
    CellRan,
    CellStarted,
    GuardFired,
    HistoryCompacted,
    Notice,
    RootReplied,
    RunEnded,
    RunStarted,
    SubcallDone,
    TurnStarted,
)
from rlm_local.types import Completion, JsonSchema, Limits, ModelRequest, Usage
from tests.engine.scenes import AT_ONCE, SANDBOX, SMALL, TEXT, Scene, cell, profile
from tests.fakes.interpreter import InProcessPool
from tests.fakes.parts import (
    Answerer,
    CallableModel,
    ScriptedRoot,
    StringContext,
    completion,
)

LOOK = cell("print(grep('sunny-harbor'))")
FINISH = cell("FINAL('9345706')")


async def test_a_root_that_looks_and_finishes_is_answered() -> None:
    scene = Scene.of(LOOK, FINISH)
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason, answer.mode) == ("9345706", "answered", "rlm")
    assert (answer.turns, answer.subcalls) == (2, 0)
    assert answer.usage.root == Usage(20, 0, 10)
    assert answer.context == scene.context.facts
    assert answer.error is None
    assert scene.pool.started[0].closed


async def test_every_step_is_written_down_in_order() -> None:
    scene = Scene.of(LOOK, FINISH, seed=7)
    await scene.ask()
    kinds = [event.kind for event in scene.sink.events]
    turn = ["turn_started", "root_replied", "cell_started", "cell_ran"]
    assert kinds == ["run_started", *turn, *turn, "run_ended"]
    start = scene.sink.of(RunStarted)[0]
    assert (start.mode, start.stack, start.profile, start.seed) == ("rlm", "test", "coder", 7)
    assert start.models == {"root": "sha256:fake", "worker": "sha256:fake"}
    assert start.sandbox == SANDBOX
    assert start.limits["max_turns"] == 12
    end = scene.sink.of(RunEnded)[0]
    assert (end.answer, end.stop_reason, end.turns) == ("9345706", "answered", 2)
    assert len({event.run_id for event in scene.sink.events}) == 1


async def test_the_trace_holds_every_message_once() -> None:
    scene = Scene.of(LOOK, cell("print(len(context))"), FINISH)
    await scene.ask()
    turns = scene.sink.of(TurnStarted)
    written = [message for turn in turns for message in turn.new_messages]
    assert tuple(written) == scene.root.requests[-1].messages
    assert [turn.n_messages_before for turn in turns] == [0, 2, 4]


async def test_history_is_append_only() -> None:
    scene = Scene.of(LOOK, cell("print(len(context))"), FINISH)
    await scene.ask()
    first, second, third = (request.messages for request in scene.root.requests)
    assert second[: len(first)] == first
    assert third[: len(second)] == second


async def test_a_prefilled_reply_is_sent_back_byte_for_byte() -> None:
    scene = Scene.of("print(grep('sunny-harbor'))", "FINAL('9345706')", style="prefill")
    answer = await scene.ask()
    assert answer.text == "9345706"
    first, second = scene.root.requests
    assert first.continue_final
    assert first.messages[-1].content == "```python\n"
    assert first.sampling.stop == ("\n```",)
    before = first.messages[-1].content + "print(grep('sunny-harbor'))"
    assert second.messages[len(first.messages) - 1].content == before + "\n```"
    assert second.messages[: len(first.messages) - 1] == first.messages[:-1]


async def test_a_prefill_profile_works_on_a_server_without_prefill() -> None:
    root = ScriptedRoot(
        "```python\nprint(grep('sunny'))\n```",
        "```python\nFINAL('9345706')\n```",
        supports_prefill=False,
    )
    scene = Scene.of(root=root, style="prefill")
    answer = await scene.ask()
    assert answer.text == "9345706"
    assert not root.requests[0].continue_final
    assert root.requests[0].messages[-1].role == "user"
    assert root.requests[0].sampling.stop == ()


async def test_several_cells_of_a_reply_run_until_one_fails() -> None:
    reply = (
        "```repl\nprint(context[:8])\n```\nthen\n```repl\n1/0\n```\n```repl\nprint('never')\n```"
    )
    scene = Scene.of(reply, FINISH)
    await scene.ask()
    assert [event.code.strip() for event in scene.sink.of(CellStarted)][:2] == [
        "print(context[:8])",
        "1/0",
    ]
    shown = scene.root.requests[1].messages[-1].content
    assert "The gate" in shown
    assert "ZeroDivisionError" in shown
    assert "never" not in shown


async def test_a_cell_that_finishes_ends_the_reply() -> None:
    scene = Scene.of("```repl\nprint(context)\nFINAL('a')\n```\n```repl\nFINAL('b')\n```")
    answer = await scene.ask()
    assert answer.text == "a"


async def test_final_as_text_is_an_answer_once_something_was_shown() -> None:
    scene = Scene.of(LOOK, "FINAL(9345706)")
    assert (await scene.ask()).text == "9345706"


async def test_final_as_text_with_a_variables_name_means_the_variable() -> None:
    scene = Scene.of(cell("number = grep('sunny')[0].split()[-1]\nprint(number)"), "FINAL(number)")
    assert (await scene.ask()).text == "9345706."


async def test_an_answer_dict_that_is_ready_finishes() -> None:
    scene = Scene.of(cell("answer = {'content': grep('sunny')[0], 'ready': True}"))
    assert "9345706" in (await scene.ask()).text


async def test_the_last_answer_is_forced_when_turns_run_out() -> None:
    scene = Scene.of(LOOK, cell("print(1)"), "Answer: 9345706", limits=Limits(max_turns=2))
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason, answer.turns) == ("9345706", "forced", 2)
    forced = scene.root.requests[-1].messages
    assert forced[-1].role == "user"
    assert "No more code can be run" in forced[-1].content
    assert forced[:-1] == scene.root.requests[-2].messages + forced[-2:-1]


async def test_the_forced_answer_of_a_prefilled_root_is_prefilled_with_words() -> None:
    root = ScriptedRoot("print(grep('sunny'))", " 9345706\n")
    scene = Scene.of(root=root, style="prefill", limits=Limits(max_turns=1))
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason) == ("9345706", "forced")
    assert root.requests[-1].messages[-1].content == "Answer:"


async def test_a_root_that_never_answers_leaves_what_was_printed() -> None:
    scene = Scene.of(LOOK, "", limits=Limits(max_turns=1))
    answer = await scene.ask()
    assert answer.stop_reason == "max_turns"
    assert "9345706" in answer.text
    assert "without an answer" in (answer.error or "")


async def test_a_root_that_says_nothing_at_all_gives_an_empty_answer() -> None:
    scene = Scene.of("", limits=Limits(max_turns=2))
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason) == ("", "max_turns")


async def test_what_a_cell_put_into_answer_is_the_partial_answer() -> None:
    draft = cell("print(1)\nanswer['content'] = 'about 9 million'")
    scene = Scene.of(draft, "", limits=Limits(max_turns=1))
    assert (await scene.ask()).text == "about 9 million"


async def test_a_repl_that_is_lost_with_a_draft_in_it_leaves_what_was_shown() -> None:
    scene = Scene.of(cell("print('seen')\nanswer['content'] = 'gone'"), LOOK)
    inner = scene.root.answer

    async def then_break(request: ModelRequest) -> Completion:
        if scene.root.requests[1:]:
            scene.pool.started[0].broken = SandboxError("lost")
        return await inner(request)

    scene.root.answer = then_break
    answer = await scene.ask()
    assert (answer.text, answer.error) == ("seen", "lost")


async def test_after_a_restart_the_same_cell_may_run_again() -> None:
    scene = Scene.of(LOOK, LOOK, FINISH)
    inner = scene.root.answer

    async def then_restart(request: ModelRequest) -> Completion:
        scene.pool.started[0].restarts_next = len(scene.root.requests) == 1
        return await inner(request)

    scene.root.answer = then_restart
    answer = await scene.ask()
    assert answer.text == "9345706"
    assert scene.sink.of(GuardFired) == []
    assert "The REPL was restarted" in scene.root.requests[1].messages[-1].content


async def test_a_text_shown_whole_is_evidence_from_the_start() -> None:
    scene = Scene.of(FINISH, text=SMALL)
    answer = await scene.ask()
    assert (answer.text, answer.turns) == ("9345706", 1)
    assert scene.sink.of(GuardFired) == []


async def test_a_json_root_is_constrained_to_thought_and_code() -> None:
    style = dataclasses.replace(profile(), style="json")
    scene = Scene.of(
        '{"thought": "look", "code": "print(grep(\'sunny\'))"}',
        '{"thought": "done", "code": "FINAL(\'9345706\')"}',
        shown=style,
    )
    assert (await scene.ask()).text == "9345706"
    assert isinstance(scene.root.requests[0].constraint, JsonSchema)


async def test_a_draft_that_cannot_be_read_is_left() -> None:
    scene = Scene.of(cell("answer = 5\nprint('seen')"), "", limits=Limits(max_turns=1))
    assert (await scene.ask()).text == "seen"


async def test_a_forced_reply_that_fails_leaves_what_was_found() -> None:
    scene = Scene.of(LOOK, ModelError("refused"), limits=Limits(max_turns=1))
    answer = await scene.ask()
    assert answer.stop_reason == "max_turns"
    assert "refused" in (answer.error or "")
    assert "9345706" in answer.text


async def test_a_root_that_only_repeats_itself_is_made_to_answer_early() -> None:
    root = ScriptedRoot(*[LOOK] * 7, "9345706")
    scene = Scene.of(root=root, limits=Limits(max_turns=50))
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason, answer.turns) == ("9345706", "forced", 3)


async def test_a_limit_on_seconds_ends_the_run_between_turns() -> None:
    scene = Scene.of(limits=Limits(max_seconds=5.0))

    async def slow(request: ModelRequest) -> Completion:
        scene.clock.time_s += 3.0
        return completion(cell(f"print('found {len(scene.root.requests)}')"))

    scene.root.answer = slow
    answer = await scene.ask()
    assert (answer.stop_reason, answer.turns) == ("max_seconds", 2)
    assert answer.text == "found 2"
    assert "max_seconds" in (answer.error or "")


async def test_the_deadline_cuts_a_root_that_hangs() -> None:
    async def hang(request: ModelRequest) -> Completion:
        await asyncio.sleep(60)
        raise AssertionError

    scene = Scene.of(root=CallableModel(hang, name="root"), limits=Limits(max_seconds=0.05))
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason) == ("", "max_seconds")
    assert scene.root.cancelled == 1
    assert answer.usage == dataclasses.replace(answer.usage)


async def test_at_the_deadline_open_subcalls_fail_and_the_cell_prints_what_it_has() -> None:
    async def some(request: ModelRequest) -> Completion:
        if "slow" in request.messages[-1].content:
            await asyncio.sleep(60)
        return completion("quick reply")

    scene = Scene.of(
        cell("print(llm_query_batched(['quick', 'slow']))"),
        worker=CallableModel(some),
        limits=Limits(max_seconds=0.2),
    )
    scene.engine = Engine(
        Models(scene.root, scene.worker),
        profile=profile(),
        config=RunConfig(limits=Limits(max_seconds=0.2), mode="rlm"),
        sink=scene.sink,
        clock=_RealClock(),
        retries=AT_ONCE,
    )
    answer = await scene.ask()
    assert answer.stop_reason == "max_seconds"
    assert "quick reply" in answer.text
    assert "max_seconds" in answer.text
    assert {event.error for event in scene.sink.of(SubcallDone)} == {None, "cancelled"}


class _RealClock:
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


async def test_a_limit_on_tokens_ends_the_run_with_what_was_found() -> None:
    scene = Scene.of(LOOK, cell("print(1)"), limits=Limits(max_tokens=4000))
    scene.root.answer = _costly(scene.root.answer, 1500)
    answer = await scene.ask()
    assert answer.stop_reason == "max_tokens"
    assert "9345706" in answer.text
    assert answer.usage.root.total_tokens <= 4000


def _costly(answer: Answerer, tokens: int) -> Answerer:
    async def reply(request: ModelRequest) -> Completion:
        done = await answer(request)
        return dataclasses.replace(done, usage=Usage(tokens, 0, 10))

    return reply


async def test_a_limit_on_subcalls_fails_the_rest_and_forces_an_answer() -> None:
    scene = Scene.of(
        cell("print(llm_query_batched(['a', 'b', 'c']))"),
        "it is a",
        limits=Limits(max_subcalls=2),
    )
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason, answer.subcalls) == ("it is a", "max_subcalls", 2)
    shown = scene.root.requests[-1].messages[-1].content
    assert "re: a" in shown
    assert "max_subcalls reached" in shown


async def test_an_answer_that_rests_on_part_of_the_subcalls_says_so() -> None:
    scene = Scene.of(cell("FINAL(llm_query_batched(['a', 'b'])[0])"), limits=Limits(max_subcalls=1))
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason) == ("re: a", "max_subcalls")
    assert "max_subcalls" in (answer.error or "")


async def test_a_limit_on_subcalls_with_a_root_that_fails_leaves_what_was_found() -> None:
    scene = Scene.of(
        cell("print(llm_query_batched(['a', 'b'])[0])"),
        ModelError("gone"),
        limits=Limits(max_subcalls=1),
    )
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason) == ("re: a", "max_subcalls")
    assert "gone" in scene.sink.of(Notice)[0].text


async def test_a_limit_on_subcalls_with_a_silent_root_leaves_what_was_found() -> None:
    scene = Scene.of(
        cell("print(llm_query_batched(['a', 'b'])[0])"), "", limits=Limits(max_subcalls=1)
    )
    assert (await scene.ask()).text == "re: a"


async def test_a_root_that_is_away_for_a_moment_is_asked_again() -> None:
    scene = Scene.of(ModelUnavailable("restarting"), LOOK, FINISH)
    answer = await scene.ask()
    assert answer.text == "9345706"
    assert "restarting" in scene.sink.of(Notice)[0].text


async def test_a_root_that_stays_away_is_an_error_with_what_was_found() -> None:
    scene = Scene.of(LOOK, ModelUnavailable("no server at 127.0.0.1"))
    answer = await scene.ask()
    assert answer.stop_reason == "error"
    assert answer.error == "no server at 127.0.0.1"
    assert "9345706" in answer.text
    assert len(scene.root.requests) == 1 + AT_ONCE.root_attempts
    assert scene.sink.of(RunEnded)[0].stop_reason == "error"


async def test_a_repl_that_is_lost_is_an_error() -> None:
    scene = Scene.of(LOOK)
    scene.pool = InProcessPool(scene.context, broken=SandboxError("the REPL restarted 4 times"))
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason) == ("", "error")
    assert answer.error == "the REPL restarted 4 times"
    assert scene.pool.started[0].closed


async def test_a_repl_that_does_not_start_is_an_error() -> None:
    scene = Scene.of(LOOK)
    scene.pool.cannot_start = SandboxError("fork failed")
    assert (await scene.ask()).error == "fork failed"


async def test_a_machine_that_cannot_confine_is_for_the_caller_to_change() -> None:
    scene = Scene.of(LOOK)
    scene.pool.cannot_start = SandboxUnavailable("no Landlock")  # type: ignore[assignment]  # the other kind start may raise
    with pytest.raises(SandboxUnavailable):
        await scene.ask()
    assert scene.sink.of(RunEnded)[0].error == "no Landlock"


async def test_a_worker_server_that_died_ends_the_run() -> None:
    async def dead(request: ModelRequest) -> Completion:
        raise ServerError("the worker's server died: out of memory")

    scene = Scene.of(cell("print(llm_query('a'))"), worker=CallableModel(dead))
    answer = await scene.ask()
    assert answer.stop_reason == "error"
    assert "out of memory" in (answer.error or "")


async def test_a_failure_that_the_interpreter_swallows_still_ends_the_run() -> None:
    async def dead(request: ModelRequest) -> Completion:
        raise ServerError("died")

    code = "try:\n    llm_query('a')\nexcept BaseException:\n    print('went on')"
    scene = Scene.of(cell(code), worker=CallableModel(dead))
    assert (await scene.ask()).error == "died"


async def test_cancelling_interrupts_the_cell_and_writes_the_end_down() -> None:
    started = asyncio.Event()

    async def hang(request: ModelRequest) -> Completion:
        started.set()
        await asyncio.sleep(60)
        raise AssertionError

    scene = Scene.of(cell("print(llm_query('a'))"), worker=CallableModel(hang))
    run = asyncio.ensure_future(scene.ask())
    await started.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert scene.worker.cancelled == 1
    assert scene.pool.started[0].interrupted == 1
    assert scene.pool.started[0].closed
    assert scene.sink.of(RunEnded)[0].stop_reason == "interrupted"


async def test_an_empty_question_is_refused() -> None:
    with pytest.raises(ConfigError, match="the question is empty"):
        await Scene.of(LOOK).ask("  \n")


async def test_a_run_that_needs_a_repl_says_so_without_one() -> None:
    scene = Scene.of(LOOK)
    with pytest.raises(ConfigError, match="pool"):
        await scene.engine.run("Which?", scene.context, None)


async def test_a_question_longer_than_the_window_is_refused() -> None:
    scene = Scene.of(LOOK)
    with pytest.raises(ConfigError, match="shorten the question"):
        await scene.ask("why? " * 10_000)


async def test_broken_code_is_sampled_again_without_spending_a_turn() -> None:
    scene = Scene.of(cell("print('"), LOOK, FINISH, seed=3)
    answer = await scene.ask()
    assert (answer.text, answer.turns) == ("9345706", 2)
    assert scene.sink.of(GuardFired)[0].guard == "broken-code"
    first, again, later = scene.root.requests
    assert again.sampling.temperature == profile().resample_temperature
    assert (first.sampling.seed, again.sampling.seed) == (3, 4)
    assert again.messages[:-1] == first.messages[:-1]
    assert again.messages[-1].content.startswith(first.messages[-1].content)
    assert "valid Python" in again.messages[-1].content
    assert later.messages[: len(first.messages)] == first.messages


async def test_a_reply_that_stays_broken_is_run_after_the_samples_are_used() -> None:
    scene = Scene.of(cell("print('"), cell("print('"), cell("print('"), LOOK, FINISH)
    answer = await scene.ask()
    assert (answer.text, answer.turns) == ("9345706", 3)
    assert "SyntaxError" in (scene.sink.of(CellRan)[0].error or "")


async def test_an_answer_before_looking_is_sampled_again() -> None:
    scene = Scene.of(FINISH, LOOK, FINISH)
    answer = await scene.ask()
    assert (answer.text, answer.turns) == ("9345706", 2)
    assert scene.sink.of(GuardFired)[0].guard == "blind-final"


async def test_the_first_runnable_sample_is_taken_when_all_are_refused() -> None:
    scene = Scene.of(cell("FINAL('first')"), "words only", cell("FINAL('third')"))
    answer = await scene.ask()
    assert (answer.text, answer.turns) == ("first", 1)
    assert [event.guard for event in scene.sink.of(GuardFired)] == [
        "blind-final",
        "no-code",
        "blind-final",
    ]


async def test_an_empty_final_is_sampled_again_and_its_cell_not_run_twice() -> None:
    empty = cell("FINAL(grep('nowhere'))")
    scene = Scene.of(empty, LOOK, FINISH)
    answer = await scene.ask()
    assert answer.text == "9345706"
    assert scene.sink.of(GuardFired)[0].guard == "empty-answer"
    assert "nowhere" not in str(scene.root.requests[-1].messages)


async def test_a_reply_without_code_costs_a_turn_and_is_told() -> None:
    scene = Scene.of("no", "no", "no", LOOK, FINISH)
    answer = await scene.ask()
    assert (answer.text, answer.turns) == ("9345706", 3)
    assert "no code in your reply" in scene.root.requests[3].messages[-1].content


async def test_a_full_window_is_compacted_in_one_step() -> None:
    root = ScriptedRoot(
        *[cell(f"x{n} = {n}\nprint(context[:3000], {n})") for n in range(9)], FINISH
    )
    root.context_tokens = 7000
    scene = Scene.of(root=root, text="word " * 4000)
    answer = await scene.ask()
    assert answer.stop_reason == "answered"
    compacted = scene.sink.of(HistoryCompacted)
    assert compacted
    assert all(event.tokens_after < event.tokens_before for event in compacted)
    opening = root.requests[0].messages
    assert all(request.messages[: len(opening)] == opening for request in root.requests)
    summary = root.requests[-1].messages[len(opening) + 1].content
    assert "x0" in summary
    turns = {event.turn: event for event in scene.sink.of(TurnStarted)}
    assert turns[compacted[0].turn].n_messages_before == len(opening)


async def test_auto_sends_a_short_context_straight_to_the_root() -> None:
    scene = Scene.of("<think>easy</think>\n9345706", mode="auto")
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason, answer.mode) == ("9345706", "direct", "direct")
    assert (answer.turns, answer.subcalls) == (1, 0)
    sent = scene.root.requests[0].messages[-1].content
    assert sent.startswith(TEXT)
    assert sent.endswith("Question: What is the magic number for sunny-harbor?")
    assert scene.sink.of(RunStarted)[0].mode == "direct"
    assert not scene.pool.started
    assert [e.kind for e in scene.sink.events] == [
        "run_started",
        "turn_started",
        "root_replied",
        "run_ended",
    ]


async def test_auto_gives_a_long_context_a_repl() -> None:
    scene = Scene.of(LOOK, FINISH, mode="auto", text=TEXT + "word " * 9000)
    assert (await scene.ask()).mode == "rlm"


async def test_auto_counts_before_it_trusts_an_estimate() -> None:
    text = TEXT + "word " * 6000
    scene = Scene.of(LOOK, FINISH, mode="auto", context=StringContext(text, tokens=100))
    assert (await scene.ask()).mode == "rlm"


async def test_direct_refuses_a_context_that_does_not_fit() -> None:
    scene = Scene.of("x", mode="direct", text="word " * 9000)
    with pytest.raises(ConfigError, match="mode direct"):
        await scene.ask()
    estimated = Scene.of("x", mode="direct", context=StringContext("word " * 9000, tokens=10))
    with pytest.raises(ConfigError, match="use mode rlm or auto"):
        await estimated.ask()


async def test_direct_needs_no_pool() -> None:
    scene = Scene.of("7", mode="direct")
    assert (await scene.engine.run("When?", scene.context, None)).text == "7"


async def test_a_direct_answer_that_fails_is_an_error() -> None:
    scene = Scene.of(ModelError("bad request"), mode="direct")
    answer = await scene.ask()
    assert (answer.text, answer.stop_reason, answer.error) == ("", "error", "bad request")


async def test_a_direct_answer_keeps_to_limits() -> None:
    scene = Scene.of("7", mode="direct", limits=Limits(max_tokens=50))
    assert (await scene.ask()).stop_reason == "max_tokens"


async def test_the_root_hears_the_servers_own_count_of_its_prompt() -> None:
    root = ScriptedRoot(completion(LOOK, prompt_tokens=7500), FINISH, context_tokens=8000)
    scene = Scene.of(root=root)
    await scene.ask()
    assert root.requests[1].sampling.max_tokens <= 500


async def test_two_questions_may_run_at_once() -> None:
    async def answer(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        is_first = len(request.messages) < 3
        return completion(LOOK if is_first else FINISH)

    scene = Scene.of(root=CallableModel(answer, name="root"))
    answers = await asyncio.gather(*(scene.ask() for _ in range(5)))
    assert {answer.text for answer in answers} == {"9345706"}
    assert len({event.run_id for event in scene.sink.events}) == 5


async def test_a_root_may_be_its_own_worker() -> None:
    async def answer(request: ModelRequest) -> Completion:
        if request.priority:
            return completion("a worker's reply")
        return completion(cell("FINAL(llm_query('read this'))"))

    model = CallableModel(answer, max_concurrency=1)
    scene = Scene.of(root=model, worker=model)
    assert (await scene.ask()).text == "a worker's reply"


async def test_replies_are_written_whole() -> None:
    scene = Scene.of("print(grep('sunny'))", "FINAL('9345706')", style="prefill")
    await scene.ask()
    replies = [event.reply for event in scene.sink.of(RootReplied)]
    assert replies[0] == "```python\nprint(grep('sunny'))\n```"
