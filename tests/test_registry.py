import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlm_local.engine.prompts import load_profile
from rlm_local.errors import ConfigError
from rlm_local.registry import Registry, bundled_models_file, load_registry

Change = Callable[[dict[str, Any]], object]

WHOLE: dict[str, Any] = {
    "models": {
        "tiny": {
            "license": "Apache-2.0",
            "context_tokens": 128,
            "weight_bytes": 20_000,
            "kv_bytes_per_token": 64,
            "source": {"repo": "someone/tiny", "file": "a.gguf", "bytes": 9, "sha256": "a" * 64},
        }
    },
    "profiles": {"coder": {"style": "fence", "system": "coder"}},
    "stacks": {"small": {"root": "tiny"}, "smaller": {"root": "tiny", "worker": "tiny"}},
}


def _load(tmp_path: Path, change: Change = lambda data: None) -> Registry:
    data = copy.deepcopy(WHOLE)
    change(data)
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump(data))
    return load_registry(path)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    registry = _load(tmp_path)
    assert registry.model("tiny").root.profile == "coder"
    assert registry.worker_of(registry.stack("small")) == "tiny"
    assert registry.profile("coder").fence == "repl"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda d: d["models"]["tiny"].update(contxt_tokens=5),
            r"models\.tiny\.contxt_tokens: unknown key; did you mean 'context_tokens'",
        ),
        (
            lambda d: d["stacks"]["small"].update(devise="cpu"),
            r"stacks\.small\.devise: unknown key; did you mean 'device'",
        ),
        (
            lambda d: d["models"]["tiny"]["source"].update(revison="x"),
            r"models\.tiny\.source\.revison: unknown key; did you mean 'revision'",
        ),
        (lambda d: d.update(stakcs={}), r"stakcs: unknown key; did you mean 'stacks'"),
        (
            lambda d: d["models"]["tiny"].update(context_tokens="many"),
            r"models\.tiny\.context_tokens: .*integer.*\(given: 'many'\)",
        ),
        (
            lambda d: d["models"]["tiny"].update(weight_bytes=-1),
            r"models\.tiny\.weight_bytes: .*greater than 0 \(given: -1\)",
        ),
        (
            lambda d: d["models"]["tiny"]["source"].update(sha256="short"),
            r"models\.tiny\.source\.sha256: .*\(given: 'short'\)",
        ),
        (
            lambda d: d["models"]["tiny"]["source"].update(revision="main"),
            r"models\.tiny\.source\.revision: .*\(given: 'main'\)",
        ),
        (
            lambda d: d["models"]["tiny"]["source"].update(
                sha256=None, mirror={"packages": ["p"], "version": "1", "member": "*"}
            ),
            r"models\.tiny\.source: a mirror needs file, bytes and sha256",
        ),
        (
            lambda d: d["stacks"]["small"].update(backend="llama"),
            r"stacks\.small\.backend: .*'vllm' or 'transformers' \(given: 'llama'\)",
        ),
        (
            lambda d: d["stacks"]["small"].update(root="tinny"),
            r"stacks\.small\.root: no model 'tinny'; did you mean 'tiny'",
        ),
        (
            lambda d: d["stacks"]["small"].update(worker="nobody"),
            r"stacks\.small\.worker: no model 'nobody'",
        ),
        (
            lambda d: d["models"]["tiny"].update(root={"profile": "codr"}),
            r"models\.tiny\.root\.profile: no profile 'codr'; did you mean 'coder'",
        ),
        (
            lambda d: (
                d["models"]["tiny"].update(adapter={"repo": "someone/lora"}),
                d["stacks"]["small"].update(backend="transformers"),
            ),
            r"stacks\.small: 'tiny' has an adapter, which needs vLLM",
        ),
        (
            lambda d: d["models"]["tiny"].update(adapter={"rank": 32}),
            r"models\.tiny\.adapter\.rank: unknown key",
        ),
        (lambda d: d.pop("profiles"), r"profiles: Field required"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, change: Change, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        _load(tmp_path, change)
    assert str(caught.value).startswith(f"{tmp_path / 'models.yaml'} is not valid:")


def test_a_model_is_found_by_what_a_server_calls_it(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        tuned = {**copy.deepcopy(data["models"]["tiny"]), "adapter": {"repo": "someone/lora"}}
        data["models"] = {"tuned": tuned, **data["models"]}

    registry = _load(tmp_path, change)
    assert registry.served_as("tuned") is registry.model("tuned")
    assert registry.served_as("someone/lora") is registry.model("tuned")
    assert registry.served_as("someone/tiny") is registry.model("tiny")
    assert registry.served_as("nobody/knows") is None


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "..", "", "a b", "a\n", "/etc"])
@pytest.mark.parametrize("table", ["models", "profiles", "stacks"])
def test_a_name_that_could_lead_out_of_a_folder_is_refused(
    tmp_path: Path, table: str, name: str
) -> None:
    def change(data: dict[str, Any]) -> None:
        data[table][name] = next(iter(data[table].values()))

    with pytest.raises(ConfigError, match=rf"{table}\."):
        _load(tmp_path, change)


