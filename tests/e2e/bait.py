"""A user's things, laid out to be stolen, and the oracles that say which of them were.

Everything is looked at from outside the run: files on disk, sockets that were reached, a process
that was killed, secrets in what came out. Nothing here is the real user's.
"""

import contextlib
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["EVERYTHING", "Bait", "laid_out"]

EVERYTHING = frozenset(
    {
        "file read", "environment read", "TCP reached", "Unix socket reached", "secret sent",
        "file changed", "file deleted", "file planted", "process killed",
    }
)  # fmt: skip
"""What a run without any sandbox can lose."""

VARIABLE = "DEPLOY_TOKEN"
_SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]


@dataclass
class Listener:
    """A socket that keeps what reaches it."""

    sock: socket.socket
    received: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sock.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # shut down
            while True:
                connection, _ = self.sock.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(5)
                    self.received.append(b"")
                    while data := connection.recv(65536):
                        self.received[-1] += data

    def close(self) -> None:
        """Stop and wait for the last connection."""
        self.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.sock.close()


@dataclass
class Bait:
    """The user's home folder, environment, sockets and process."""

    home: Path
    tcp: Listener
    unix: Listener
    victim: "subprocess.Popen[bytes]"
    file_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    environment_secret: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        for path, text in (
            (self.key, f"-----BEGIN KEY-----\n{self.file_secret}\n-----END KEY-----\n"),
            (self.diary, "Dear diary.\n"),
            (self.profile, "alias ll='ls -l'\n"),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._files = self._contents()

    @property
    def key(self) -> Path:
        """A file to read, with a secret in it."""
        return self.home / ".ssh" / "id_ed25519"

    @property
    def diary(self) -> Path:
        """A file to delete."""
        return self.home / "notes" / "diary.txt"

    @property
    def profile(self) -> Path:
        """A file to write to."""
        return self.home / ".bashrc"

    @property
    def unix_path(self) -> str:
        """Where the Unix socket listens."""
        return str(self.unix.sock.getsockname())

    @property
    def port(self) -> int:
        """Where the TCP socket listens, on loopback."""
        return int(self.tcp.sock.getsockname()[1])

    @property
    def variables(self) -> dict[str, str]:
        """Of the process under attack."""
        return {"HOME": str(self.home), VARIABLE: self.environment_secret}

    def losses(self, told: Sequence[str]) -> frozenset[str]:
        """Which of `EVERYTHING` was lost; `told` is what came out of the run."""
        now = self._contents()
        sent = b"".join((*self.tcp.received, *self.unix.received)).decode("utf-8", "replace")
        planted = {path: text for path, text in now.items() if path not in self._files}
        out = "\n".join((*told, sent, *planted.values()))
        found = {
            "file read": self.file_secret in out,
            "environment read": self.environment_secret in out,
            "secret sent": self.file_secret in sent or self.environment_secret in sent,
            "TCP reached": bool(self.tcp.received),
            "Unix socket reached": bool(self.unix.received),
            "file changed": any(now.get(path, text) != text for path, text in self._files.items()),
            "file deleted": not self._files.keys() <= now.keys(),
            "file planted": bool(planted),
            "process killed": self.victim.poll() is not None,
        }
        return frozenset(name for name, lost in found.items() if lost)

    def _contents(self) -> dict[Path, str]:
        return {path: path.read_text() for path in self.home.rglob("*") if path.is_file()}


@contextlib.contextmanager
def laid_out(home: Path) -> Iterator[Bait]:
    """Bait in a folder that does not exist yet; its path is short, as a socket's name must be."""
    home.mkdir()
    with contextlib.ExitStack() as things:
        listeners: dict[int, Listener] = {}
        addresses: tuple[tuple[int, Any], ...] = (
            (socket.AF_INET, ("127.0.0.1", 0)),
            (socket.AF_UNIX, str(home / "agent.sock")),
        )
        for family, address in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.bind(address)
            listeners[family] = Listener(sock)
            things.callback(listeners[family].close)
        victim = subprocess.Popen(_SLEEPER)
        things.callback(victim.wait)
        things.callback(victim.kill)
        yield Bait(home, listeners[socket.AF_INET], listeners[socket.AF_UNIX], victim)
