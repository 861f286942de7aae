"""Ends and removes what a killed guardian has left: processes of its session, its folder.

Every guardian leaves a note of its number, its start and its folder while it lives. Only what a
note names is touched, and of a session only what is seen to be a server's.
"""

import contextlib
import os
import shutil
import signal
from pathlib import Path

from rlm_local.serving.processes import ProcessId, boot_id, is_alive, session_members

__all__ = ["remove_note", "sweep", "write_note"]

ENGINES = b"VLLM::"
"""How vLLM's engines name themselves, which overwrites what else could be read of them."""


def write_note(notes: Path, guardian: ProcessId, folder: Path) -> None:
    """Say that a guardian lives and which folder is its own."""
    path = _path(notes, guardian)
    path.write_text(f"{boot_id()}\n{folder}\n", "utf-8")


def remove_note(notes: Path, guardian: ProcessId) -> None:
    """Say that nothing of a guardian is left."""
    _path(notes, guardian).unlink(missing_ok=True)


def sweep(notes: Path) -> None:
    """Clear up after guardians that are no more."""
    for note in notes.glob("*-*"):
        with contextlib.suppress(ValueError, OSError):
            pid, start_ticks = note.name.split("-")
            guardian = ProcessId(int(pid), int(start_ticks))
            if not is_alive(guardian):
                boot, folder = note.read_text("utf-8").splitlines()
                _clear(guardian, boot, Path(folder))
                note.unlink()


def _clear(guardian: ProcessId, boot: str, folder: Path) -> None:
    if boot == boot_id():
        for pid in session_members(guardian.pid):
            if pid != guardian.pid and _is_of(pid, folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _is_of(pid: int, folder: Path) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return os.fsencode(folder) in environment or command.startswith(ENGINES)


def _path(notes: Path, guardian: ProcessId) -> Path:
    return notes / f"{guardian.pid}-{guardian.start_ticks}"
