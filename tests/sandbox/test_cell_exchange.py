"""What a hostile process sends, while a cell runs and between cells, and what the host does."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from rlm_local.cell_limits import CellLimits
from rlm_local.sandbox.cell_exchange import WorkerLost
from rlm_local.sandbox.memory_watch import MachineMemory, MemoryWatch
from rlm_local.types import CellCall, CellReply
from tests.fakes.memory_context import EchoHost
from tests.sandbox.hostile_worker import HostileWorker, call, done, raw

VIOLATIONS = {
    "a forged ready": raw({"op": "ready", "report": {"seccomp": "active"}}),
    "a forged refusal": raw({"op": "refused"}),
    "what only the host sends": raw({"op": "exec", "cell": 1}),
    "no operation": raw({}),
    "an operation that is no text": raw({"op": ["done"]}),
    "an operation of a million characters": raw({"op": "x" * 1_000_000}),
    "no object": raw([]),
    "a number too long": raw(b'{"op": "call", "id": ' + b"9" * 10_000 + b"}"),
    "not a number": raw(b'{"op": "done", "cell": NaN}'),
    "beyond all numbers": raw(b'{"op": "done", "cell": 1e999}'),
    "a name twice": raw(b'{"op": "done", "op": "call"}'),
    "deep nesting": raw(b'{"a":' + b"[" * 400_000),
    "bytes that are no UTF-8": raw(b'{"op": "\xed\xa0\x80"}'),
    "a length of zero": b"\x00" * 12,
    "a length of 4 GiB": b"\xff" * 12,
    "a header longer than its frame": struct.pack(">III", 10, 3, 0) + b"{}",
    "lengths that do not add up": struct.pack(">IIII", 14, 2, 1, 5) + b"{}",
    "a cell that is true": done(cell=True),
    "a cell below zero": done(cell=-1),
    "a cell that is a fraction": done(cell=1.0),
    "a text with a name of its own": done(texts=["__class__"]),
    "a text whose name is a list": done(texts=[["stdout"]]),
    "a name too many": done(texts=["stdout", "error"]),
    "no variables": done(vars=None),
    "a variable that is a number": done(vars=[1]),
    "a variable of a thousand characters": done(vars=["x" * 1000]),
    "too many variables": done(vars=["x"] * 1000),
    "a type of error that is a list": done(error_type=[]),
    "interrupted, perhaps": done(interrupted="no"),
    "more characters than there are": done(stdout_chars=1 << 63),
    "a call without an id": raw({"op": "call", "cell": 1, "fn": "llm_query", "args": {}}),
    "a call with id zero": call(0),
    "a call of what is no function": call(fn="__import__"),
    "a call whose arguments are a list": call(args=[]),
    "no choice": call(args={"choices": []}),
    "an id used twice": call(1) + call(1),
    "an id below one used before": call(7) + call(6),
}


@pytest.fixture
async def hostile() -> AsyncIterator[HostileWorker]:
    made = HostileWorker()
    yield made
    await made.aclose()


@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS)
async def test_what_breaks_the_protocol_ends_the_process_and_raises_nothing_else(
    hostile: HostileWorker, data: bytes
) -> None:
    with pytest.raises(WorkerLost, match="it broke the protocol"):
        await hostile.run(data)


async def test_an_honest_cell_passes(hostile: HostileWorker) -> None:
    ended = await hostile.run(call(3), call(9), done())
    assert (ended.stdout, ended.variables) == ("hi", ("x",))
    assert {(await hostile.received()).header["id"] for _ in range(2)} == {3, 9}


async def test_fields_that_nobody_knows_are_left_out(hostile: HostileWorker) -> None:
    ended = await hostile.run(call(1, __proto__={"x": 1}), done(__class__="x", constructor=[1]))
    assert ended.stdout == "hi"


@pytest.mark.parametrize("trickle", [b"", b"\x00"], ids=["silence", "a byte now and then"])
async def test_half_a_frame_does_not_outlive_the_cells_time(
    hostile: HostileWorker, trickle: bytes
) -> None:
    async def drip() -> None:
        while True:
            await asyncio.sleep(0.02)
            if trickle:
                await hostile.send(trickle)

    dripping = asyncio.ensure_future(drip())
    with pytest.raises(WorkerLost, match="did not react"):
        await hostile.run(struct.pack(">III", 60 << 20, 10, 0), timeout_s=0.3)
    dripping.cancel()


async def test_a_frame_that_comes_without_end_does_not_outlive_the_cells_time(
    hostile: HostileWorker,
) -> None:
    async def flood() -> None:
        while True:
            await hostile.send(call(1, cell=99) * 10)
            await asyncio.sleep(0.01)

    flooding = asyncio.ensure_future(flood())
    with pytest.raises(WorkerLost, match=r"did not react|frames of cells that are over"):
        await hostile.run(timeout_s=0.2)
    flooding.cancel()


async def test_frames_of_other_cells_are_dropped_until_there_are_too_many(
    hostile: HostileWorker,
) -> None:
    assert (await hostile.run(done(cell=99) * 1000 + done())).cell == 1
    with pytest.raises(WorkerLost, match="more than 1000 frames"):
        await hostile.run(done(cell=99) * 1001 + done())


async def test_what_piled_up_between_cells_does_not_count_for_the_next(
    hostile: HostileWorker,
) -> None:
    host = EchoHost()
    await hostile.send(call(5, cell=1) + done(cell=1, vars=["forged"]))
    ended = await hostile.run(done(cell=1), host=host)
    assert ended.variables == ("x",)
    assert host.calls == []


async def test_a_call_between_cells_is_answered_with_a_refusal(hostile: HostileWorker) -> None:
    await hostile.send(call(5))
    await hostile.run(done())
    [refused] = hostile.before_cell
    assert (refused.header["id"], refused.header["refusal"]) == (5, "no cell runs")


@pytest.mark.parametrize(
    ("piled_up", "reason"),
    [
        (call(1, cell=9) * 1001, "more than 1000 frames"),
        (raw({"op": "ready", "report": {}}), "'ready' between cells"),
        (b"garbage " * 4, "broke the protocol"),
    ],
    ids=["a flood of calls", "a forged ready", "garbage"],
)
async def test_what_piled_up_between_cells_is_judged(
    hostile: HostileWorker, piled_up: bytes, reason: str
) -> None:
    await hostile.send(piled_up)
    with pytest.raises(WorkerLost, match=reason):
        await hostile.run(done())


async def test_a_result_begun_before_its_cell_is_refused(hostile: HostileWorker) -> None:
    forged = done(cell=1)
    await hostile.send(forged[:-1])
    with pytest.raises(WorkerLost, match="begun before its cell"):
        await hostile.run(forged[-1:])


async def test_a_call_begun_before_a_cell_is_no_offence(hostile: HostileWorker) -> None:
    late = call(5, cell=1)
    await hostile.send(late[:-1])
    assert (await hostile.run(late[-1:], done(cell=2), cell=2)).cell == 2


async def test_prompts_that_wait_for_their_answers_stop_the_reading(
    hostile: HostileWorker,
) -> None:
    class NeverHost(EchoHost):
        five = asyncio.Event()

        async def call(self, call: CellCall) -> CellReply:
            self.calls.append(call)
            if len(self.calls) == 5:
                self.five.set()
            await asyncio.Event().wait()
            return CellReply()

    host = NeverHost()
    calls = b"".join(call(n, text="x" * (16_000_000 - n)) for n in range(1, 9))
    running = asyncio.ensure_future(hostile.run(calls, host=host))
    await host.five.wait()  # more than 64 MiB
    await asyncio.sleep(0.3)
    assert len(host.calls) == 5
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_process_that_takes_too_much_memory_has_to_go(hostile: HostileWorker) -> None:
    watch = MemoryWatch(
        machine=lambda: MachineMemory(8 << 30, 4 << 30), process=lambda pid: (2 << 30, 1 << 30)
    )
    with pytest.raises(WorkerLost, match="out of memory: it held 2,048 MiB"):
        await hostile.run(watch=watch)


@pytest.mark.parametrize(
    ("limits", "sent", "refusal"),
    [
        (CellLimits(prompt_bytes=10), [call(1, text="é" * 6)], "a prompt of 12 bytes; at most 10"),
        (
            CellLimits(cell_prompt_bytes=10),
            [call(1, text="x" * 8), call(2, text="x" * 8)],
            "more than 10 bytes of prompts in one cell",
        ),
        (
            CellLimits(calls_at_once=1),
            [call(1) + call(2)],
            "more than 1 calls at once; use the batched form",
        ),
    ],
    ids=["one prompt", "all prompts", "calls at once"],
)
async def test_a_call_over_a_limit_is_refused_by_name(
    hostile: HostileWorker, limits: CellLimits, sent: list[bytes], refusal: str
) -> None:
    assert (await hostile.run(*sent, done(), cells=limits)).cell == 1
    replies = [await hostile.received() for data in sent for _ in range(data.count(b'"call"'))]
    assert refusal in [reply.header.get("refusal") for reply in replies]
