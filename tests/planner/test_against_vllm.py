"""The planner's arithmetic against vLLM's own classes, model by model."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rlm_local.planner.kv_cache import CacheSettings, KvCache, kv_cache_of
from rlm_local.planner.model_shape import read_shape
from rlm_local.registry import KvCacheDtype
from tests.architecture.repository import ROOT

_CONFIGS = Path(__file__).parent / "data" / "configs"
_POOL_BYTES = 5 << 30
_KINDS = {
    "FullAttentionSpec": "full",
    "MLAAttentionSpec": "full",
    "SlidingWindowSpec": "window",
    "MambaSpec": "state",
}
_AS_QWEN3_NEXT = {
    "architectures": ["Qwen3NextForCausalLM"],
    "model_type": "qwen3_next",
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 512,
    "shared_expert_intermediate_size": 512,
}


@dataclass(frozen=True, slots=True)
class _Case:
    config: str
    dtype: KvCacheDtype = "auto"
    n_cards: int = 1
    block_tokens: int = 32
    window_tokens: int = 8192
    bytes_per_token: int = 0

    @property
    def name(self) -> str:
        return f"{self.config}-{self.dtype}-{self.n_cards}"

    @property
    def as_vllm_takes_it(self) -> dict[str, Any]:
        config = _config(self.config)
        if "text_config" in config:  # its own class wants torchvision; the layers are the same
            config = {**config["text_config"], **_AS_QWEN3_NEXT}
        if pattern := config.get("hybrid_override_pattern"):  # its experts have no CPU kernels
            config["hybrid_override_pattern"] = pattern.replace("E", "-")
        return {
            "name": self.name,
            "config": config,
            "dtype": self.dtype,
            "n_cards": self.n_cards,
            "block_tokens": self.block_tokens,
            "window_tokens": self.window_tokens,
            "pool_bytes": _POOL_BYTES,
        }


CASES = (
    _Case("qwen2.5-coder-0.5b", bytes_per_token=12_288),
    _Case("qwen3-4b", bytes_per_token=147_456),
    _Case("qwen3-4b", dtype="fp8", bytes_per_token=73_728),
    _Case("qwen3-4b", n_cards=2, bytes_per_token=73_728),
    _Case("llama-2-7b", window_tokens=4096, bytes_per_token=524_288),
    _Case("mistral-7b"),  # every layer looks back 4,096 tokens
    _Case("qwen3-coder-30b-a3b", bytes_per_token=98_304),
    _Case("gpt-oss-20b", bytes_per_token=24_576),
    _Case("gemma-3-12b", bytes_per_token=65_536),
    _Case("gemma-3-1b", n_cards=2, bytes_per_token=4_096),  # one KV head, on both cards
    _Case("gemma-4-31b", bytes_per_token=81_920),
    _Case("glm-4.7-flash", block_tokens=16, bytes_per_token=54_144),
    _Case("deepseek-v2-lite", block_tokens=16, bytes_per_token=31_104),
    _Case("deepseek-v2-lite", n_cards=2, block_tokens=16, bytes_per_token=31_104),
    _Case("qwen3-coder-next", bytes_per_token=24_576),
    _Case("qwen3-coder-next", n_cards=2, bytes_per_token=12_288),
    _Case("qwen3.8-27b", bytes_per_token=65_536),
    _Case("nemotron-3-nano-30b-a3b", bytes_per_token=6_144),
    _Case("granite-4-h-tiny", bytes_per_token=8_192),
)


def _config(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_CONFIGS / f"{name}.json").read_text())
    return found


@pytest.fixture(scope="module")
def vllms() -> dict[str, Any]:
    """What vLLM says of every case."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.planner.vllm_specs"],
        input=json.dumps([case.as_vllm_takes_it for case in CASES]),
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _ours(case: _Case, in_flight_tokens: int = 2048) -> KvCache:
    shape = read_shape(_config(case.config))
    assert shape is not None
    settings = CacheSettings(
        n_cards=case.n_cards,
        dtype=case.dtype,
        block_tokens=case.block_tokens,
        in_flight_tokens=in_flight_tokens,
        least_state_bytes=4,
    )
    return kv_cache_of(shape, settings)


@pytest.mark.vllm
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pages_and_pool_are_those_vllm_computes(case: _Case, vllms: dict[str, Any]) -> None:
    told = vllms[case.name]
    cache = _ours(case, told["in_flight_tokens"])

    pages = {(group.kind, group.block_tokens, group.page_bytes) for group in cache.groups}
    assert pages == {(_KINDS[kind], block, page) for kind, block, page in told["pages"]}
    assert sum(group.count for group in cache.groups) == len(told["groups"])
    assert sum(group.n_layers for group in cache.groups) == told["n_layers"]
    assert _POOL_BYTES // cache.block_bytes == told["n_blocks"]
    assert cache.pool_tokens(_POOL_BYTES, case.window_tokens) == told["pool_tokens"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_tokens_bytes(case: _Case) -> None:
    assert _ours(case).bytes_per_token == case.bytes_per_token


def test_the_cases_are_of_every_kind() -> None:
    kinds = Counter(group.kind for case in CASES for group in _ours(case).groups)

    assert min(kinds["full"], kinds["window"], kinds["state"]) >= 4
