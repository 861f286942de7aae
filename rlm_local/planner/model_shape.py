"""config.json -> ModelShape: which layers keep what of the tokens they have seen.

Pure. Knows dense, mixture-of-experts, sliding-window, latent (MLA) and recurrent (Mamba 2, gated
delta net, short convolution) models, as vLLM builds them. What it does not know it does not guess:
sparse indexers, chunked attention and unequal key and value heads give no shape.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["AttentionLayers", "ModelShape", "StateLayers", "read_shape"]

_FLOAT32_BYTES = 4
_TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config")
_UNKNOWN_KEYS = ("index_topk", "compress_ratios", "attention_chunk_size", "linear_attn_config")
"""Sparse indexers, compressed caches, chunked attention: vLLM lays these out in other ways."""
_RECURRENT_PREFIXES = ("mamba_", "ssm_", "linear_num_", "conv_L_", "attn_layer_")
_FULL = ("full_attention", "attention", "global_attention", "*")
_WINDOWED = ("sliding_attention", "sliding_window_attention")
_PATTERN_TYPES = {"*": "attention", "M": "mamba", "E": "moe", "-": "mlp"}
_RECURRENT_TYPES = ("linear_attention", "mamba", "mamba2")
_STATELESS_TYPES = ("moe", "mlp")


@dataclass(frozen=True, slots=True)
class AttentionLayers:
    """Equal layers that keep something of every token, or of every token within a window.

    Attributes:
        n_kv_heads: of the whole model; one for a latent cache, which every card holds in full.
        head_elements: numbers a head keeps of one token: key and value, or the latent vector.
        window_tokens: how far the layers look back; `None`: all the way.
    """

    n_layers: int
    n_kv_heads: int
    head_elements: int
    window_tokens: int | None = None
    is_latent: bool = False

    def token_bytes(self, element_bytes: int, n_cards: int) -> int:
        """Bytes of one token in one layer on one card; heads fewer than cards are copied."""
        return max(1, self.n_kv_heads // n_cards) * self.head_elements * element_bytes


@dataclass(frozen=True, slots=True)
class StateLayers:
    """Equal recurrent layers: a state of fixed size for each sequence.

    Attributes:
        conv_rows: steps the convolution looks back.
        conv_channels: channels without those of the groups.
        group_channels: channels of each group (Mamba 2).
        state_elements: numbers of the recurrent state.
        state_bytes: bytes of each of these; `None`: as the model's own numbers.
        kept_states: of each sequence, with prefix caching: the running one, the last checkpoint,
            and where the kernels can (Mamba 2) one of the prompt's end.
    """

    n_layers: int
    conv_rows: int
    conv_channels: int
    n_groups: int = 0
    group_channels: int = 0
    state_elements: int = 0
    state_bytes: int | None = None
    kept_states: int = 2

    def sequence_bytes(self, element_bytes: int, state_bytes: int, n_cards: int) -> int:
        """Bytes of one sequence in one layer on one card."""
        groups = self.n_groups
        if groups % n_cards:
            groups = n_cards  # copied, so that every card has those its heads need
        channels = (self.conv_channels + groups * self.group_channels) // n_cards
        return (
            self.conv_rows * channels * element_bytes + self.state_elements // n_cards * state_bytes
        )


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What planning needs of a model's configuration.

    Attributes:
        n_heads: query heads.
        other_heads: further head counts that cards must divide evenly (recurrent layers).
        element_bytes: bytes of a number of the model's own type.
    """

    attention: tuple[AttentionLayers, ...]
    states: StateLayers | None
    hidden_size: int
    vocab_size: int
    n_heads: int
    other_heads: tuple[int, ...] = ()
    element_bytes: int = 2

    def divides_over(self, n_cards: int) -> bool:
        """Whether vLLM can cut it over so many cards."""
        if any(heads % n_cards for heads in (self.n_heads, *self.other_heads)):
            return False
        kv_heads = [layers.n_kv_heads for layers in self.attention if not layers.is_latent]
        return all(heads % n_cards == 0 or n_cards % heads == 0 for heads in kv_heads)


def read_shape(config: Mapping[str, Any]) -> ModelShape | None:
    """The shape a config.json describes, or `None` where it is of a kind not known here.

    Args:
        config: the file as read; of a multimodal model the language part is taken.
    """
    text = _language_part(config)
    if any(text.get(key) for key in _UNKNOWN_KEYS):
        return None
    try:
        return _shape(text)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _language_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = next((config[key] for key in _TEXT_PARTS if isinstance(config.get(key), dict)), None)
    if inner is None:
        return config
    # some keep the type at the top only
    return {"dtype": config.get("dtype") or config.get("torch_dtype"), **_language_part(inner)}


def _shape(text: Mapping[str, Any]) -> ModelShape | None:
    types = _layer_types(text)
    counts = Counter(types)
    full = sum(counts.pop(name, 0) for name in _FULL)
    windowed = sum(counts.pop(name, 0) for name in _WINDOWED)
    states, other_heads = _states(text, counts)
    for name in _STATELESS_TYPES:
        counts.pop(name, None)
    attention = _attention(text, full=full, windowed=windowed)
    hides_states = states is None and any(key.startswith(_RECURRENT_PREFIXES) for key in text)
    if counts or attention is None or hides_states:  # a kind of layer that is not known
        return None
    return ModelShape(
        attention=attention,
        states=states,
        hidden_size=text["hidden_size"],
        vocab_size=text.get("vocab_size", 0),
        n_heads=text["num_attention_heads"],
        other_heads=other_heads,
        element_bytes=_FLOAT32_BYTES if _dtype(text) == "float32" else 2,
    )


