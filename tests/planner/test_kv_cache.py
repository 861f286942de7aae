import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.planner.kv_cache import CacheSettings, KvCache, kv_cache_of, plain_kv_cache
from rlm_local.planner.model_shape import ModelShape, read_shape
from rlm_local.registry import KvCacheDtype, load_registry
from tests.unhurried import UNHURRIED

_CONFIGS = sorted((Path(__file__).parent / "data" / "configs").glob("*.json"))
_GIB = 1 << 30


def _shape(path: Path) -> ModelShape:
    found = read_shape(json.loads(path.read_text()))
    assert found is not None
    return found


_caches = st.builds(
    kv_cache_of,
    st.sampled_from(_CONFIGS).map(_shape),
    st.builds(
        CacheSettings,
        n_cards=st.sampled_from([1, 2]),
        dtype=st.sampled_from(["auto", "fp8"]),
        block_tokens=st.sampled_from([16, 32, 64]),
    ),
    st.sampled_from([1.0, 1.25]),
)


@UNHURRIED
@given(_caches, st.integers(0, 40 * _GIB), st.integers(1, 200_000))
def test_the_longest_window_is_the_longest_that_fits(
    cache: KvCache, pool_bytes: int, at_most: int
) -> None:
    longest = cache.longest_window(pool_bytes, at_most)

    assert 0 <= longest <= at_most
    assert longest == 0 or cache.least_bytes(longest) <= pool_bytes
    assert longest == at_most or cache.least_bytes(longest + 1) > pool_bytes


@UNHURRIED
@given(_caches, st.integers(1, 100_000), st.integers(1, 100_000))
def test_a_longer_sequence_never_takes_less(cache: KvCache, few: int, more: int) -> None:
    assert cache.sequence_bytes(min(few, more)) <= cache.sequence_bytes(max(few, more))


@UNHURRIED
@given(_caches, st.integers(1, 100_000))
def test_a_pool_that_is_just_large_enough_holds_its_window(cache: KvCache, window: int) -> None:
    pool_bytes = cache.least_bytes(window)

    # rounding may take a few tokens, never a block
    assert cache.pool_tokens(pool_bytes, window) >= 0.95 * window


def _of(name: str, dtype: KvCacheDtype = "auto", n_cards: int = 1) -> KvCache:
    path = next(path for path in _CONFIGS if path.stem == name)
    return kv_cache_of(_shape(path), CacheSettings(dtype=dtype, n_cards=n_cards))


@pytest.mark.parametrize("path", _CONFIGS, ids=lambda path: path.stem)
def test_fp8_takes_half_of_what_grows(path: Path) -> None:
    assert 2 * _of(path.stem, "fp8").bytes_per_token == _of(path.stem).bytes_per_token


def test_a_window_bounds_what_a_long_sequence_takes() -> None:
    cache = _of("mistral-7b")

    assert cache.sequence_bytes(100_000) == cache.sequence_bytes(20_000)
    assert cache.bytes_per_token == 0


def test_a_latent_cache_is_whole_on_every_card() -> None:
    assert _of("glm-4.7-flash", n_cards=4).bytes_per_token == 54_144


def test_heads_are_shared_out_until_each_card_has_one() -> None:
    assert _of("qwen3-4b", n_cards=8).bytes_per_token == 147_456 // 8
    assert _of("qwen3-coder-next", n_cards=8).bytes_per_token == 24_576 // 2


def test_recurrent_layers_enlarge_the_block() -> None:
    # reported for this model cut over two cards: 1,072 tokens, with two draft tokens more
    shape = read_shape(
        {
            "num_hidden_layers": 40,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "head_dim": 256,
            "hidden_size": 2048,
            "full_attention_interval": 4,
            "linear_num_key_heads": 16,
            "linear_num_value_heads": 32,
            "linear_key_head_dim": 128,
            "linear_value_head_dim": 128,
            "linear_conv_kernel_dim": 6,
            "mamba_ssm_dtype": "float32",
        }
    )
    assert shape is not None

    assert kv_cache_of(shape, CacheSettings(n_cards=2)).block_tokens == 1072


def test_a_correction_makes_every_sequence_dearer() -> None:
    settings = CacheSettings()
    right, wrong = plain_kv_cache(1000, settings), plain_kv_cache(1000, settings, costs=1.25)

    assert wrong.sequence_bytes(1600) == 1.25 * right.sequence_bytes(1600)
    assert wrong.pool_tokens(10**8, 1600) == pytest.approx(0.8 * right.pool_tokens(10**8, 1600))


_MODELS = load_registry().models


@pytest.mark.parametrize("name", _MODELS)
def test_the_bytes_of_a_token_in_models_yaml_are_those_of_its_shape(name: str) -> None:
    shape = read_shape(_MODELS[name].config)
    assert shape is not None

    assert kv_cache_of(shape, CacheSettings()).bytes_per_token == _MODELS[name].kv_bytes_per_token
