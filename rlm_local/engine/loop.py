"""The engine: a question over a context in, an answer out. Run, look, repeat.

Knows its parts by their Protocols only; starts no server, opens no file. Child runs are the same
engine on a part of the context, with a budget below their parent's.
"""

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

from rlm_local.config import RunConfig
from rlm_local.engine.agreement import agree, parts_of_sample
from rlm_local.engine.answer_form import in_form
from rlm_local.engine.budget import Budget
from rlm_local.engine.child_calls import ChildCall
from rlm_local.engine.child_context import ChildScope, SliceContext, TextContext, child_scope
from rlm_local.engine.child_rooms import ChildRooms
from rlm_local.engine.direct import DirectPrompt, answer_directly, direct_prompt
from rlm_local.engine.ending import Ending, after_error, after_limit, force_answer, limit_ending
from rlm_local.engine.first_look import first_look
from rlm_local.engine.history import History
from rlm_local.engine.journal import Journal
from rlm_local.engine.known_results import KnownResults
from rlm_local.engine.look import Look
from rlm_local.engine.models import Models, salt_of, worker_room_tokens
from rlm_local.engine.opening import make_opening
from rlm_local.engine.prompts import Profile, RunFacts
from rlm_local.engine.recording import Recording
from rlm_local.engine.retry import RetryPolicy
from rlm_local.engine.run_record import as_answer, digests, write_end, write_start
from rlm_local.engine.run_state import Parts, Repl, Run, Task
from rlm_local.engine.scheduler import Scheduler
from rlm_local.engine.server_queue import queue_of
from rlm_local.engine.set_up import set_up
from rlm_local.engine.shared_calls import SharedReplies
from rlm_local.engine.subcalls import Subcalls
from rlm_local.engine.turn import take_turn
from rlm_local.errors import ConfigError, LimitExceeded, RlmError, RunError
from rlm_local.events import ExamplesShown
from rlm_local.interfaces import Clock, Context, EventSink, Interpreter, InterpreterPool
from rlm_local.types import Answer, CallMode, Message, RunMode, StopReason

__all__ = ["Engine", "Models"]

_CHARS_PER_TOKEN = 3
"""Told to the root as the worker's window: low, so that what it cuts by it does fit."""
_WHOLE: frozenset[StopReason] = frozenset({"answered", "forced"})
"""Ends whose text is an answer, and not what was found by then."""
_STUCK_TURNS = 2
"""Turns of nothing but repetition after which more turns are not worth their time."""


