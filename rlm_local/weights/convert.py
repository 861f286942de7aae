"""GGUF to safetensors, for engines that cannot serve GGUF on a CPU.

Runs in a process of its own (`python -m rlm_local.weights.convert`), so that its memory is given
back and a crash leaves nothing that could be mistaken for a model. Uses no network. What it writes
is dequantised to bfloat16: the precision of the GGUF file, the size of the original.
"""

import argparse
import ctypes
import functools
import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_local.errors import WeightsError

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["conversion_tools", "convert_in_child", "main"]

_POLL_S = 0.2
_SHARD = "4GB"
_PR_SET_PDEATHSIG = 1


def convert_in_child(gguf: Path, target: Path, *, tie: bool, report: Callable[[int], None]) -> None:
    """Write the model of a GGUF file to `target` as safetensors, with tokenizer and template.

    Args:
        gguf: the file.
        target: a folder that does not exist; the caller moves it into place.
        tie: whether input and output embeddings become one matrix.
        report: told the bytes written so far.

    Raises:
        WeightsError: it failed; carries the last line of the reason.
    """
    log = target.with_name(target.name + ".log")
    command = [sys.executable, "-m", "rlm_local.weights.convert", str(gguf), str(target)]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command + (["--tie"] if tie else []),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            while process.poll() is None:
                report(_bytes_in(target))
                time.sleep(_POLL_S)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    if process.returncode != 0:
        raise WeightsError(_explain_failure(gguf, process.returncode, log))
    log.unlink()
    report(_bytes_in(target))


def conversion_tools() -> dict[str, str]:
    """Versions of the packages that shape the result."""
    return {name: importlib.metadata.version(name) for name in ("torch", "transformers", "gguf")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the child process."""
    parser = argparse.ArgumentParser(prog="rlm_local.weights.convert")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--tie", action="store_true")
    given = parser.parse_args(arguments)
    # Whoever asked may be killed: a conversion that nobody waits for must not hold memory.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _convert(given.gguf, given.target, tie=given.tie)


def _convert(gguf: Path, target: Path, *, tie: bool) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    _read_headers_once()
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        # Without it, transformers keeps the blocks packed where it finds kernels for them.
        quantization_config=GgufConfig(dequantize=True),
    )
    model.hf_quantizer = None
    for config in (model.config, model.config.get_text_config()):
        if hasattr(config, "quantization_config"):
            del config.quantization_config
    if tie and not model.config.tie_word_embeddings:
        _tie_embeddings(model)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.generation_config = _generation_config(tokenizer)
    model.save_pretrained(target, max_shard_size=_SHARD)
    tokenizer.save_pretrained(target)


def _tie_embeddings(model: "PreTrainedModel") -> None:
    """Make one matrix of the two that the file holds: the output one.

    Both are roundings of the one matrix of the original. llama.cpp never gives the output fewer
    bits than the input (Q8_0 and Q5_0, Q6_K and Q4_K), so it is the closer one for both places.
    """
    model.get_input_embeddings().weight = model.get_output_embeddings().weight
    model.config.tie_word_embeddings = True
    model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)


def _read_headers_once() -> None:
    """Parse the file's header once instead of three times, which takes most of the time.

    transformers builds a reader for the configuration, for the weights and for the tokenizer, each
    going through 150,000 tokens in Python. This process converts one file, then ends.
    """
    import gguf

    gguf.GGUFReader = functools.cache(gguf.GGUFReader)


def _generation_config(tokenizer: "PreTrainedTokenizerBase") -> "GenerationConfig":
    """Where generation ends; no sampling, which is models.yaml's business.

    A GGUF file names one end token. Base models also end with the padding token (`<|endoftext|>`
    of Qwen, whose official generation_config lists both), and small ones still do after tuning.
    """
    from transformers import GenerationConfig

    ends = dict.fromkeys([tokenizer.eos_token_id, tokenizer.pad_token_id])
    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=[token for token in ends if token is not None],
    )


def _bytes_in(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    with os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries)


def _explain_failure(gguf: Path, code: int, log: Path) -> str:
    if code == -signal.SIGKILL:
        reason = "it was killed, most likely for want of memory; close other programs and try again"
    else:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit status {code}"
    return f"cannot convert {gguf.name} to safetensors: {reason}"


if __name__ == "__main__":
    main()
