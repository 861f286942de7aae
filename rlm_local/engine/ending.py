"""How a run ends without FINAL: the forced last answer, or what was found so far.

Decides nothing about turns; asks the root at most once.
"""

import re
from dataclasses import dataclass

from rlm_local.engine.observations import cut_middle
from rlm_local.engine.prompts import say
from rlm_local.engine.replies import parse_reply, without_thought
from rlm_local.engine.root_call import RootRequest, ask_root
from rlm_local.engine.run_state import Run
from rlm_local.engine.syntax import final_literals
from rlm_local.engine.turn import make_room
from rlm_local.errors import LimitExceeded, RlmError, RunError
from rlm_local.events import RootReplied, TurnStarted
from rlm_local.types import CellResult, Choices, Constraint, Message, Regex, StopReason

__all__ = [
    "Ending",
    "after_error",
    "after_limit",
    "answer_form",
    "force_answer",
    "limit_ending",
    "plain_answer",
]

_PARTIAL_CHARS = 2000
_FORCED_TOKENS = 256
_DRAFT_TIMEOUT_S = 1.0
_LIMITS: dict[str, StopReason] = {
    "max_turns": "max_turns",
    "max_subcalls": "max_subcalls",
    "max_tokens": "max_tokens",
    "max_seconds": "max_seconds",
}
_YES_NO = re.compile(r"(is|are|was|were|do|does|did|has|have|had|can|could)\b", re.IGNORECASE)
_FINAL_VAR = re.compile(r"FINAL_VAR\([\"']?(\w+)[\"']?\)")
_TOLD_FORM = re.compile(r"['\"`:{]|\b(form|format|or|answer|reply|list|json)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ending:
    """The answer of a run and why it stopped."""

    text: str
    stop_reason: StopReason
    error: str | None = None


async def force_answer(run: Run) -> Ending:
    """Ask for the answer in one last reply, made of what was found, no code.

    Raises no RlmError: where the request fails, or its prompt fits no window, what was found so
    far is the answer.
    """
    why = _why_no_more_turns(run)
    try:
        text = await _forced_text(run)
    except RlmError as error:
        return await _partial(run, "max_turns", f"{why}; the last reply failed: {error}")
    if text:
        return Ending(text, "forced")
    return await _partial(run, "max_turns", f"{why} without an answer")


def limit_ending(spent: LimitExceeded) -> Ending:
    """The ending of a run that met a limit with nothing to show."""
    return Ending("", _LIMITS[spent.limit], str(spent))


async def after_limit(run: Run, spent: LimitExceeded) -> Ending:
    """The best answer once a limit is met: forced where there is room, else what was found."""
    reason = limit_ending(spent).stop_reason
    if spent.limit == "max_subcalls":
        try:
            if text := await _forced_text(run):
                return Ending(text, reason, str(spent))
        except RlmError as error:
            run.journal.notice(f"no last reply: {error}")
    return await _partial(run, reason, str(spent))


async def after_error(run: Run, error: RunError) -> Ending:
    """What was found before a part of ours or a server broke."""
    return await _partial(run, "error", str(error))


def answer_form(question: str) -> Constraint | None:
    """A constraint for the forced answer, where the question leaves no doubt about its form.

    None where the question itself says how to answer.
    """
    asked = question.strip()
    if _TOLD_FORM.search(asked) or not asked.endswith("?"):
        return None
    if re.match(r"how many\b", asked, re.IGNORECASE):
        return Regex(r"[0-9][0-9,]*")
    if _YES_NO.match(asked):
        return Choices(("Yes", "No"))
    return None


def plain_answer(text: str) -> str:
    """The answer in a reply that was asked for plain words, however it is wrapped."""
    reply = parse_reply(text)
    if reply.final is not None:
        return reply.final
    for cell in reply.cells:
        if values := final_literals(cell.code):
            return values[-1]
    said = without_thought(text).strip().strip("`").strip()
    return re.sub(r"\A(the )?(final )?answer( is)?\s*:\s*", "", said, flags=re.IGNORECASE)


def _why_no_more_turns(run: Run) -> str:
    turns = "1 turn" if run.budget.turns == 1 else f"{run.budget.turns:,} turns"
    if run.budget.turns_left:
        return f"the root only repeated cells, so it was stopped after {turns}"
    return f"all {run.budget.limits.max_turns:,} turns are used"


async def _forced_text(run: Run) -> str:
    """One reply in plain words, asked for behind everything seen so far."""
    history, task = run.history, run.task
    make_room(run, run.budget.turns + 1)
    prompt = say("forced", question=task.question)
    messages = _joined(history.messages, prompt)
    constraint = answer_form(task.question)
    prefilled = bool(history.prefill) and constraint is None
    turn, known = run.budget.turns + 1, min(history.n_written, len(messages) - 1)
    run.journal.emit(
        TurnStarted(
            **run.journal.stamp(),
            turn=turn,
            attempt=0,
            n_messages_before=known,
            new_messages=messages[known:],
        )
    )
    if prefilled:
        messages = (*messages, Message("assistant", say("forced-prefill")))
    extra = run.parts.models.root.tokens.count(prompt)
    replied = await ask_root(
        run.parts,
        task,
        RootRequest(
            messages,
            history.tokens + extra,
            _FORCED_TOKENS,
            continue_final=prefilled,
            constraint=constraint,
        ),
    )
    completion = replied.completion
    run.journal.emit(
        RootReplied(
            **run.journal.stamp(),
            turn=turn,
            attempt=0,
            reply=completion.text,
            finish_reason=completion.finish_reason,
            usage=completion.usage,
            seconds=completion.seconds,
            key=replied.key,
            replayed=replied.replayed,
        )
    )
    named = _named_variable(completion.text)
    return await _value_of(run, named) if named else plain_answer(completion.text)


def _named_variable(text: str) -> str | None:
    """The variable, where the last answer is FINAL_VAR of one instead of words."""
    cells = parse_reply(text).cells
    found = _FINAL_VAR.fullmatch(cells[-1].code.strip()) if cells else None
    return found[1] if found else None


def _joined(messages: tuple[Message, ...], prompt: str) -> tuple[Message, ...]:
    """The request behind the last user message: two of a kind in a row upset some templates."""
    last = messages[-1]
    return (*messages[:-1], Message("user", f"{last.content}\n\n{prompt}"))


async def _partial(run: Run, reason: StopReason, why: str) -> Ending:
    text = await _draft(run) or run.findings.latest
    return Ending(cut_middle(text, _PARTIAL_CHARS), reason, why)


async def _draft(run: Run) -> str:
    """What cells have put into `answer["content"]`, the spelling for answers that grow."""
    if "answer" not in run.findings.names and not any(
        "answer" in form for form in run.findings.cells_run
    ):
        return ""
    result = await _quietly(run, 'print(answer["content"])')
    return result.stdout.strip() if result else ""


async def _value_of(run: Run, name: str) -> str:
    """A variable's value as an answer; "" where there is none."""
    result = await _quietly(run, f'FINAL_VAR("{name}")')
    return (result.final or "") if result else ""


async def _quietly(run: Run, code: str) -> CellResult | None:
    """A cell of the harness's own at the end of a run; None where it failed."""
    try:
        result = await run.interpreter.run(code, run.host, timeout_s=_DRAFT_TIMEOUT_S)
    except RunError:
        return None
    return None if result.error else result
