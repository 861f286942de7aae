import json
from pathlib import Path

import pytest

from rlm_local import RLM
from rlm_local.errors import ConfigError, PlacementError, WeightsError
from rlm_local.events import RunStarted
from rlm_local.session.servers import Machine
from rlm_local.session.settings import Settings
from tests.fakes.openai_process import cell
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.stack_on_disk import pull_tiny, servers_up, write_models_file
from tests.fakes.tiny_model import save_tiny_model
from tests.session.conftest import Watcher
from tests.weights.samples import snapshot

ENORMOUS = 1 << 60


@pytest.fixture
def models_file(tmp_path: Path) -> Path:
    return write_models_file(tmp_path / "models.yaml")


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny_model(folder)
    return folder


def _local(models_file: Path, watcher: Watcher, stack: str = "small", mode: str = "rlm") -> RLM:
    settings = Settings(models_file=models_file, mode=mode)  # type: ignore[arg-type]  # given by tests
    return RLM.local(stack, settings=settings, progress=watcher)


async def test_a_stack_that_is_up_is_used_and_left_up(
    home_here: Path, models_file: Path, tiny_model: Path, server: OpenAIServer, watcher: Watcher
) -> None:
    folder = pull_tiny(models_file, home_here, tiny_model)
    server.options.replies = [cell("print(context)"), cell("FINAL(context[-4:])")]
    with servers_up(home_here, server.base_url, folder):
        rlm = _local(models_file, watcher, "auto")
        answer = await rlm.acomplete("the word is plum", "Which word?")
        rlm.close()
        assert Machine.here(models_file).records.read("small") is not None
    assert (answer.text, answer.stack) == ("plum", "small")
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert watcher.phases == []
    begun = next(event for event in watcher.events if isinstance(event, RunStarted))
    assert begun.models == {"root": "sha256:feed", "worker": "sha256:feed"}
    assert begun.context.tokens.exact


async def test_a_run_alone_uses_all_a_server_takes(
    home_here: Path, models_file: Path, tiny_model: Path, server: OpenAIServer, watcher: Watcher
) -> None:
    folder = pull_tiny(models_file, home_here, tiny_model)
    batch = 'print(len(llm_query_batched([f"prompt {n}" for n in range(20)])))'
    server.options.replies = [cell(batch), *["x"] * 20, cell("FINAL(context[-4:])")]
    server.options.latency_s = 0.01
    with servers_up(home_here, server.base_url, folder) as record:
        rlm = _local(models_file, watcher)
        await rlm.acomplete("the word is plum", "Which word?")
        rlm.close()
    # Its root is idle while its batch runs; room is kept only beside other runs. As many again
    # wait in the server's own queue, and no more.
    assert server.most_in_flight == 2 * record.servers[0].max_num_seqs


async def test_a_stack_without_a_server_runs_in_this_process(
    home_here: Path, tmp_path: Path, tiny_model: Path, watcher: Watcher
) -> None:
    models_file = write_models_file(tmp_path / "models.yaml", backend="transformers")
    pull_tiny(models_file, home_here, tiny_model)
    rlm = _local(models_file, watcher, mode="direct")
    answer = await rlm.acomplete("a short text", "Which word?")
    rlm.close()
    assert (answer.stack, answer.mode) == ("small", "direct")
    assert answer.usage.root.completion_tokens > 0


def test_an_unknown_stack_names_the_near_ones(
    home_here: Path, models_file: Path, watcher: Watcher
) -> None:
    with pytest.raises(ConfigError, match="no stack 'smal'; did you mean 'small' or 'smaller'"):
        _local(models_file, watcher, "smal").open()


def test_absent_weights_name_the_command(
    home_here: Path, models_file: Path, watcher: Watcher
) -> None:
    with pytest.raises(WeightsError, match="rlm-local pull tiny"):
        _local(models_file, watcher).open()


def test_auto_with_nothing_pulled_names_the_command(
    home_here: Path, models_file: Path, watcher: Watcher
) -> None:
    with pytest.raises(PlacementError, match=r"run `rlm-local pull (tiny|light)`"):
        _local(models_file, watcher, "auto").open()


@pytest.mark.parametrize("backend", ["vllm", "transformers"])
def test_truncated_weights_are_not_used(
    home_here: Path, tmp_path: Path, watcher: Watcher, backend: str
) -> None:
    models_file = write_models_file(tmp_path / "models.yaml", backend=backend)
    folder = pull_tiny(models_file, home_here, snapshot(tmp_path / "given"))
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(WeightsError, match=r"model\.safetensors.*rlm-local pull tiny"):
        _local(models_file, watcher).open()


def test_too_little_memory_says_needed_free_and_what_would_fit(
    home_here: Path, tmp_path: Path, watcher: Watcher
) -> None:
    models_file = write_models_file(tmp_path / "models.yaml", weight_bytes=ENORMOUS)
    with pytest.raises(PlacementError, match=r"needs .* GiB.*free.*would fit: smaller"):
        _local(models_file, watcher).open()


def test_a_record_nobody_can_read_is_named_and_kept(
    home_here: Path, models_file: Path, watcher: Watcher
) -> None:
    (home_here / "servers").mkdir()
    (home_here / "servers" / "small.json").write_text(json.dumps({"of": "another version"}))
    with pytest.raises(ConfigError, match=r"small\.json is no record"):
        _local(models_file, watcher).open()
    assert (home_here / "servers" / "small.json").exists()


def test_an_unknown_profile_is_told_before_anything_starts(
    home_here: Path, models_file: Path, watcher: Watcher
) -> None:
    settings = Settings(models_file=models_file, profile="codr")
    with pytest.raises(ConfigError, match="no profile 'codr'; did you mean 'coder'"):
        RLM.local("small", settings=settings).open()
