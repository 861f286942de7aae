"""The guard of tests/conftest.py: no test reaches another machine, whatever it imports."""

import asyncio
import socket

import pytest

from tests.conftest import WayOut

DOCUMENTATION_ADDRESS = "192.0.2.1"
"""Set aside by RFC 5737; nobody has it."""


def test_another_machine_is_out_of_reach() -> None:
    with pytest.raises(WayOut, match="tests reach loopback only"):
        socket.create_connection((DOCUMENTATION_ADDRESS, 80), timeout=1)
    with pytest.raises(WayOut), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.sendto(b"x", (DOCUMENTATION_ADDRESS, 53))
    with pytest.raises(WayOut):
        socket.getaddrinfo("example.invalid", 80)


async def test_a_loop_is_held_back_too() -> None:
    with pytest.raises(WayOut):
        await asyncio.open_connection(DOCUMENTATION_ADDRESS, 80)


def test_this_machine_is_within_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        socket.create_connection(listening.getsockname(), timeout=5).close()
    assert socket.getaddrinfo("localhost", 80)
