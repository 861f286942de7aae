import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rlm_local.errors import ConfigError, ModelError, ModelUnavailable
from rlm_local.session.endpoints import EndpointNames, Served, open_endpoints
from rlm_local.session.models import OpenModels
from rlm_local.session.settings import Settings
from rlm_local.types import Message, ModelRequest, Sampling
from tests.fakes.openai_server import OpenAIServer, ServerOptions

NOBODY = "http://127.0.0.1:9/v1"


def _names(server: OpenAIServer, root: str = "root", worker: str = "worker") -> EndpointNames:
    urls = (server.base_url,)
    return EndpointNames(Served(urls, "secret", root), Served(urls, "secret", worker))


def _nobody() -> EndpointNames:
    served = Served((NOBODY,), None, "root")
    return EndpointNames(served, served)


@pytest.fixture
async def other() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


def _copies(*urls: str, key: str | None = "secret", model: str = "worker") -> EndpointNames:
    served = Served(urls, key, model)
    return EndpointNames(served, served)


def _ask(number: int) -> ModelRequest:
    return ModelRequest((Message("user", f"{number}: say yes."),), Sampling(8))


async def _send(opened: OpenModels, n_requests: int) -> None:
    worker = opened.models.worker
    await asyncio.gather(*(worker.complete(_ask(number)) for number in range(n_requests)))


async def test_root_and_worker_are_two_models_of_one_endpoint(server: OpenAIServer) -> None:
    opened = await open_endpoints(_names(server), Settings())
    assert (opened.models.root.name, opened.models.worker.name) == ("root", "worker")
    assert not opened.models.root.supports_prefill
    assert (opened.stack, opened.profile.name) == ("endpoint", "coder")
    await opened.aclose()
    await opened.aclose()


async def test_one_name_for_both_roles_is_one_model(server: OpenAIServer) -> None:
    opened = await open_endpoints(_names(server, worker="root"), Settings())
    assert opened.models.root is opened.models.worker
    await opened.aclose()


async def test_a_model_that_models_yaml_knows_brings_its_profile(server: OpenAIServer) -> None:
    server.options.models = ["qwen2.5-coder-1.5b"]
    name = "qwen2.5-coder-1.5b"
    opened = await open_endpoints(_names(server, name, name), Settings())
    assert opened.profile.name == "small-coder"
    await opened.aclose()


async def test_a_profile_asked_for_comes_first(server: OpenAIServer) -> None:
    opened = await open_endpoints(_names(server), Settings(profile="small-coder"))
    assert opened.profile.name == "small-coder"
    await opened.aclose()


async def test_the_key_never_shows(server: OpenAIServer) -> None:
    assert "secret" not in repr(_names(server))
    server.options.api_key = "another"
    with pytest.raises(ConfigError) as caught:
        await open_endpoints(_names(server), Settings())
    assert "secret" not in str(caught.value)


async def test_a_worker_that_is_not_served_is_told(server: OpenAIServer) -> None:
    with pytest.raises(ConfigError, match="does not serve 'nobody'; it serves root, worker"):
        await open_endpoints(_names(server, worker="nobody"), Settings())


async def test_nobody_there_is_told() -> None:
    names = _nobody()
    with pytest.raises(ModelUnavailable, match="Connection refused"):
        await open_endpoints(names, Settings())


async def test_a_model_served_under_its_repositorys_name_gets_its_own_profile(
    server: OpenAIServer,
) -> None:
    name = "mit-oasys/rlm-qwen3-8b-v0.1"
    server.options.models = [name]
    served = Served((server.base_url,), None, name)
    opened = await open_endpoints(EndpointNames(served, served), Settings())
    assert opened.profile.name == "rlm-final"
    await opened.aclose()


async def test_an_unknown_profile_is_told_and_nothing_stays_open(server: OpenAIServer) -> None:
    with pytest.raises(ConfigError, match="no profile"):
        await open_endpoints(_names(server), Settings(profile="none"))


