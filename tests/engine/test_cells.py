"""A cell is written down before and after it runs, and what it showed outlives a lost server."""

from rlm_local.errors import ServerError
from rlm_local.events import CellRan, CellStarted
from rlm_local.types import Completion, ModelRequest
from tests.engine.scenes import Scene, cell
from tests.fakes.parts import CallableModel


async def test_a_cell_is_written_down_before_it_runs_and_after() -> None:
    stage = Scene.of(cell("print(grep('magic'))"), cell("FINAL('9345706')"))
    await stage.ask()
    kinds = [e for e in stage.sink.events if isinstance(e, CellStarted | CellRan)]
    assert [type(event) for event in kinds] == [CellStarted, CellRan] * 2
    assert [event.turn for event in kinds] == [1, 1, 2, 2]


async def test_what_a_cell_printed_is_kept_when_its_sub_call_loses_the_server() -> None:
    async def die(request: ModelRequest) -> Completion:
        raise ServerError("the worker's server is gone")

    stage = Scene.of(
        cell("print('the gate opens at 7')"), cell("llm_query('x')"), worker=CallableModel(die)
    )
    answer = await stage.ask()
    assert answer.stop_reason == "error"
    assert answer.text == "the gate opens at 7"
    assert "gone" in (answer.error or "")
