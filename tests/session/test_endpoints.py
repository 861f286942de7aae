from pathlib import Path

import pytest

from rlm_local.errors import ConfigError, ModelUnavailable
from rlm_local.session.endpoints import EndpointNames, open_endpoint
from rlm_local.session.settings import Settings
from tests.fakes.openai_server import OpenAIServer


def _names(server: OpenAIServer, root: str = "root", worker: str = "worker") -> EndpointNames:
    return EndpointNames(server.base_url, "secret", root, worker)


async def test_root_and_worker_are_two_models_of_one_endpoint(server: OpenAIServer) -> None:
    opened = await open_endpoint(_names(server), Settings())
    assert (opened.models.root.name, opened.models.worker.name) == ("root", "worker")
    assert not opened.models.root.supports_prefill
    assert (opened.stack, opened.profile.name) == ("endpoint", "coder")
    await opened.aclose()
    await opened.aclose()


async def test_one_name_for_both_roles_is_one_model(server: OpenAIServer) -> None:
    opened = await open_endpoint(_names(server, worker="root"), Settings())
    assert opened.models.root is opened.models.worker
    await opened.aclose()


async def test_a_model_that_models_yaml_knows_brings_its_profile(server: OpenAIServer) -> None:
    server.options.models = ["qwen2.5-coder-1.5b"]
    name = "qwen2.5-coder-1.5b"
    opened = await open_endpoint(_names(server, name, name), Settings())
    assert opened.profile.name == "small-coder"
    await opened.aclose()


async def test_a_profile_asked_for_comes_first(server: OpenAIServer) -> None:
    opened = await open_endpoint(_names(server), Settings(profile="small-coder"))
    assert opened.profile.name == "small-coder"
    await opened.aclose()


async def test_the_key_never_shows(server: OpenAIServer) -> None:
    assert "secret" not in repr(_names(server))
    server.options.api_key = "another"
    with pytest.raises(ConfigError) as caught:
        await open_endpoint(_names(server), Settings())
    assert "secret" not in str(caught.value)


async def test_a_worker_that_is_not_served_is_told(server: OpenAIServer) -> None:
    with pytest.raises(ConfigError, match="does not serve 'nobody'; it serves root, worker"):
        await open_endpoint(_names(server, worker="nobody"), Settings())


async def test_nobody_there_is_told() -> None:
    names = EndpointNames("http://127.0.0.1:9/v1", None, "root", "root")
    with pytest.raises(ModelUnavailable, match="Connection refused"):
        await open_endpoint(names, Settings())


async def test_an_unknown_profile_is_told_and_nothing_stays_open(server: OpenAIServer) -> None:
    with pytest.raises(ConfigError, match="no profile"):
        await open_endpoint(_names(server), Settings(profile="none"))


async def test_a_wrong_models_file_is_told_first(tmp_path: Path) -> None:
    names = EndpointNames("http://127.0.0.1:9/v1", None, "root", "root")
    with pytest.raises(ConfigError, match="cannot read"):
        await open_endpoint(names, Settings(models_file=tmp_path / "none.yaml"))
