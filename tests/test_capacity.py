from rlm_local.capacity import FixedServer
from rlm_local.interfaces import Server

_server: type[Server] = FixedServer


async def test_a_fixed_server_takes_what_it_says_and_tells_nothing_more() -> None:
    server = FixedServer("in this process", 16)
    assert (server.name, server.sequences, server.is_certain) == ("in this process", 16, True)
    assert server.kv_tokens is None
    assert await server.load() is None


def test_servers_are_told_apart_by_name() -> None:
    assert FixedServer("one", 8).name != FixedServer("two", 8).name
