"""Virtual environments of peers, one each, in the download folder of the benchmarks.

Made with pip and the Python that runs this; nothing is installed beside our own packages.
"""

import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.peers.catalogue import Peer, PeerError

__all__ = ["environment_of", "python_of", "set_up"]

_READY = "ready"
"""A file that stands in an environment when everything is installed; it names the packages."""


def environment_of(peer: Peer, folder: Path) -> Path:
    """Where the peer's environment is or would be."""
    return folder / "peers" / peer.name


def python_of(peer: Peer, folder: Path) -> Path:
    """The Python of the peer's environment.

    Raises:
        PeerError: it was not set up, or with other versions.
    """
    environment = environment_of(peer, folder)
    if not _is_ready(peer, environment):
        raise PeerError(
            f"{peer.name} is not installed: `python -m benchmarks.peers setup {peer.name}`"
        )
    return environment / "bin" / "python"


def set_up(peer: Peer, folder: Path) -> Path:
    """Make the environment and install the peer, unless that is done; returns its Python.

    Raises:
        PeerError: pip could not; its last lines are in the message.
    """
    environment = environment_of(peer, folder)
    if not _is_ready(peer, environment):
        venv.create(environment, with_pip=True, clear=True)
        command = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", *peer.packages],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            last = " | ".join(done.stdout.strip().splitlines()[-3:])
            raise PeerError(f"pip could not install {' '.join(peer.packages)}: {last}")
        (environment / _READY).write_text(_mark(peer), encoding="utf-8")
    return python_of(peer, folder)


def _is_ready(peer: Peer, environment: Path) -> bool:
    ready = environment / _READY
    return ready.exists() and ready.read_text("utf-8") == _mark(peer)


def _mark(peer: Peer) -> str:
    version = ".".join(map(str, sys.version_info[:2]))
    return "".join(f"{line}\n" for line in (*peer.packages, f"python {version}"))
