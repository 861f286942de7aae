"""Events of one small run with a child run, for tests that need a whole trace."""

from rlm_local.events import (
    CellRan,
    CellStarted,
    Event,
    ExamplesShown,
    GuardFired,
    HistoryCompacted,
    Notice,
    RootReplied,
    RunEnded,
    RunStarted,
    SubcallDone,
    SubcallsStarted,
    TurnStarted,
)
from rlm_local.types import ContextFacts, Message, RunUsage, TokenCount, Usage

FACTS = ContextFacts(
    chars=40_000_000,
    bytes=40_000_100,
    lines=600_000,
    tokens=TokenCount(10_000_000, exact=False),
    documents=3,
    sha256="ab" * 32,
)

BEFORE = (Message("system", "Is it a bridge?"), Message("user", "a"), Message("assistant", "no"))


def started(run_id: str, parent: str | None = None, question: str = "Which bridge?") -> RunStarted:
    return RunStarted(
        run_id=run_id,
        parent_run_id=parent,
        depth=0 if parent is None else 1,
        time_s=1000.0,
        question=question,
        mode="rlm",
        stack="cpu-small",
        profile="small-coder",
        context=FACTS,
        limits={"max_turns": 12, "max_tokens": None, "max_seconds": 60.5},
        models={"root": "sha256:1234", "worker": "sha256:1234"},
        versions={"rlm_local": "0.1.0"},
        sandbox={"seccomp": "active"},
        seed=7,
    )


def ended(run_id: str, parent: str | None = None, answer: str = "The old one") -> RunEnded:
    return RunEnded(
        run_id=run_id,
        parent_run_id=parent,
        depth=0 if parent is None else 1,
        time_s=1012.0,
        answer=answer,
        stop_reason="answered",
        turns=1,
        subcalls=3,
        cached_subcalls=1,
        seconds=12.0,
        usage=RunUsage(Usage(5000, 4000, 60), Usage(300, 64, 9)),
    )


def subcall(item: int, *, reply: str | None, cached: bool = False) -> SubcallDone:
    return SubcallDone(
        run_id="r1",
        time_s=1004.0 + item,
        batch=0,
        item=item,
        prompt=f"Is line {item} about a bridge?",
        reply=reply,
        error=None if reply is not None else "timed out after 60 s",
        usage=Usage(100, 32, 3),
        seconds=0.5,
        attempts=1,
        cached=cached,
    )


def one_run() -> list[Event]:
    """A run with one turn, a batch of which one failed, and a child run."""
    return [
        started("r1"),
        TurnStarted(
            run_id="r1",
            turn=1,
            attempt=0,
            n_messages_before=0,
            new_messages=(Message("system", "You write code."), Message("user", "Which bridge?")),
        ),
        RootReplied(
            run_id="r1",
            turn=1,
            attempt=0,
            reply="Let me look.\n```repl\nprint(1)\n```",
            finish_reason="stop",
            usage=Usage(5000, 4000, 60),
            seconds=2.0,
        ),
        GuardFired(run_id="r1", turn=1, guard="evidence", detail="nothing was printed yet"),
        CellStarted(run_id="r1", turn=1, code="hits = grep('bridge')\nprint(len(hits))"),
        SubcallsStarted(
            run_id="r1", time_s=1003.0, batch=0, prompts=3, duplicates=0, preamble=BEFORE
        ),
        subcall(0, reply="yes"),
        subcall(1, reply=None),
        started("r1.1", "r1", "Which opened first?"),
        Notice(run_id="r1.1", parent_run_id="r1", depth=1, text="went straight to the root"),
        ended("r1.1", "r1", answer="1890"),
        subcall(2, reply="no", cached=True),
        CellRan(
            run_id="r1",
            turn=1,
            stdout="17\n",
            stdout_chars=3,
            result="'x'",
            error=None,
            final="The old one",
            seconds=3.5,
            host_wait_s=3.0,
            interrupted=False,
            restarted=False,
        ),
        ExamplesShown(
            run_id="r1",
            question_kind="label.count/all",
            coverage="shown",
            examples=("label.count",),
        ),
        HistoryCompacted(run_id="r1", turn=1, tokens_before=30000, tokens_after=4000),
        ended("r1"),
    ]
