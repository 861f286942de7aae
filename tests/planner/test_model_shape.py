import json
from pathlib import Path
from typing import Any

import pytest

from rlm_local.planner.model_shape import AttentionLayers, StateLayers, read_shape
from rlm_local.registry import load_registry

_CONFIGS = Path(__file__).parent / "data" / "configs"
_DENSE: dict[str, Any] = {
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "hidden_size": 512,
    "vocab_size": 1000,
}


def _config(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_CONFIGS / f"{name}.json").read_text())
    return found


def test_head_size_is_taken_from_the_hidden_size_where_it_is_not_named() -> None:
    shape = read_shape(_DENSE)

    assert shape is not None
    assert shape.attention == (AttentionLayers(4, 2, 2 * 64),)


def test_without_key_value_heads_every_head_has_its_own() -> None:
    shape = read_shape({**_DENSE, "num_key_value_heads": None})

    assert shape is not None
    assert shape.attention[0].n_kv_heads == 8


def test_a_window_that_is_switched_off_is_none() -> None:
    shape = read_shape({**_DENSE, "sliding_window": 1024, "use_sliding_window": False})

    assert shape is not None
    assert shape.attention[0].window_tokens is None


def test_the_language_part_of_a_multimodal_model_is_read() -> None:
    inner = _config("qwen3.8-27b")["text_config"]

    assert read_shape(_config("qwen3.8-27b")) == read_shape(inner)
    assert read_shape({"dtype": "float32", "text_config": _DENSE}) != read_shape(_DENSE)


def test_layers_that_read_an_earlier_ones_cache_have_none() -> None:
    shape = read_shape({**_DENSE, "num_kv_shared_layers": 3})

    assert shape is not None
    assert shape.attention[0].n_layers == 1


def test_mamba_layers_are_known_under_their_newer_name_too() -> None:
    older = _config("nemotron-3-nano-30b-a3b")
    names = {"M": "linear_attention", "*": "full_attention", "E": "moe"}
    newer = {**older, "layers_block_type": [names[k] for k in older["hybrid_override_pattern"]]}
    del newer["hybrid_override_pattern"]

    assert read_shape(newer) == read_shape(older)


def test_a_convolution_keeps_the_steps_it_looks_back() -> None:
    shape = read_shape(
        {**_DENSE, "layer_types": ["conv", "conv", "full_attention", "conv"], "conv_L_cache": 3}
    )

    assert shape is not None
    assert shape.states == StateLayers(3, conv_rows=2, conv_channels=512)
    assert shape.states.sequence_bytes(2, 2, 1) == 2 * 512 * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"index_topk": 2048, "kv_lora_rank": 512, "qk_rope_head_dim": 64},
        {"attention_chunk_size": 8192},
        {"v_head_dim": 64},
        {"layer_types": ["full_attention", "something_new"] * 2},
        {"mamba_d_state": 128},  # recurrent, and says nowhere which layers are
        {"layer_types": ["linear_attention", "conv"] * 2, "conv_L_cache": 3},
        {"num_hidden_layers": None},
        {"num_hidden_layers": "four"},
        {"num_attention_heads": 0},
        {"kv_lora_rank": 512},
    ],
)
def test_what_is_not_known_gives_no_shape(changes: dict[str, Any]) -> None:
    assert read_shape({**_DENSE, **changes}) is None


def test_nothing_gives_no_shape() -> None:
    assert read_shape({}) is None


@pytest.mark.parametrize(
    ("config", "n_cards", "divides"),
    [
        ("qwen2.5-coder-0.5b", 2, True),
        ("qwen2.5-coder-0.5b", 4, False),  # 14 heads
        ("gemma-3-1b", 4, True),  # one KV head, copied
        ("gpt-oss-20b", 8, True),
        ("glm-4.7-flash", 4, True),
        ("glm-4.7-flash", 8, False),  # 20 heads
        ("qwen3-coder-next", 8, True),
        ("granite-4-h-tiny", 8, False),
    ],
)
def test_heads_must_divide(config: str, n_cards: int, divides: bool) -> None:
    shape = read_shape(_config(config))

    assert shape is not None
    assert shape.divides_over(n_cards) is divides


def test_groups_fewer_than_cards_are_copied() -> None:
    states = StateLayers(
        1, conv_rows=3, conv_channels=96, n_groups=1, group_channels=8, state_elements=400
    )

    assert states.sequence_bytes(2, 4, 1) == 3 * 104 * 2 + 400 * 4
    assert states.sequence_bytes(2, 4, 4) == 3 * 32 * 2 + 100 * 4


_BUNDLED = load_registry().models


@pytest.mark.parametrize("name", _BUNDLED)
def test_a_bundled_model_has_a_shape(name: str) -> None:
    assert read_shape(_BUNDLED[name].config) is not None


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b"),
        ("qwen3-4b", "qwen3-4b"),
        ("qwen3-coder-30b-a3b-awq", "qwen3-coder-30b-a3b"),
        ("qwen3.8-27b-fp8", "qwen3.8-27b"),
        ("qwen3-coder-next-fp8", "qwen3-coder-next"),
    ],
)
def test_what_models_yaml_says_of_a_model_is_what_its_own_file_says(
    model: str, config: str
) -> None:
    assert read_shape(_BUNDLED[model].config) == read_shape(_config(config))
