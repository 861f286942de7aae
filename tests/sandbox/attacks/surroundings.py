"""What a cell attacks, and what the host sees of it afterwards: the oracle of every case.

Holds secrets that only the host knows, a folder of files, listeners, a process to hurt and some of
the host's own memory. Runs no cells; never asks the attacker whether it won.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import sys
import sysconfig
import tempfile
import tty
from pathlib import Path
from typing import Self

from tests.sandbox.attacks.handles import handle_of
from tests.sandbox.attacks.listeners import Listeners
from tests.sandbox.attacks.segments import SharedMemory
from tests.sandbox.attacks.victim import Victim

__all__ = ["Surroundings"]

_VARIABLE = "RLM_ATTACKED_"
_CANARY_MODE = 0o600
_FOLDER_MODE = 0o755


class Surroundings:
    """One set of things to attack, whole until `evidence` finds otherwise."""

    def __init__(self, context_fd: int) -> None:
        self._context_fd = context_fd
        self._context = _content(context_fd)
        self.token = secrets.token_hex(8)
        self._secrets = {
            what: f"{what}-{secrets.token_hex(12)}"
            for what in (
                "content", "shared", "name", "link", "xattr", "module", "environment",
                "argument", "heap", "segment", "variable",
            )
        }  # fmt: skip
        self._moment_ns = 10**18 + secrets.randbelow(10**17)
        self.folder = Path(tempfile.mkdtemp(prefix="rlm-attacked-"))
        self._closing = contextlib.ExitStack()
        self._closing.callback(shutil.rmtree, self.folder, ignore_errors=True)
        os.environ[_VARIABLE + self.token] = self._secrets["variable"]
        self._closing.callback(os.environ.pop, _VARIABLE + self.token, None)
        self._fill_folder()
        self.victim = Victim(
            argument=self._secrets["argument"],
            variable=self._secrets["environment"],
            opened=self.folder / "canary",
        )
        self._closing.callback(self.victim.close)
        self.listeners = Listeners(self.folder, self.token)
        self._closing.callback(self.listeners.close)
        self._shared_memory = SharedMemory(self._secrets["segment"])
        self._closing.callback(self._shared_memory.close)
        self._heap = ctypes.create_string_buffer(self._secrets["heap"].encode())
        self._canary_fd = os.open(self.folder / "canary", os.O_RDONLY)
        os.set_inheritable(self._canary_fd, True)  # for a process that inherits too much
        self._closing.callback(os.close, self._canary_fd)
        self._terminal, self._terminal_path = self._open_terminal()
        self._before = self._snapshot()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove it all. Safe to call twice."""
        self._closing.close()

    def names(self) -> dict[str, object]:
        """What the attacker is told: everything but the secrets."""
        plant = self.folder / "planted.so"
        return {
            "FOLDER": str(self.folder),
            "CANARY": str(self.folder / "canary"),
            "SHARED": str(self.folder / "shared"),
            "LINK": str(self.folder / "link"),
            "HARD": str(self.folder / "hard"),
            "PLANTED": str(plant),
            "TOKEN": self.token,
            "DROPS": [str(path) for path in self._drops()],
            "HOST": os.getpid(),
            "HOST_FD": self._canary_fd,
            "HEAP": ctypes.addressof(self._heap),
            "HEAP_BYTES": len(self._heap) - 1,
            "CONTEXT_FD": self._context_fd,
            "SEGMENT": self._shared_memory.number,
            "HANDLE": handle_of(self.folder / "canary"),
            "TERMINAL": self._terminal_path,
            **self.victim.names(),
            **self.listeners.names(),
        }

    def evidence(self, texts: str) -> list[str]:
        """What was reached, each "kind: what"; `texts` is all that came out of the cell."""
        found = [f"secret: {what}" for what, secret in self._secrets.items() if secret in texts]
        if str(self._moment_ns) in texts:
            found.append("secret: metadata")
        found += self._drops_found()
        found += [f"listener: {name}" for name in self.listeners.reached()]
        found += [f"victim: {change}" for change in self.victim.changes()]
        if self._heap.value.decode("utf-8", "replace") != self._secrets["heap"]:
            found.append("memory: the host's heap")
        if _content(self._context_fd) != self._context:
            found.append("memory: the host's context")
        after = self._snapshot()
        changed = {path for path, _ in after.items() ^ self._before.items()}
        found += [f"files: {path}" for path in sorted(changed)]
        if self._is_locked():
            found.append("files: locked")
        if self._is_written_to():
            found.append("terminal: written to")
        return found

    def _fill_folder(self) -> None:
        self.folder.chmod(_FOLDER_MODE)
        canary, shared = self.folder / "canary", self.folder / "shared"
        canary.write_text(self._secrets["content"])
        canary.chmod(_CANARY_MODE)
        shared.write_text(self._secrets["shared"])
        shared.chmod(0o644)
        (self.folder / "hard").hardlink_to(canary)
        (self.folder / "link").symlink_to(canary)
        (self.folder / "dangling").symlink_to(self._secrets["link"])
        (self.folder / self._secrets["name"]).touch()
        (self.folder / "empty").mkdir()
        (self.folder / "planted_module.py").write_text(f"LOOT = {self._secrets['module']!r}\n")
        (self.folder / "planted_module.py").chmod(0o644)
        shutil.copy(_some_library(), self.folder / "planted.so")
        with contextlib.suppress(OSError):  # not every file system has them
            os.setxattr(shared, "user.secret", self._secrets["xattr"].encode())
        os.utime(shared, ns=(self._moment_ns, self._moment_ns))

    def _open_terminal(self) -> tuple[int, str]:
        """The user's side of a terminal, and the path by which a program would write to it."""
        try:
            ours, theirs = os.openpty()
        except OSError:
            return -1, "/nonexistent"
        self._closing.callback(os.close, ours)
        self._closing.callback(os.close, theirs)
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        return ours, os.ttyname(theirs)

    def _is_written_to(self) -> bool:
        if self._terminal < 0:
            return False
        try:
            return bool(os.read(self._terminal, 1000))
        except BlockingIOError:
            return False

    def _is_locked(self) -> bool:
        import fcntl

        try:
            fcntl.flock(self._canary_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._canary_fd, fcntl.LOCK_UN)
        return False

    def _snapshot(self) -> dict[str, tuple[object, ...]]:
        return {
            str(path): _facts(path)
            for path in (self.folder, *self.folder.rglob("*"))
            if not path.is_socket()
        }

    def _drops(self) -> list[Path]:
        """Where attacks try to leave a file: places that programs can often write to."""
        package = Path(contextlib.__file__).parent
        folders = (
            "/", "/tmp", "/var/tmp", "/dev/shm", "/run", Path.cwd(), sys.prefix, package,
            package / "__pycache__", package / "json" / "__pycache__",
        )  # fmt: skip
        return [Path(folder) / f"rlm-attack-{self.token}" for folder in folders]

    def _drops_found(self) -> list[str]:
        found = [path for path in self._drops() if os.path.lexists(path)]
        for path in found:
            path.unlink()
        return [f"files: {path}" for path in found]


def _content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _some_library() -> Path:
    """A small library any interpreter has: an extension module of its own."""
    folder = Path(str(sysconfig.get_config_var("DESTSHARED")))
    return min(folder.glob("*.so"), key=lambda path: (path.stat().st_size, path.name))


def _facts(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content: object = None
    if path.is_symlink():
        content = path.readlink()
    elif path.is_file():
        content = path.read_bytes()
    attributes = [] if path.is_symlink() else sorted(os.listxattr(path))
    moment = 0 if path.is_dir() else status.st_mtime_ns
    return (
        status.st_mode, status.st_uid, status.st_gid, status.st_size, moment, content, *attributes
    )  # fmt: skip
