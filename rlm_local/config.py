"""Settings of a run and of this machine: defaults < environment < arguments.

Knows where things are kept (`RLM_LOCAL_HOME`); knows nothing of models.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import platformdirs

from rlm_local.errors import ConfigError
from rlm_local.types import Limits, RunMode

__all__ = [
    "HOME_VARIABLE",
    "Home",
    "RunConfig",
    "SandboxPolicy",
    "check_agreement",
    "check_cache_salt",
    "check_sandbox_policy",
]

HOME_VARIABLE = "RLM_LOCAL_HOME"
_LONGEST_SALT = 1024
_MOST_SAMPLES = 9
SandboxPolicy = Literal["auto", "require-full", "sealed", "off"]


@dataclass(frozen=True, slots=True)
class Home:
    """The folder where weights, traces, indexes and server records live.

    `RLM_LOCAL_HOME`, or `rlm_local` in the user's cache folder. Folders are made at first use,
    readable for the user only.
    """

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """The folder the environment names.

        Raises:
            ConfigError: the variable is set to a path that is not absolute.
        """
        named = os.environ.get(HOME_VARIABLE)
        if not named:
            return cls(Path(platformdirs.user_cache_dir("rlm_local")))
        path = Path(named).expanduser()
        if not path.is_absolute():
            raise ConfigError(f"{HOME_VARIABLE} must be an absolute path, not {named!r}")
        return cls(path)

    def folder(
        self, name: Literal["cache", "weights", "traces", "indexes", "servers", "tmp"]
    ) -> Path:
        """One of the folders under the root, made if absent.

        Raises:
            ConfigError: it cannot be made; says why and names the variable to set.
        """
        path = self.root / name
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make {path}: {error.strerror or error}; "
                f"set {HOME_VARIABLE} to a folder you can write to"
            ) from error
        return path


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What one run is told besides its question and context."""

    limits: Limits = field(default_factory=Limits)
    mode: RunMode = "auto"
    direct_tokens: int = 8192
    """In mode `auto`, contexts up to this many tokens go straight to the root."""
    agreement: int = 1
    """How many samples of the root answer; the answer most of them give is taken. 1: one run."""
    seed: int | None = None
    stack: str = "custom"
    """Name of the stack, for answers and traces."""
    cache_salt: str | None = None
    """`run`: no prefix is shared with other runs in the server's cache; another text: only with
    those that give the same. vLLM only."""
    sandbox: dict[str, str] = field(default_factory=dict)
    """How cells are confined, for traces; `sandbox.properties` says it."""


def check_agreement(samples: int, mode: RunMode) -> int:
    """The number of samples, where so many can be asked.

    Raises:
        ConfigError: too few, too many, or there is no REPL to sample a root for.
    """
    if not 1 <= samples <= _MOST_SAMPLES:
        raise ConfigError(f"agreement takes 1 (off) to {_MOST_SAMPLES} samples, not {samples}")
    if samples > 1 and mode == "direct":
        raise ConfigError(
            f"agreement among {samples} samples needs a root with a REPL, and mode 'direct' has "
            "none; use mode 'auto' or 'rlm', or agreement 1"
        )
    return samples


def check_cache_salt(salt: str | None) -> str | None:
    """The salt, where a server takes it.

    Raises:
        ConfigError: it is empty, too long, or has characters that do not print.
    """
    if salt is not None and not (0 < len(salt) <= _LONGEST_SALT and salt.isprintable()):
        raise ConfigError(
            f"a cache salt has 1 to {_LONGEST_SALT} characters that print, not {salt!r:.80}"
        )
    return salt


def check_sandbox_policy(text: str) -> SandboxPolicy:
    """The policy of that name.

    Raises:
        ConfigError: there is none; lists them.
    """
    for policy in get_args(SandboxPolicy):
        if policy == text:
            return text  # type: ignore[return-value]  # membership is what narrows it
    raise ConfigError(
        f"no sandbox policy {text!r}; use one of {', '.join(get_args(SandboxPolicy))}"
    )