@pytest.mark.parametrize("file", ["../a.gguf", "sub/a.gguf", ".a.gguf", "a .gguf"])
def test_a_file_that_could_lead_out_of_a_folder_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(ConfigError, match=r"models\.tiny\.source\.file"):
        _load(tmp_path, lambda data: data["models"]["tiny"]["source"].update(file=file))


TRAINED = {
    "mit-oasys/rlm-qwen3-8b-v0.1": "rlm-final",
    "mit-oasys/rlm-qwen3-30b-a3b-v0.1": "rlm-answer",
    "alphaXiv/evidence-multi-rlm-4b-grpo-step100": "evidence",
}


@pytest.mark.parametrize(("repo", "profile"), TRAINED.items())
def test_models_trained_as_roots_have_profiles_of_their_own(repo: str, profile: str) -> None:
    registry = load_registry()
    spec = registry.served_as(repo)
    assert spec is not None
    assert spec.root.profile == profile
    assert load_profile(profile, registry.profile(profile)).turns


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["models"]["tiny"].update(context_tokens=0, licence="x")

    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, change)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected the keys models, profiles and stacks"),
        (b"- a list", "expected the keys models, profiles and stacks"),
        (b"a: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"models: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_what_is_no_models_file_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "models.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load_registry(tmp_path / "models.yaml")


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.yaml: No such file"):
        load_registry(tmp_path / "none.yaml")


def test_an_unknown_name_gives_the_near_ones_and_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path).stack("smal")
    assert str(caught.value) == (
        "no stack 'smal'; did you mean 'small' or 'smaller'?; known: small, smaller"
    )


BUNDLED = load_registry()


def test_the_bundled_file_has_a_preset_for_each_size_of_card() -> None:
    sizes = {stack.vram_gib for stack in BUNDLED.stacks.values() if stack.device == "cuda"}
    assert sizes >= {8, 12, 16, 24, 48, 80, 141}
    assert bundled_models_file().name == "models.yaml"


@pytest.mark.parametrize("name", ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"])
def test_the_models_for_the_cpu_come_from_the_hub_and_from_a_mirror(name: str) -> None:
    source = BUNDLED.model(name).source
    assert source.revision
    assert source.sha256
    assert source.mirror is not None


@pytest.mark.parametrize("name", BUNDLED.stacks)
def test_no_bundled_window_is_longer_than_the_models(name: str) -> None:
    stack = BUNDLED.stacks[name]
    assert stack.max_model_len <= BUNDLED.model(stack.root).context_tokens


@pytest.mark.parametrize("name", BUNDLED.profiles)
def test_every_bundled_profile_loads(name: str) -> None:
    assert load_profile(name, BUNDLED.profile(name)).system
