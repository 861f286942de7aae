from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from rlm_local.capacity import ServerLoad
from rlm_local.interfaces import Server
from rlm_local.serving.endpoint import Endpoint
from rlm_local.serving.server_capacity import ServedCapacity, measured

LOAD = """\
vllm:num_requests_running{engine="0"} 3.0
vllm:num_requests_waiting{engine="0"} 2.0
vllm:num_preemptions_total{engine="0"} 7.0
"""
CACHE = 'vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="100"} 1.0\n'

_server: type[Server] = ServedCapacity


@dataclass
class Page:
    """The `/metrics` of a server on loopback, or its absence; counts who asks."""

    text: str | None = LOAD + CACHE
    asked: int = 0
    base_url: str = field(default="", init=False)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=404) if self.text is None else web.Response(text=self.text)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.base_url, "key", "worker")


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    page = Page()
    app = web.Application()
    app.router.add_get("/metrics", page.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    page.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield page
    await runner.cleanup()


async def test_a_server_of_ours_has_the_sequences_it_was_started_with(page: Page) -> None:
    server = await measured(page.endpoint, sequences=24)
    assert (server.sequences, server.is_certain, server.kv_tokens) == (24, True, 1600)
    assert await server.load() == ServerLoad(running=3, waiting=2, preemptions=7)


async def test_of_another_the_sequences_are_a_guess(page: Page) -> None:
    server = await measured(page.endpoint)
    assert (server.sequences, server.is_certain, server.kv_tokens) == (256, False, 1600)


async def test_a_page_without_its_load_is_not_asked_for_again(page: Page) -> None:
    page.text = "python_info 1.0\n"
    server = await measured(page.endpoint)
    assert await server.load() is None
    assert page.asked == 1


async def test_a_server_that_does_not_answer_yet_tells_all_when_it_does(page: Page) -> None:
    page.text = None
    server = await measured(page.endpoint)
    assert (server.kv_tokens, await server.load()) == (None, None)
    page.text = LOAD + CACHE
    assert await server.load() == ServerLoad(3, 2, 7)
    assert server.kv_tokens == 1600


async def test_a_server_started_anew_may_have_another_cache(page: Page) -> None:
    server = await measured(page.endpoint)
    page.text = LOAD + CACHE.replace('"100"', '"50"')
    await server.load()
    assert server.kv_tokens == 800


async def test_a_load_without_preemptions_has_none(page: Page) -> None:
    page.text = "".join(LOAD.splitlines(keepends=True)[:2])
    assert await (await measured(page.endpoint)).load() == ServerLoad(3, 2, 0)


def test_it_is_named_by_where_it_is_and_tells_no_secret(tmp_path: Path) -> None:
    here = ServedCapacity(Endpoint("http://me:pass@127.0.0.1:9/v1", "secret", "worker"))
    same = ServedCapacity(Endpoint("http://127.0.0.1:9/v1/", None, "root"))
    assert here.name == same.name, "models of one server share its capacity"
    assert "pass" not in here.name
    assert "secret" not in repr(here)
    socket = Endpoint("http://localhost/v1", None, "worker", tmp_path / "s")
    assert ServedCapacity(socket).name == str(tmp_path / "s")
