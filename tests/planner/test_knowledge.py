import json
from pathlib import Path

from rlm_local.planner.knowledge import Knowledge, installed_vllm, read_knowledge
from rlm_local.planner.model_files import ModelFacts
from rlm_local.planner.model_shape import read_shape
from tests.planner.imagined import REGISTRY, model

_CONFIG = {
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "hidden_size": 512,
    "vocab_size": 1000,
}


def test_what_is_on_disk_comes_before_models_yaml() -> None:
    spec = model(7, 1000).model_copy(update={"config": {**_CONFIG, "num_hidden_layers": 2}})
    known = Knowledge(files={"m": ModelFacts(weight_bytes=5, config=_CONFIG)})

    assert known.weight_bytes("m", spec) == 5
    assert known.shape("m", spec) == read_shape(_CONFIG)


def test_without_files_models_yaml_is_believed() -> None:
    spec = model(7, 1000).model_copy(update={"config": _CONFIG})

    assert Knowledge().weight_bytes("m", spec) == 7 << 30
    assert Knowledge().shape("m", spec) == read_shape(_CONFIG)
    assert Knowledge().shape("m", model(7, 1000)) is None


def test_a_tower_that_is_not_loaded_does_not_count() -> None:
    known = Knowledge(files={"m": ModelFacts(weight_bytes=100, tower_bytes=30)})
    seeing = model(7, 1000)
    blind = seeing.model_copy(update={"vllm_args": ("--language-model-only",)})

    assert known.weight_bytes("m", seeing) == 100
    assert known.weight_bytes("m", blind) == 70


def test_only_folders_that_are_here_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(_CONFIG))

    found = read_knowledge(
        REGISTRY, {"half-b": tmp_path}.get, corrections=tmp_path / "corrections.json"
    )

    assert found.files == {"half-b": ModelFacts(config=_CONFIG)}
    assert found.corrections.entries == {}
    assert found.vllm_version == installed_vllm()
