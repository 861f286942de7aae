"""A real transformers model of a few thousand random weights, and its tokenizer: one a byte.

What it writes is noise, but the same noise for the same prompt, so that batching, prefix reuse and
constraints can be checked in a second and without weights.
"""

from pathlib import Path

__all__ = ["CHAT_TEMPLATE", "save_tiny_model"]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<pad>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


def save_tiny_model(folder: Path) -> None:
    """Write config, weights (safetensors) and tokenizer into a folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {text: n for n, text in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<|end|>",
        additional_special_tokens=SPECIAL[2:],
    )
    wrapped.chat_template = CHAT_TEMPLATE
    wrapped.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        initializer_range=0.5,  # far from uniform, so that float noise changes no argmax
        eos_token_id=words["<|end|>"],
        pad_token_id=words["<pad>"],
        dtype="float32",
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
