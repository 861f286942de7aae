import json
from pathlib import Path

import pytest

from rlm_local.planner.model_files import ModelFacts, read_facts


def _tensors(path: Path, sizes: dict[str, int]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, size in sizes.items():
        shape = [size // 2]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(offset))


def test_weights_are_the_bytes_of_the_tensors_not_of_the_files(tmp_path: Path) -> None:
    _tensors(tmp_path / "model.safetensors", {"a.weight": 100, "b.weight": 28})
    (tmp_path / "config.json").write_text('{"hidden_size": 4}')

    assert read_facts(tmp_path) == ModelFacts(weight_bytes=128, config={"hidden_size": 4})


def test_only_files_the_index_names_count(tmp_path: Path) -> None:
    for name in ("one", "two", "consolidated"):
        _tensors(tmp_path / f"{name}.safetensors", {f"{name}.weight": 64})
    weight_map = {"one.weight": "one.safetensors", "two.weight": "two.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    assert read_facts(tmp_path).weight_bytes == 128


def test_speculation_heads_are_not_served_and_towers_are_told_apart(tmp_path: Path) -> None:
    sizes = {"model.layers.0.weight": 100, "mtp.layers.0.weight": 40, "model.visual.x": 20}
    _tensors(tmp_path / "model.safetensors", sizes)

    found = read_facts(tmp_path)
    assert (found.weight_bytes, found.tower_bytes) == (120, 20)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        (5).to_bytes(8, "little") + b"[1,2]",
        (2).to_bytes(8, "little") + b"no",
        (2**60).to_bytes(8, "little") + b"{}",
        (13).to_bytes(8, "little") + b'{"a": {"b":1}}',
        (9).to_bytes(8, "little") + b'{"a":"b"}',
    ],
)
def test_damaged_weights_are_as_good_as_absent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)

    assert read_facts(tmp_path).weight_bytes is None


def test_an_index_of_files_that_are_not_there_is_no_weight(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "gone"}}')

    assert read_facts(tmp_path) == ModelFacts()


def test_an_empty_folder_says_nothing(tmp_path: Path) -> None:
    assert read_facts(tmp_path) == ModelFacts()
    assert read_facts(tmp_path / "none") == ModelFacts()


@pytest.mark.weights
def test_the_real_small_model_is_as_large_as_models_yaml_says(tiny_weights: Path) -> None:
    assert read_facts(tiny_weights).weight_bytes == pytest.approx(988_100_000, rel=0.001)