class Engine:
    """Answers questions with a root model, a worker model and a REPL.

    One engine may serve several questions, also at the same time.
    """

    def __init__(
        self,
        models: Models,
        *,
        profile: Profile,
        config: RunConfig,
        sink: EventSink,
        clock: Clock,
        retries: RetryPolicy | None = None,
        results: SharedReplies | None = None,
    ) -> None:
        self._parts = Parts(models, profile, config, sink, clock, retries or RetryPolicy())
        self._results = results

    async def run(
        self,
        question: str,
        context: Context,
        pool: InterpreterPool | None = None,
        *,
        recording: Recording | None = None,
    ) -> Answer:
        """Answer one question.

        A limit or a broken part is not raised: it is the answer's `stop_reason`, beside what was
        found by then. Cancelling stops cells and sub-calls, writes the end down, and passes on.

        Args:
            question: what to answer.
            context: over what; stays open and is not closed here.
            pool: where cells run; may be absent where the context goes straight to the root.
            recording: the trace of a run that was killed, to go on from; is used up.

        Raises:
            UserError: the question is empty, the context does not fit `mode: direct`, a REPL is
                needed and there is none, or this machine cannot confine it; the recording is of
                another question, text or model.
        """
        if not question.strip():
            raise ConfigError("the question is empty; say what you want to know")
        parts = self._parts
        if recording:
            recording.check_question(question)
            recording.check_context(context.facts)
            recording.check_models(digests(parts.models))
        run_id = secrets.token_hex(6)
        budget = Budget(parts.config.limits, run_id, parts.clock)
        known = KnownResults(
            parts.models.worker.digest,
            self._results,
            recording,
            salt=salt_of(parts.config.cache_salt, budget),
        )
        task = Task(
            question=question.strip(),
            context=context,
            pool=pool,
            mode=parts.config.mode,
            budget=budget,
            journal=Journal(parts.sink, run_id),
            scheduler=Scheduler(
                parts.models,
                parts.policy,
                seed=parts.config.seed,
                known=known,
                cache_salt=parts.config.cache_salt,
            ),
            child_rooms=ChildRooms(),
            recording=recording,
        )
        return await self._answer(task)

    async def _answer(self, task: Task) -> Answer:
        """Run one task, a child's too, and write down its beginning and end, whatever happens."""
        if task.recording:
            own = task.recording.take_run(task.question, task.context.facts.sha256)
            task = dataclasses.replace(task, recorded=own)
        prompt = direct_prompt(self._parts, task)
        mode: CallMode = "direct" if prompt else "rlm"
        write_start(self._parts, task, mode)
        ending = Ending("", "interrupted", "the run was interrupted")
        try:
            with _known_to_servers(self._parts.models):
                if prompt:
                    ending = await self._directly(task, prompt)
                elif self._parts.config.agreement > 1:
                    ending = await self._by_agreement(task)
                else:
                    ending = await self._with_repl(task)
        except (asyncio.CancelledError, KeyboardInterrupt):
            remaining_s = task.budget.remaining_s()
            if remaining_s is not None and remaining_s <= 0:  # a parent ran out of time
                ending = Ending("", "max_seconds", "max_seconds reached")
            raise
        except RlmError as error:
            ending = Ending("", "error", str(error))
            raise
        finally:
            write_end(task, ending)
        return as_answer(self._parts, task, mode, ending)

    async def _directly(self, task: Task, prompt: DirectPrompt) -> Ending:
        try:
            return await answer_directly(self._parts, task, prompt)
        except LimitExceeded as spent:
            return limit_ending(spent)
        except RunError as error:
            return Ending("", "error", str(error))

    async def _by_agreement(self, task: Task) -> Ending:
        samples = self._parts.config.agreement
        answer = await agree(samples, task.journal, lambda number: self._run_sample(task, number))
        task.budget.turns += answer.turns
        return Ending(answer.text, answer.stop_reason, answer.error)

    async def _with_repl(self, task: Task) -> Ending:
        try:
            async with _interpreter(task) as interpreter:
                return await self._in_repl(task, interpreter)
        except LimitExceeded as spent:  # nothing was found yet, nor where the REPL did not start
            return limit_ending(spent)
        except RunError as error:
            return Ending("", "error", str(error))

    async def _in_repl(self, task: Task, interpreter: Interpreter) -> Ending:
        host = Subcalls(
            models=self._parts.models,
            context=task.context,
            scheduler=task.scheduler,
            budget=task.budget,
            journal=task.journal,
            start_child=lambda call: self._run_child(task, call),
            child_rooms=task.child_rooms,
        )
        repl = Repl(self._parts, task, interpreter, host)
        await set_up(repl)
        ending = await _drive(self._open_run(repl, await first_look(repl)))
        if ending.stop_reason not in _WHOLE or not self._parts.profile.first_look:
            return ending
        return dataclasses.replace(ending, text=in_form(ending.text, task.question))

    def _open_run(self, repl: Repl, look: Look | None) -> Run:
        parts, task = repl.parts, repl.task
        root = parts.models.root
        facts = RunFacts(
            question=task.question,
            worker_chars=worker_room_tokens(parts.models) * _CHARS_PER_TOKEN,
            subcalls_left=task.budget.subcalls_left,
        )
        opening = make_opening(parts.profile, task.context, facts, look)
        if opening.picked:
            task.journal.emit(
                ExamplesShown(
                    **task.journal.stamp(),
                    question_kind=opening.picked.kind,
                    coverage=opening.picked.coverage,
                    examples=tuple(str(example.kind) for example in opening.picked.examples),
                )
            )
        first = opening.first
        if task.recorded and task.recorded.opening:  # what it told was true then: sub-calls left
            first = Message("user", task.recorded.opening)
        history = History(
            parts.profile,
            first,
            root.tokens,
            prefill=root.supports_prefill,
            before=opening.before,
        )
        return Run(
            parts,
            task,
            repl.interpreter,
            repl.host,
            repl.findings,
            history=history,
            examples=opening.examples,
            told=opening.told,
            labels=look.labels if look else (),
        )

    async def _run_child(self, parent: Task, call: ChildCall) -> Answer:
        scope = await child_scope(parent.context, call, self._parts.models.root.tokens)
        return await self._answer(self._below(parent, scope, mode="auto"))

    async def _run_sample(self, parent: Task, number: int) -> Answer:
        parts = parts_of_sample(self._parts, number)
        engine = Engine(
            parts.models,
            profile=parts.profile,
            config=parts.config,
            sink=parts.sink,
            clock=parts.clock,
            retries=parts.policy,
            results=self._results,
        )
        scope = ChildScope(parent.question, parent.context)
        return await engine._answer(engine._below(parent, scope, mode="rlm"))

    def _below(self, parent: Task, scope: ChildScope, *, mode: RunMode) -> Task:
        """A run with turns of its own, which spends what is its parent's."""
        run_id = secrets.token_hex(6)
        own = dataclasses.replace(
            self._parts.config.limits, max_subcalls=None, max_tokens=None, max_seconds=None
        )
        return dataclasses.replace(
            parent,
            question=scope.question,
            context=scope.context,
            mode=mode,
            budget=parent.budget.child(run_id, own),
            journal=parent.journal.child(run_id),
        )


async def _drive(run: Run) -> Ending:
    """Take turns until there is an answer or a reason to stop."""
    try:
        while run.budget.turns_left and run.repeats < _STUCK_TURNS:
            final = await take_turn(run)
            if final is not None:
                return _answered(run, final)
        return await force_answer(run)
    except LimitExceeded as spent:
        return await after_limit(run, spent)
    except RunError as error:
        return await after_error(run, error)


def _answered(run: Run, final: str) -> Ending:
    """The root's answer; where a limit was met in the same cell, it rests on a part only."""
    try:
        run.budget.check()
    except LimitExceeded as spent:
        return dataclasses.replace(limit_ending(spent), text=final)
    return Ending(final, "answered")


@contextmanager
def _known_to_servers(models: Models) -> Iterator[None]:
    """A run under way, so that other runs' sub-calls leave room for its root turns."""
    servers = {model.server.name: model.server for model in (models.root, models.worker)}
    with ExitStack() as known:
        for server in servers.values():
            known.enter_context(queue_of(server).serving_a_run())
        yield


@asynccontextmanager
async def _interpreter(task: Task) -> AsyncIterator[Interpreter]:
    """A REPL over the task's context, killed when the block is left in whatever way."""
    if task.pool is None:
        raise ConfigError(
            "this context is too long to go straight to the root, and there is no REPL; "
            "give Engine.run a pool"
        )
    match task.context:
        case TextContext() as own:
            interpreter = await task.pool.start(text=own.text)
        case SliceContext() as part:
            interpreter = await task.pool.start(part=part.part)
        case _:
            interpreter = await task.pool.start()
    try:
        yield interpreter
    finally:
        await interpreter.aclose()
