import asyncio
import socket
from collections.abc import Iterator

import pytest

from rlm_local.sandbox.channel import ChannelClosed, FrameChannel
from rlm_local.sandbox.child.wire import FrameError, encode_frame


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


async def test_frames_go_both_ways(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = FrameChannel(ends[0]), FrameChannel(ends[1])
    one.send({"op": "a"}, ("text",))
    one.send({"op": "b"})
    frames = [await other.next_frame(5), await other.next_frame(5)]
    assert [frame.header["op"] for frame in frames if frame] == ["a", "b"]
    one.close()
    other.close()


async def test_a_frame_larger_than_the_socket_takes_arrives_whole(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    one, other = FrameChannel(ends[0]), FrameChannel(ends[1])
    long = "x" * 3_000_000
    one.send({"op": "long"}, (long,))
    one.send({"op": "after"})
    first, second = await other.next_frame(20), await other.next_frame(20)
    assert first is not None
    assert second is not None
    assert first.texts == (long,)
    assert second.header == {"op": "after"}
    one.close()
    other.close()


async def test_what_the_other_end_does_not_read_is_counted(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    one, other = FrameChannel(ends[0]), FrameChannel(ends[1])
    one.send({"op": "long"}, ("x" * 3_000_000,))
    assert 0 < one.unsent_bytes <= 3_000_100
    assert await other.next_frame(20) is not None
    assert one.unsent_bytes == 0
    one.close()
    other.close()


async def test_a_flood_of_frames_leaves_the_loop_to_others(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    channel = FrameChannel(ends[0])
    ends[1].sendall(encode_frame({}, ()) * 1000)
    others: list[str] = []
    asyncio.get_running_loop().call_soon(others.append, "ran")
    for _ in range(1000):
        assert await channel.next_frame(5) is not None
    assert others == ["ran"]
    channel.close()


async def test_a_wait_ends_when_its_time_is_up_or_it_is_woken(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    channel = FrameChannel(ends[0])
    assert await channel.next_frame(0.01) is None
    waiting = asyncio.ensure_future(channel.next_frame(60))
    await asyncio.sleep(0)
    channel.wake()
    assert await waiting is None
    channel.close()


async def test_the_end_of_the_other_side_is_told(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    channel = FrameChannel(ends[0])
    ends[1].sendall(encode_frame({"op": "last"}, ())[:-1])
    ends[1].close()
    with pytest.raises(ChannelClosed):
        await channel.next_frame(5)
    channel.send({"op": "to nobody"})
    channel.close()
    channel.close()
    with pytest.raises(ChannelClosed):
        await channel.next_frame(5)


async def test_what_is_no_frame_is_told(ends: tuple[socket.socket, socket.socket]) -> None:
    channel = FrameChannel(ends[0])
    ends[1].sendall(b"GET / HTTP/1.1\r\n\r\n" * 4)
    with pytest.raises(FrameError):
        await channel.next_frame(5)
    channel.close()
