"""One turn: sample a reply, judge it, run its cells, write down what came of it.

A reply that a guard refuses is rolled back and sampled again; the root never sees the complaint in
its history. Does not know when a run ends.
"""

import json
from dataclasses import dataclass

from rlm_local.engine.cells import run_cell
from rlm_local.engine.guards import Sampled, Verdict, judge_answer, judge_reply
from rlm_local.engine.observations import observe
from rlm_local.engine.prompts import say
from rlm_local.engine.replies import Cell, Reply, parse_reply
from rlm_local.engine.root_call import RootRequest, ask_root, reply_room
from rlm_local.engine.run_state import Run
from rlm_local.engine.set_up import set_up
from rlm_local.errors import ConfigError
from rlm_local.events import (
    GuardFired,
    HistoryCompacted,
    RootReplied,
    TurnStarted,
)
from rlm_local.types import JsonSchema, Message

__all__ = ["make_room", "take_turn"]

_RESAMPLES = 2
"""Further samples of one turn; after them the least bad reply is taken as it is."""
_STOP = ("\n```",)
_JSON_REPLY = JsonSchema(
    json.dumps(
        {
            "additionalProperties": False,
            "properties": {"code": {"type": "string"}, "thought": {"type": "string"}},
            "required": ["thought", "code"],
            "type": "object",
        }
    )
)


@dataclass(frozen=True, slots=True)
class _Ran:
    """What the cells of one reply gave."""

    observation: str
    final: str | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """A sample a guard refused; `ran` is set when its cells had run by then."""

    sampled: Sampled
    verdict: Verdict
    ran: _Ran | None


async def take_turn(run: Run) -> str | None:
    """Take one turn.

    Returns:
        The answer, if the root gave one.

    Raises:
        LimitExceeded: a limit is spent.
        RunError: the root or the REPL is lost.
    """
    turn = run.budget.take_turn()
    make_room(run, turn)
    refused: list[_Refused] = []
    for attempt in range(_RESAMPLES + 1):
        sampled = await _sample(run, turn, attempt, refused[-1].verdict if refused else None)
        view = run.view()
        verdict, ran = judge_reply(sampled, view), None
        if verdict is None:
            ran = await _run_cells(run, turn, sampled.reply)
            verdict = judge_answer(ran.final, view) if ran.final is not None else None
            if verdict is None:
                run.repeats = 0
                return _settle(run, sampled, ran)
        run.journal.emit(
            GuardFired(**run.journal.stamp(), turn=turn, guard=verdict.guard, detail=verdict.detail)
        )
        refused.append(_Refused(sampled, verdict, ran))
    return await _take_least_bad(run, turn, refused)


async def _take_least_bad(run: Run, turn: int, refused: list[_Refused]) -> str | None:
    """The first sample that can run, else the first: later ones were drawn at random."""
    least_bad = min(refused, key=lambda item: not item.verdict.can_run)
    run.repeats = run.repeats + 1 if least_bad.verdict.guard == "repeated-cell" else 0
    ran = least_bad.ran or await _run_cells(run, turn, least_bad.sampled.reply)
    return _settle(run, least_bad.sampled, ran)


def _settle(run: Run, sampled: Sampled, ran: _Ran) -> str | None:
    code = "\n".join(cell.code for cell in sampled.reply.cells)
    run.history.add(sampled.text, ran.observation, code=code)
    return ran.final


def make_room(run: Run, turn: int) -> None:
    """Compact the history if the next reply would not fit the root's window.

    Raises:
        ConfigError: system text, examples and question alone are too long for it.
    """
    room = run.parts.models.root.context_tokens - run.parts.profile.max_reply_tokens
    done = run.history.compact(room)
    if done is not None:
        run.journal.emit(
            HistoryCompacted(
                **run.journal.stamp(),
                turn=turn,
                tokens_before=done.tokens_before,
                tokens_after=done.tokens_after,
            )
        )
    if run.history.tokens >= run.parts.models.root.context_tokens:
        raise ConfigError(
            f"the prompt has {run.history.tokens:,} tokens, the window of root "
            f"{run.parts.models.root.name!r} {run.parts.models.root.context_tokens:,}; "
            "shorten the question, put its text into the context, or serve a longer window"
        )


async def _sample(run: Run, turn: int, attempt: int, refused: Verdict | None) -> Sampled:
    history, profile = run.history, run.parts.profile
    hint = say(f"hint-{refused.guard}", detail=refused.detail) if refused else None
    messages = history.request(hint=hint)
    _write_turn(run, turn, attempt, messages)
    replied = await ask_root(
        run.parts,
        run.task,
        RootRequest(
            messages,
            history.tokens,
            reply_room(run.parts, history.tokens),
            continue_final=bool(history.prefill),
            temperature=profile.resample_temperature if refused else None,
            stop=_STOP if history.prefill else (),
            constraint=_JSON_REPLY if profile.style == "json" else None,
            attempt=attempt,
        ),
    )
    completion = replied.completion
    if not refused:
        history.learn_true_tokens(completion.usage.prompt_tokens)
    text = history.whole_reply(completion.text)
    run.journal.emit(
        RootReplied(
            **run.journal.stamp(),
            turn=turn,
            attempt=attempt,
            reply=text,
            finish_reason=completion.finish_reason,
            usage=completion.usage,
            seconds=completion.seconds,
            key=replied.key,
            replayed=replied.replayed,
        )
    )
    reply = _with_known_name(parse_reply(text), run)
    return Sampled(reply, text, was_cut=completion.finish_reason == "length")


def _with_known_name(reply: Reply, run: Run) -> Reply:
    """`FINAL(total)` written as text means the variable, where there is one of that name."""
    if reply.final is not None and reply.final in run.findings.names:
        return Reply((Cell(f'FINAL_VAR("{reply.final}")'),), None, reply.thought)
    return reply


def _write_turn(run: Run, turn: int, attempt: int, messages: tuple[Message, ...]) -> None:
    sent = messages[:-1] if run.history.prefill else messages
    known = min(run.history.n_written, len(sent) - 1) if attempt else run.history.n_written
    run.journal.emit(
        TurnStarted(
            **run.journal.stamp(),
            turn=turn,
            attempt=attempt,
            n_messages_before=known,
            new_messages=sent[known:],
        )
    )
    run.history.n_written = len(sent)


async def _run_cells(run: Run, turn: int, reply: Reply) -> _Ran:
    """Run cells in order until one finishes the run or fails."""
    if not reply.cells:
        return _Ran(say("no-cell"), reply.final)
    seen: list[str] = []
    for cell in reply.cells:
        result = await run_cell(run, turn, cell.code)
        seen.append(observe(result, run.parts.profile.output_chars))
        if result.restarted:
            await set_up(run, turn)
        if result.final is not None:
            return _Ran(_observation(run, seen), result.final)
        if result.error is not None:
            break
    return _Ran(_observation(run, seen), None)


def _observation(run: Run, seen: list[str]) -> str:
    output = "\n\n".join(seen)
    return run.parts.profile.say("observation", output=output, question=run.task.question)
