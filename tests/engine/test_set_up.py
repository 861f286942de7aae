from dataclasses import replace

from rlm_local.events import CellStarted, GuardFired, Notice
from rlm_local.types import Completion, ModelRequest
from tests.engine.scenes import Scene, cell, profile

SETUP = "def shout(text):\n    return text.upper()"
SHOWN = replace(profile("coder"), setup=SETUP)
LOOK = cell("print(shout(context[:13]))")
FINISH = cell("FINAL(context[:8])")


async def test_helpers_are_there_before_the_roots_first_cell() -> None:
    scene = Scene.of(LOOK, FINISH, shown=SHOWN)
    answer = await scene.ask()
    assert answer.stop_reason == "answered"
    assert "THE GATE OPEN" in scene.root.requests[1].messages[-1].content
    first = scene.sink.of(CellStarted)[0]
    assert (first.turn, first.code) == (0, SETUP)


async def test_a_setup_cell_is_no_evidence() -> None:
    loud = replace(SHOWN, setup="print('The code is 9345706')")
    scene = Scene.of(cell("FINAL('9345706')"), LOOK, FINISH, shown=loud)
    await scene.ask()
    assert [event.guard for event in scene.sink.of(GuardFired)][:1] == ["blind-final"]


async def test_a_setup_that_fails_is_told_and_the_run_goes_on() -> None:
    scene = Scene.of(cell("print(grep('magic'))"), FINISH, shown=replace(SHOWN, setup="1 / 0"))
    answer = await scene.ask()
    assert answer.stop_reason == "answered"
    (notice,) = [event.text for event in scene.sink.of(Notice) if "setup" in event.text]
    assert "the setup of profile 'coder' failed" in notice
    assert "division by zero" in notice


async def test_a_restarted_repl_is_set_up_again() -> None:
    scene = Scene.of(LOOK, LOOK, FINISH, shown=SHOWN)
    inner = scene.root.answer

    async def then_restart(request: ModelRequest) -> Completion:
        scene.pool.started[0].restarts_next = len(scene.root.requests) == 1
        return await inner(request)

    scene.root.answer = then_restart
    await scene.ask()
    codes = [event.code for event in scene.sink.of(CellStarted)]
    assert codes[:3] == [SETUP, codes[1], SETUP]
    assert codes.count(SETUP) == 2


async def test_a_profile_without_one_runs_nothing_first() -> None:
    scene = Scene.of(cell("print(grep('magic'))"), FINISH)
    await scene.ask()
    assert scene.sink.of(CellStarted)[0].turn == 1
