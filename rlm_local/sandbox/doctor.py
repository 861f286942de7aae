"""What this machine gives a sandbox: one line a property, for `rlm-local doctor`."""

import asyncio
import platform

from rlm_local.errors import SandboxError
from rlm_local.sandbox.zygote_process import ZygoteProcess

__all__ = ["sandbox_report"]


def sandbox_report() -> dict[str, str]:
    """Property -> what gives it here, or why nothing does. Tries it in a throw-away process.

    Must not be called from a running event loop.
    """
    try:
        refused = asyncio.run(ZygoteProcess.probe())
    except SandboxError as error:
        return {"level": "unavailable", "reason": str(error)}
    return describe_layers(refused)


def describe_layers(refused: dict[str, str]) -> dict[str, str]:
    """The report for what the kernel refuses (layer -> failing call)."""
    has_landlock, has_seccomp = "landlock" not in refused, "seccomp" not in refused
    files = "Landlock: contents unreadable and unwritable, sizes and dates can be probed"
    sealed = f"sealed: only pre-loaded modules import (no Landlock: {refused.get('landlock')})"
    by_seccomp = "seccomp allow-list" if has_seccomp else f"none: {refused['seccomp']}"
    return {
        "level": _level(has_landlock, has_seccomp),
        "files": (files if has_landlock else sealed) if has_seccomp else by_seccomp,
        "network": by_seccomp,
        "processes": by_seccomp,
        "kernel surface": by_seccomp,
        "memory": "address space limit",
        "namespaces": "off: not used by this version",
        "kernel": f"{platform.release()} {platform.machine()}",
    }


def _level(has_landlock: bool, has_seccomp: bool) -> str:
    if not has_seccomp:
        return "unavailable"
    return "standard" if has_landlock else "sealed"
