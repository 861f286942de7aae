"""Who needs a server: one file a user in a folder beside its socket; no file, no server.

A lease is named after its holder's process id and start time, so it ends with its holder, however
that ends. The file `kept` is the lease of `rlm-local up`, which no process holds. Whoever finds
the folder empty closes it with `rmdir`, which fails when a lease came in between: so the last one
out and a newcomer cannot both win. Standard library only: the guardian uses it too.
"""

import contextlib
import errno
import os
import secrets
from pathlib import Path

from rlm_local.serving.processes import ProcessId, identify, is_alive

__all__ = ["close_unused", "holders", "keep", "kept_idle_timeout_s", "let_go", "new_name", "take"]

KEPT = "kept"


def new_name() -> str:
    """A name for a lease of this process."""
    me = identify(os.getpid())
    if me is None:
        raise ProcessLookupError("this process is not in /proc")
    return f"{me.pid}-{me.start_ticks}-{secrets.token_hex(4)}"


def take(folder: Path, name: str | None = None) -> Path | None:
    """A lease, for this process unless named otherwise; None when the server is ending."""
    path = folder / (name or new_name())
    try:
        path.touch(mode=0o600)
    except FileNotFoundError:
        return None
    return path


def keep(folder: Path, idle_timeout_s: float) -> bool:
    """Keep the server up with no user, for at most so long (0: for ever); False when it is ending.

    Replaces what an earlier call said.
    """
    draft = folder.parent / f"{KEPT}-{secrets.token_hex(4)}"
    try:
        draft.write_text(str(float(idle_timeout_s)), "ascii")
        draft.replace(folder / KEPT)
    except FileNotFoundError:
        draft.unlink(missing_ok=True)
        return False
    return True


def let_go(folder: Path) -> None:
    """Take back what `keep` said."""
    (folder / KEPT).unlink(missing_ok=True)


def kept_idle_timeout_s(folder: Path) -> float | None:
    """For how long it is kept without a user, 0 being for ever; None when it is not kept."""
    try:
        return float((folder / KEPT).read_text("ascii"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return 0.0


def holders(folder: Path) -> list[ProcessId]:
    """Living users, once for each lease. Removes leases of dead ones."""
    living = []
    try:
        paths = [path for path in folder.iterdir() if path.name != KEPT]
    except FileNotFoundError:
        return []
    for path in paths:
        holder = _holder(path.name)
        if holder is not None and is_alive(holder):
            living.append(holder)
        else:
            path.unlink(missing_ok=True)
    return living


def close_unused(folder: Path) -> bool:
    """Let nobody in any more, unless somebody is; True when it is closed, by whomever."""
    holders(folder)
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _holder(name: str) -> ProcessId | None:
    with contextlib.suppress(ValueError):
        pid, start_ticks, _ = name.split("-")
        return ProcessId(int(pid), int(start_ticks))
    return None
