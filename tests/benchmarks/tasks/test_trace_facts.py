from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.tasks.trace_facts import evidence_of, facts_of_trace
from rlm_local.events import (
    CellRan,
    CellStarted,
    Event,
    ExamplesShown,
    GuardFired,
    RootReplied,
    RunEnded,
)
from rlm_local.trace.jsonl import JsonlTrace
from rlm_local.types import RunUsage, StopReason, Usage

REPLY = RootReplied(
    run_id="r", turn=1, attempt=1, reply="", finish_reason="stop", usage=Usage(), seconds=0.1
)


def _cell(code: str, *, stdout: str = "", result: str | None = None, final: str | None = None,
          turn: int = 1) -> list[Event]:  # fmt: skip
    ran = CellRan(
        run_id="r",
        turn=turn,
        stdout=stdout,
        stdout_chars=len(stdout),
        result=result,
        error=None,
        final=final,
        seconds=0.1,
        host_wait_s=0.0,
        interrupted=False,
        restarted=False,
    )
    return [CellStarted(run_id="r", turn=turn, code=code), ran]


def _end(reason: StopReason = "answered") -> RunEnded:
    return RunEnded(
        run_id="r",
        answer="7",
        stop_reason=reason,
        turns=1,
        subcalls=0,
        cached_subcalls=0,
        seconds=0.1,
        usage=RunUsage(),
    )


LOOKED = _cell("print(look('?'))", stdout="{}", turn=0)
GUESS = _cell("FINAL('7')", final="7")
COMPUTED = _cell("FINAL(len(records))", final="7")
PRINTED = _cell("print(context[:9])", stdout="some text")
SHOWN = _cell("len(context)", result="99")


@pytest.mark.parametrize(
    ("events", "evidence"),
    [
        ([_end("direct")], "read"),
        ([REPLY, *GUESS, _end()], "none"),
        ([REPLY, *COMPUTED, _end()], "computed"),
        ([REPLY, *PRINTED, REPLY, *GUESS, _end()], "printed"),
        ([REPLY, *SHOWN, REPLY, *GUESS, _end()], "printed"),
        ([*LOOKED, REPLY, *GUESS, _end()], "looked"),
        ([*LOOKED, REPLY, *COMPUTED, _end()], "computed"),
        ([REPLY, *_cell("x = 1"), _end("forced")], "none"),
        ([REPLY, *_cell("print(1); FINAL('7')", stdout="1", final="7"), _end()], "none"),
    ],
)
def test_what_an_answer_rests_on(events: Sequence[Event], evidence: str) -> None:
    assert evidence_of(events) == evidence


def test_facts_are_read_from_the_file_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    trace = JsonlTrace(path, on_failure=lambda message: None)
    fired = GuardFired(run_id="r", turn=1, guard="blind-final", detail="")
    told = ExamplesShown(run_id="r", question_kind="a.b", coverage="near", examples=())
    child = replace(told, run_id="c", depth=1, coverage="shown")
    for event in (fired, told, child, REPLY, *PRINTED, REPLY, *GUESS, _end()):
        trace.emit(event)
    trace.close()
    assert facts_of_trace(path) == {
        "evidence": "printed",
        "guards": ["blind-final"],
        "coverage": "near",
        "question_kind": "a.b",
    }
    assert facts_of_trace(tmp_path / "none.jsonl") == {}
