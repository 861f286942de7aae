import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

from rlm_local.engine.child_rooms import ChildRooms
from rlm_local.events import RunEnded, RunStarted
from rlm_local.types import Completion, Limits, ModelRequest
from tests.engine.scenes import Scene, cell
from tests.fakes.parts import CallableModel, completion

TEXT = "a line of the text\n" * 4000
AT_ONCE = 8


async def test_no_more_run_at_a_depth_than_it_has_room_for() -> None:
    rooms, running, most = ChildRooms(2), 0, 0

    async def run(depth: int) -> None:
        nonlocal running, most
        async with rooms.at(depth):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(run(1) for _ in range(9)))
    assert most == 2
    await asyncio.gather(*(run(depth) for depth in range(9)))
    assert most == 9, "each depth has room of its own"


async def test_child_runs_of_all_child_runs_share_the_room_of_their_depth() -> None:
    async def answer(request: ModelRequest) -> Completion:
        await asyncio.sleep(0)
        said = str(request.messages)
        if "INNER" in said:
            return completion(cell("FINAL(len(context))"))
        asked = "INNER" if "OUTER" in said else "OUTER"
        pieces = "[context[n:n + 40_000] for n in range(10)]"
        batch = f"rlm_query_batched(['{asked}'] * 10, {pieces})"
        return completion(cell(f"FINAL(len({batch}))"))

    cells = ThreadPoolExecutor(32)  # each cell that waits has a thread of the stand-in's
    asyncio.get_running_loop().set_default_executor(cells)
    scene = Scene.of(root=CallableModel(answer, name="root"), text=TEXT, limits=Limits(max_depth=2))
    assert (await scene.ask("How long?")).text == "10"
    for depth, total in ((1, 10), (2, 100)):
        steps = [
            1 if isinstance(event, RunStarted) else -1
            for event in scene.sink.events
            if isinstance(event, RunStarted | RunEnded) and event.depth == depth
        ]
        assert steps.count(1) == total
        assert max(accumulate(steps)) == AT_ONCE
