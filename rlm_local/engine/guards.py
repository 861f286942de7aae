"""Small checks on a reply before it runs, and on an answer before it is taken.

Each is pure: (reply, what the run knows) -> Verdict or None. A verdict costs no turn: the reply is
rolled back and sampled again with a hint, because small models do not learn from complaints in
their history. Guards run nothing and change nothing.
"""

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rlm_local.engine.answer_form import in_form, misfit
from rlm_local.engine.replies import Reply
from rlm_local.engine.syntax import called_names, final_literals, normal_form, syntax_error, tree_of

__all__ = ["RunView", "Sampled", "Verdict", "judge_answer", "judge_reply"]

_LOOKING = frozenset(
    {
        "LABELS", "ask", "ask_each", "callers", "chunks", "classify", "context", "defaults",
        "definitions", "documents", "extract", "fields", "footer", "grep", "header", "join",
        "judged", "llm_query", "llm_query_batched", "look_up", "map_reduce", "overrides", "peek",
        "records", "rlm_query", "rlm_query_batched", "search", "subclasses",
    }
)  # fmt: skip
_FINISHERS = frozenset({"FINAL", "FINAL_VAR", "final"})
_COPIED_CHARS = 4
"""Shorter values ("7", "yes") stand in an example by chance."""
_YES_NO = re.compile(
    r"(?:\A|[.?!:;,]\s+)(is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b"
    r"|\b(true|false|yes|whether)\b",
    re.IGNORECASE,
)
_EMPTY_ANSWERS = frozenset({"", "None", "[]", "()", "{}", "set()", "nan", "''", '""'})
_REPEATED = re.compile(r"(.{1,120}?)\1{7,}.{0,120}\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A reply as it is judged.

    Attributes:
        reply: what was parsed.
        text: the assistant's turn.
        was_cut: whether it ran into its length limit.
    """

    reply: Reply
    text: str
    was_cut: bool = False


@dataclass(frozen=True, slots=True)
class RunView:
    """What guards know of a run.

    Attributes:
        question: the question.
        cells_run: normal forms of the cells that ran.
        evidence: everything cells have shown the root so far; "" if nothing.
        examples: the worked examples as one text.
        told: what the root was told of the context at the start, worked examples left out.
        labels: names that lines of the context can be labelled with.
        mends_form: whether answers are put into the form the question asks for.
    """

    question: str
    cells_run: frozenset[str]
    evidence: str
    examples: str
    told: str = ""
    labels: tuple[str, ...] = ()
    mends_form: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a reply should be sampled again.

    Attributes:
        guard: its name; `hint-<name>` is the text the root is told.
        detail: what exactly, for the hint and the trace.
        can_run: whether the reply may be taken all the same when samples run out.
    """

    guard: str
    detail: str = ""
    can_run: bool = True


Guard = Callable[[Sampled, RunView], Verdict | None]


def judge_reply(sampled: Sampled, view: RunView) -> Verdict | None:
    """The first objection to a reply, before anything of it runs."""
    for guard in _GUARDS:
        if verdict := guard(sampled, view):
            return verdict
    return None


def judge_answer(answer: str, view: RunView) -> Verdict | None:
    """An objection to the value FINAL was given: nothing at all, or the wrong kind of thing."""
    value = answer.strip()
    if value in _EMPTY_ANSWERS:
        return Verdict("empty-answer", repr(value))
    if value in {"True", "False"} and not _YES_NO.search(view.question):
        return Verdict("answer-form", value)
    asks_number = re.search(r"\bhow many\b", view.question, re.IGNORECASE)
    if asks_number and len(value) > 200 and not re.search(r"\d", value):
        return Verdict("answer-form", "a long text without a number")
    if not view.mends_form:
        return None
    if wrong := misfit(in_form(value, view.question), view.question, view.labels):
        return Verdict("answer-form", wrong)
    return None


def _endless_reply(sampled: Sampled, view: RunView) -> Verdict | None:
    tail = sampled.text[-2000:]
    if sampled.was_cut and (found := _REPEATED.search(tail)):
        return Verdict("endless-reply", found[1].strip()[:60], can_run=False)
    return None


def _no_code(sampled: Sampled, view: RunView) -> Verdict | None:
    reply = sampled.reply
    if not reply.cells and reply.final is None:
        return Verdict("no-code", can_run=False)
    return None


def _broken_code(sampled: Sampled, view: RunView) -> Verdict | None:
    for cell in sampled.reply.cells:
        if reason := syntax_error(cell.code):
            return Verdict("broken-code", reason, can_run=False)
    return None


def _empty_cell(sampled: Sampled, view: RunView) -> Verdict | None:
    cells = sampled.reply.cells
    if cells and all(_does_nothing(cell.code) for cell in cells):
        return Verdict("empty-cell", can_run=False)
    return None


def _repeated_cell(sampled: Sampled, view: RunView) -> Verdict | None:
    cells = sampled.reply.cells
    if cells and all(normal_form(cell.code) in view.cells_run for cell in cells):
        return Verdict("repeated-cell", cells[0].code.strip()[:80])
    return None


def _blind_final(sampled: Sampled, view: RunView) -> Verdict | None:
    """An answer before anything was shown, unless the same cells compute it from the text."""
    if view.evidence:
        return None
    if sampled.reply.final is not None:
        return Verdict("blind-final", sampled.reply.final[:80])
    for cell in sampled.reply.cells:
        if values := final_literals(cell.code):
            return Verdict("blind-final", values[0][:80])
    names = [called_names(cell.code) for cell in sampled.reply.cells]
    if any(n & _FINISHERS for n in names) and not any(n & _LOOKING for n in names):
        return None if view.cells_run else Verdict("blind-final", "a value from nowhere")
    return None


def _example_answer(sampled: Sampled, view: RunView) -> Verdict | None:
    given: Sequence[str] = [
        *(value for cell in sampled.reply.cells for value in final_literals(cell.code)),
        *([sampled.reply.final] if sampled.reply.final is not None else []),
    ]
    seen = f"{view.evidence}\n{view.question}\n{view.told}".casefold()
    for value in given:
        told = value.strip().casefold()
        if len(told) >= _COPIED_CHARS and told in view.examples.casefold() and told not in seen:
            return Verdict("example-answer", value[:80])
    return None


def _does_nothing(code: str) -> bool:
    tree = tree_of(code)
    return tree is not None and not any(_acts(statement) for statement in tree.body)


def _acts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass):
        return False
    return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


_GUARDS: tuple[Guard, ...] = (
    _endless_reply,
    _no_code,
    _broken_code,
    _empty_cell,
    _repeated_cell,
    _blind_final,
    _example_answer,
)
