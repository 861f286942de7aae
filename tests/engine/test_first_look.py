"""The first cell of a run is the harness's own; nothing in the text can make it the run's end."""

import pytest

from rlm_local.engine.first_look import look_code
from rlm_local.events import CellRan, CellStarted, ExamplesShown, GuardFired, Notice, TurnStarted
from rlm_local.types import Limits
from tests.engine.scenes import TEXT, Scene, cell
from tests.fakes.interpreter import NOTHING_SEEN

TOLD = "records: 3 letters with the fields date, from and text"


def scene(*replies: str, found: object, limits: Limits | None = None) -> Scene:
    made = Scene.of(*replies, style="prefill", limits=limits)
    made.pool.found = found
    return made


async def test_the_first_cell_is_the_harnesss_and_the_root_is_told_what_it_found() -> None:
    stage = scene("print(grep('magic'))", 'FINAL("9345706")', found={**NOTHING_SEEN, "told": TOLD})
    answer = await stage.ask("What is the magic number?")
    assert answer.text == "9345706"
    started = [event for event in stage.sink.events if isinstance(event, CellStarted)]
    assert [event.turn for event in started] == [0, 1, 2]
    assert started[0].code == look_code("What is the magic number?")
    first_turn = next(event for event in stage.sink.events if isinstance(event, TurnStarted))
    assert TOLD in first_turn.new_messages[-1].content
    assert answer.turns == 2


async def test_a_capable_coder_looks_for_itself() -> None:
    stage = Scene.of('```repl\nprint(grep("magic"))\n```', '```repl\nFINAL("9345706")\n```')
    await stage.ask()
    assert not any(isinstance(e, CellStarted) and e.turn == 0 for e in stage.sink.events)


@pytest.mark.parametrize(
    "found",
    [
        "no dict",
        {"shape": "a trick"},
        {**NOTHING_SEEN, "told": ["not", "text"]},
        {**NOTHING_SEEN, "n": -1},
        {**NOTHING_SEEN, "fields": [["x"]]},
        object(),
    ],
    ids=["text", "shape", "told", "number", "fields", "no JSON"],
)
async def test_a_look_that_gives_something_else_is_none(found: object) -> None:
    stage = scene("print(grep('magic'))", 'FINAL("9345706")', found=found)
    answer = await stage.ask()
    assert answer.text == "9345706"
    notices = [event.text for event in stage.sink.events if isinstance(event, Notice)]
    assert any(text.startswith("the first look gave nothing") for text in notices)


async def test_what_the_look_printed_is_no_evidence_but_its_passages_are() -> None:
    blind = scene('FINAL("9345706")', *["print(grep('magic'))", 'FINAL("9345706")'] * 2,
                  found={**NOTHING_SEEN, "told": TOLD})  # fmt: skip
    await blind.ask()
    guards = [event.guard for event in blind.sink.events if isinstance(event, GuardFired)]
    assert guards[:1] == ["blind-final"]
    passages = "1. (@44) The magic number for sunny-harbor is 9345706."
    shown = scene('FINAL("9345706")', found={**NOTHING_SEEN, "passages": passages})
    answer = await shown.ask()
    assert answer.text == "9345706"
    assert answer.turns == 1


async def test_the_look_is_in_the_trace_like_any_cell() -> None:
    stage = scene("print(grep('magic'))", 'FINAL("9345706")', found=NOTHING_SEEN)
    await stage.ask()
    ran = [event for event in stage.sink.events if isinstance(event, CellRan)]
    assert ran[0].turn == 0
    assert '"shape": "text"' in ran[0].stdout
    assert TEXT not in ran[0].stdout


async def test_the_trace_tells_which_examples_were_shown_and_how_near_they_are() -> None:
    found = {**NOTHING_SEEN, "shape": "records", "fields": ["text", "label"], "labels": ["a", "b"]}
    stage = scene("n = len(context)\nFINAL(n)", found=found)
    await stage.ask("How many of the records are a?")
    shown = [event for event in stage.sink.events if isinstance(event, ExamplesShown)]
    assert [(event.question_kind, event.coverage) for event in shown] == [("label.count", "shown")]
    assert shown[0].examples[0] == "label.count"


async def test_the_answer_is_put_into_the_form_the_question_asks_for() -> None:
    stage = scene("FINAL(len(context.split()) * 0 + 14.0)", found=NOTHING_SEEN)
    answer = await stage.ask("How many gates are there? Write it as 'Total: n'.")
    assert answer.text == "Total: 14"


@pytest.mark.parametrize("limits", [Limits(max_subcalls=0), Limits(max_tokens=3_500)])
async def test_the_worker_is_not_asked_before_the_root_where_little_may_be_spent(
    limits: Limits,
) -> None:
    stage = scene("print(grep('magic'))", 'FINAL("9345706")', found=NOTHING_SEEN, limits=limits)
    answer = await stage.ask()
    assert answer.turns >= 1
    first = next(event for event in stage.sink.events if isinstance(event, CellStarted))
    assert first.code == look_code("What is the magic number for sunny-harbor?", can_read=False)


async def test_the_form_is_not_touched_for_a_capable_coder() -> None:
    stage = Scene.of(cell("print(context)"), cell("FINAL('14.0')"))
    answer = await stage.ask("How many gates are there? Write it as 'Total: n'.")
    assert answer.text == "14.0"
