"""Recursive language models on your own hardware.

`RLM` answers a question over a context of any size; names are resolved lazily, so that importing
the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlm_local.errors import RlmError, RunError, UserError
    from rlm_local.session import RLM
    from rlm_local.types import Answer, Limits, RunUsage, Usage

__all__ = ["RLM", "Answer", "Limits", "RlmError", "RunError", "RunUsage", "Usage", "UserError"]

__version__ = "0.1.0"

_HOMES = {
    "RLM": "rlm_local.session",
    "Answer": "rlm_local.types",
    "Limits": "rlm_local.types",
    "RunUsage": "rlm_local.types",
    "Usage": "rlm_local.types",
    "RlmError": "rlm_local.errors",
    "RunError": "rlm_local.errors",
    "UserError": "rlm_local.errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
