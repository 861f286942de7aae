"""Looks from outside whether a REPL process is as confined as it says, and as it must be.

Reads what the kernel tells of the process in /proc; nothing is asked of the process.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from rlm_local.errors import SandboxError, SandboxUnavailable
from rlm_local.sandbox.child.namespaces import NAMES

__all__ = ["check_from_outside"]

_NO_CAPABILITIES = "0" * 16
_DESCRIPTORS = {"0", "1", "2", "3"}  # /dev/null, the output pipe twice, the protocol socket


def check_from_outside(pid: int, report: Mapping[str, str]) -> None:
    """Compare a process with the layers it reports, and with what no REPL goes without.

    Raises:
        SandboxUnavailable: it is not as it says, or not as it must be.
        SandboxError: the kernel does not tell.
    """
    try:
        found = list(_find_faults(pid, report))
    except OSError as error:
        raise SandboxError(f"cannot check a REPL process from outside: {error}") from None
    if found:
        raise SandboxUnavailable(
            f"a REPL process is not confined as it has to be: {'; '.join(found)}; refusing it"
        )


def _find_faults(pid: int, report: Mapping[str, str]) -> Iterator[str]:
    status = _read_status(pid)
    expected = {"Seccomp": "2", "NoNewPrivs": "1", "Threads": "1"}
    expected |= dict.fromkeys(("CapEff", "CapPrm", "CapInh", "CapAmb"), _NO_CAPABILITIES)
    for name, value in expected.items():
        if status.get(name) != value:
            yield f"{name} is {status.get(name, 'not told')}"
    extra = set(os.listdir(f"/proc/{pid}/fd")) - _DESCRIPTORS  # noqa: PTH208
    if extra:
        yield f"it has the open descriptors {', '.join(sorted(extra, key=int))}"
    if _says_active(report, "uid"):
        uid = report["uid"].partition(": ")[2]
        if set(status.get("Uid", "").split()) != {uid} or uid == "0":
            yield f"it says that its uid is {uid}, but Uid is {status.get('Uid', 'not told')}"
    if _says_active(report, "namespaces"):
        for name in NAMES:
            if _link(f"/proc/{pid}/ns/{name}") == _link(f"/proc/self/ns/{name}"):
                yield f"it says that it has namespaces, but {name} is the host's"
    if _says_active(report, "private_root") and _root(str(pid)) == _root("self"):
        yield "it says that it has a private root, but it is the host's"


def _says_active(report: Mapping[str, str], layer: str) -> bool:
    return report.get(layer, "").startswith("active")


def _read_status(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: " ".join(value.split()) for name, _, value in pairs}


def _link(path: str) -> str:
    return os.readlink(path)  # noqa: PTH115


def _root(process: str) -> tuple[int, int]:
    found = os.stat(f"/proc/{process}/root")  # noqa: PTH116
    return found.st_dev, found.st_ino