def _layer_types(text: Mapping[str, Any]) -> list[str]:
    """One name for each layer that the served model has."""
    n_layers = text["num_hidden_layers"]
    named = text.get("layers_block_type") or text.get("layer_types")
    if pattern := text.get("hybrid_override_pattern"):
        named = [_PATTERN_TYPES.get(letter, letter) for letter in pattern]
    if not named:
        named = _unnamed_layers(text, n_layers)
    elif not _window(text):
        named = ["full_attention" if name in _WINDOWED else name for name in named]
    shared = text.get("num_kv_shared_layers") or 0  # these read an earlier layer's cache
    return list(named)[: n_layers - shared]


def _unnamed_layers(text: Mapping[str, Any], n_layers: int) -> list[str]:
    if every := text.get("full_attention_interval"):
        return [
            "linear_attention" if (layer + 1) % every else "full_attention"
            for layer in range(n_layers)
        ]
    if not _window(text):
        return ["full_attention"] * n_layers
    every = text.get("sliding_window_pattern") or text.get("_sliding_window_pattern")
    if isinstance(every, int):
        return [
            "sliding_attention" if (layer + 1) % every else "full_attention"
            for layer in range(n_layers)
        ]
    return ["sliding_attention"] * n_layers


def _window(text: Mapping[str, Any]) -> int | None:
    if text.get("use_sliding_window") is False:
        return None
    window = text.get("sliding_window")
    return window if isinstance(window, int) and window > 0 else None


def _attention(
    text: Mapping[str, Any], *, full: int, windowed: int
) -> tuple[AttentionLayers, ...] | None:
    if rank := text.get("kv_lora_rank"):
        latent = AttentionLayers(full, 1, rank + text["qk_rope_head_dim"], is_latent=True)
        return (latent,) if full and not windowed else None
    if text.get("v_head_dim") is not None:
        return None
    heads = text.get("num_key_value_heads") or text["num_attention_heads"]
    size = text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]
    everywhere = AttentionLayers(
        n_layers=full,
        n_kv_heads=text.get("num_global_key_value_heads") or heads,
        head_elements=2 * (text.get("global_head_dim") or size),
    )
    near = AttentionLayers(windowed, heads, 2 * size, _window(text))
    return tuple(layers for layers in (everywhere, near) if layers.n_layers)


def _states(
    text: Mapping[str, Any], counts: Counter[str]
) -> tuple[StateLayers | None, tuple[int, ...]]:
    """The recurrent layers, taken out of `counts`, and their head counts."""
    n_recurrent = sum(counts.pop(name, 0) for name in _RECURRENT_TYPES)
    n_conv = counts.pop("conv", 0)
    if n_recurrent and n_conv:
        raise ValueError("two kinds of recurrent layers")
    if n_recurrent:  # newer files of Mamba models say linear_attention as well
        is_gated = "linear_num_value_heads" in text
        return (_gated_delta if is_gated else _mamba2)(text, n_recurrent)
    if n_conv:
        rows = text["conv_L_cache"] - 1
        return StateLayers(n_conv, rows, text.get("conv_dim") or text["hidden_size"]), ()
    return None, ()


def _gated_delta(text: Mapping[str, Any], n_layers: int) -> tuple[StateLayers, tuple[int, ...]]:
    key_heads, value_heads = text["linear_num_key_heads"], text["linear_num_value_heads"]
    key_size, value_size = text["linear_key_head_dim"], text["linear_value_head_dim"]
    states = StateLayers(
        n_layers=n_layers,
        conv_rows=text["linear_conv_kernel_dim"] - 1,
        conv_channels=2 * key_heads * key_size + value_heads * value_size,
        state_elements=value_heads * value_size * key_size,
        state_bytes=_bytes_of(text.get("mamba_ssm_dtype")),
    )
    return states, (key_heads, value_heads)


def _mamba2(text: Mapping[str, Any], n_layers: int) -> tuple[StateLayers, tuple[int, ...]]:
    if "mamba_num_heads" in text:  # Nemotron-H
        heads, size = text["mamba_num_heads"], text["mamba_head_dim"]
        groups, state = text["n_groups"], text["ssm_state_size"]
        kernel, kept = text["conv_kernel"], text.get("mamba_ssm_cache_dtype", "float32")
    else:  # Granite 4, Bamba, Falcon-H1
        heads, size = text["mamba_n_heads"], text["mamba_d_head"]
        groups, state = text["mamba_n_groups"], text["mamba_d_state"]
        kernel, kept = text["mamba_d_conv"], None
    if not isinstance(size, int):
        size = text["mamba_expand"] * text["hidden_size"] // heads
    states = StateLayers(
        n_layers=n_layers,
        conv_rows=kernel - 1,
        conv_channels=heads * size,
        n_groups=groups,
        group_channels=2 * state,
        state_elements=heads * size * state,
        state_bytes=_bytes_of(kept),
        kept_states=3,
    )
    return states, (heads,)


def _bytes_of(dtype: str | None) -> int | None:
    return {"float32": 4, "bfloat16": 2, "float16": 2}.get(dtype or "")


def _dtype(text: Mapping[str, Any]) -> str:
    return str(text.get("dtype") or text.get("torch_dtype") or "bfloat16")
