import asyncio
import os

from rlm_local.sandbox.output_pipe import OutputPipe


async def test_what_is_written_is_kept_until_it_is_cleared() -> None:
    read_end, write_end = os.pipe()
    pipe = OutputPipe(read_end)
    os.write(write_end, b"one \xff")
    assert pipe.text() == "one �"
    pipe.clear()
    assert pipe.text() == ""
    os.close(write_end)
    pipe.close()
    pipe.close()


async def test_a_flood_is_drained_and_told() -> None:
    read_end, write_end = os.pipe()
    pipe = OutputPipe(read_end)
    for _ in range(32):
        await asyncio.to_thread(os.write, write_end, b"x" * 8192)
    os.close(write_end)
    await asyncio.sleep(0)
    text = pipe.text()
    while "left out" not in text or pipe.text() != text:
        await asyncio.sleep(0.01)
        text = pipe.text()
    assert text == "x" * 65_536 + f"\n... [{32 * 8192 - 65_536:,} bytes left out]"
    pipe.close()
