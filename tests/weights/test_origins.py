import pytest

from rlm_local.errors import WeightsError
from rlm_local.registry import Source
from rlm_local.weights.origins import OriginFailed, WantedFile, choose_files, refuse_remote_code
from tests.weights.samples import REPO


def _choose(*names: str, file: str | None = None) -> list[str]:
    found = [WantedFile(name, 1) for name in names]
    return [item.name for item in choose_files(found, Source(repo=REPO, file=file), "there")]


def test_a_snapshot_is_weights_configuration_and_tokenizer_small_files_first() -> None:
    names = ("model.safetensors", "config.json", "tokenizer.json", "merges.txt", "README.md")
    assert _choose(*names, "chat_template.jinja", "modeling_tiny.py", "pytorch_model.bin") == [
        "chat_template.jinja",
        "config.json",
        "merges.txt",
        "tokenizer.json",
        "model.safetensors",
    ]


def test_files_in_sub_folders_are_left_out() -> None:
    chosen = _choose("config.json", "model.safetensors", "original/model.safetensors")
    assert chosen == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("name", [".hidden.json", "a b.json", "..", "a\n.json", "-x~.json"])
def test_a_name_that_no_lock_may_hold_is_left_out(name: str) -> None:
    assert _choose("config.json", "model.safetensors", name) == ["config.json", "model.safetensors"]


def test_weights_that_lie_there_twice_are_taken_once() -> None:
    chosen = _choose("config.json", "model-00001.safetensors", "consolidated.safetensors")
    assert chosen == ["config.json", "model-00001.safetensors"]


def test_only_the_named_file_is_taken() -> None:
    assert _choose("a.gguf", "b.gguf", "config.json", file="b.gguf") == ["b.gguf"]
    with pytest.raises(OriginFailed, match=r"holds no c\.gguf"):
        _choose("a.gguf", file="c.gguf")


@pytest.mark.parametrize("pickle", ["pytorch_model.bin", "model.pt", "x.pth", "weights.pkl"])
def test_pickles_are_refused(pickle: str) -> None:
    with pytest.raises(WeightsError, match="pickles can run code") as caught:
        _choose("config.json", pickle)
    assert not isinstance(caught.value, OriginFailed)


def test_a_place_without_weights_or_configuration_fails() -> None:
    with pytest.raises(OriginFailed, match="no safetensors"):
        _choose("config.json")
    with pytest.raises(OriginFailed, match=r"no config\.json"):
        _choose("model.safetensors")


def test_code_from_a_repository_is_refused() -> None:
    refuse_remote_code("config.json", '{"model_type": "qwen2"}')
    with pytest.raises(WeightsError, match="trust_remote_code"):
        refuse_remote_code("config.json", '{"auto_map": {"AutoModel": "modeling_x.X"}}')