async def test_a_wrong_models_file_is_told_first(tmp_path: Path) -> None:
    names = _nobody()
    with pytest.raises(ConfigError, match="cannot read"):
        await open_endpoints(names, Settings(models_file=tmp_path / "none.yaml"))


async def test_a_model_at_several_endpoints_is_asked_at_each(
    server: OpenAIServer, other: OpenAIServer
) -> None:
    warned: list[str] = []
    names = _copies(server.base_url, other.base_url)
    opened = await open_endpoints(names, Settings(), warned.append)
    await _send(opened, 10)
    assert (len(server.requests), len(other.requests)) == (5, 5)
    assert opened.models.root is opened.models.worker
    here = opened.models.worker.server
    assert server.base_url in here.name
    assert other.base_url in here.name
    assert (here.sequences, here.is_certain) == (2 * 256, False)
    assert warned == []
    await opened.aclose()
    await opened.aclose()


async def test_one_that_is_down_is_told_of_and_used_once_it_is_up(server: OpenAIServer) -> None:
    async with OpenAIServer() as once:
        down = OpenAIServer(port=once.port)
    warned: list[str] = []
    names = _copies(down.base_url, server.base_url)
    opened = await open_endpoints(names, Settings(), warned.append)
    (warning,) = warned
    assert f"cannot reach {down.base_url}/models: Connection refused" in warning
    assert "the other servers of 'worker' are used until it answers" in warning
    async with down:
        await _send(opened, 4)
        assert (len(down.requests), len(server.requests)) == (2, 2)
    await _send(opened, 4)
    assert len(server.requests) == 6, "and it is done without when it is gone again"
    await opened.aclose()


async def test_a_role_that_nobody_serves_is_told(server: OpenAIServer) -> None:
    warned: list[str] = []
    elsewhere = Served((NOBODY, "http://127.0.0.1:10/v1"), None, "worker")
    names = EndpointNames(Served((server.base_url,), None, "root"), elsewhere)
    with pytest.raises(ModelUnavailable, match=r":9/v1/models: Connection refused"):
        await open_endpoints(names, Settings(), warned.append)
    assert warned == []


async def test_a_worker_elsewhere_has_its_own_key(
    server: OpenAIServer, other: OpenAIServer
) -> None:
    server.options.api_key, other.options.api_key = "secret", "another"
    names = EndpointNames(
        Served((server.base_url,), "secret", "root"),
        Served((other.base_url,), "another", "worker"),
    )
    opened = await open_endpoints(names, Settings())
    await _send(opened, 1)
    await opened.models.root.complete(_ask(0))
    await opened.aclose()
    assert [one["Authorization"] for one in server.headers] == ["Bearer secret"]
    assert [one["Authorization"] for one in other.headers] == ["Bearer another"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (ServerOptions(models=["root"]), "does not serve 'worker'; it serves root"),
        (ServerOptions(api_key="another"), "401.*give the endpoint's key"),
    ],
)
async def test_one_that_serves_something_else_is_told_at_once(
    server: OpenAIServer, other: OpenAIServer, wrong: ServerOptions, said: str
) -> None:
    other.options = wrong
    for urls in ((server.base_url, other.base_url), (other.base_url, NOBODY)):
        with pytest.raises(ConfigError, match=said) as caught:
            await open_endpoints(_copies(*urls), Settings())
        assert "secret" not in str(caught.value)


async def test_one_that_is_no_such_server_is_told_at_once(server: OpenAIServer) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        names = _copies(server.base_url, f"http://127.0.0.1:{port}")
        with pytest.raises(ModelError, match="not JSON"):
            await open_endpoints(names, Settings())


def test_an_endpoint_given_twice_or_none_at_all_is_told() -> None:
    with pytest.raises(ConfigError, match="given twice: http://a/v1"):
        Served(("http://a/v1", "http://b/v1", "http://a/v1/"), None, "worker")
    with pytest.raises(ConfigError, match="no base URL for the model 'worker'"):
        Served((), None, "worker")
