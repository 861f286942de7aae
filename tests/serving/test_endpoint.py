import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from rlm_local.errors import ConfigError, ModelError, ModelUnavailable
from rlm_local.serving.endpoint import LOST_AFTER_S, Endpoint, Transport

DEEP = b'{"error": ' + b"[" * 100_000


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A server that answers `/200` and `/400` with what no parser follows to its end."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.path[1:]), body=DEEP)

    app = web.Application()
    app.router.add_get("/{status}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(("path", "says"), [("200", "not JSON"), ("400", r"400: \{\"error\"")])
async def test_json_without_end_is_an_error_of_the_server(
    address: str, path: str, says: str
) -> None:
    transport = Transport(Endpoint(address, None, "m"), max_connections=1, timeout_s=20.0)
    with pytest.raises(ModelError, match=says) as caught:
        await transport.get(path)
    await transport.aclose()
    assert not isinstance(caught.value, ModelUnavailable)


async def test_a_machine_that_is_gone_is_noticed_long_before_a_reply_is_late(address: str) -> None:
    transport = Transport(Endpoint(address, None, "m"), max_connections=1, timeout_s=20.0)
    with pytest.raises(ModelError):
        await transport.get("400")
    port = int(address.rpartition(":")[2])
    timers = [fields[5] for fields in _tcp_table() if fields[2].endswith(f":{port:04X}")]
    await transport.aclose()
    ((kind, left),) = [timer.split(":") for timer in timers]
    assert kind == "02", "keepalive is on"
    assert int(left, 16) <= LOST_AFTER_S * os.sysconf("SC_CLK_TCK")


def _tcp_table() -> list[list[str]]:
    """Of each TCP connection: number, own and other address, state, queues, timer, ..."""
    return [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]


@pytest.mark.parametrize("key", ["secret\n", "sec\r\nret", "\0secret", "secret\udc80"])
def test_a_key_that_no_header_may_carry_is_refused_unquoted(key: str) -> None:
    with pytest.raises(ConfigError, match=r"API key for 'm'.*give the key alone") as caught:
        Endpoint("http://127.0.0.1:9/v1", key, "m")
    assert "secret" not in str(caught.value)
