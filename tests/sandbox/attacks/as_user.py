"""Become an unprivileged user, who can still read this interpreter: root's way to be nobody.

A checkout or an interpreter below root's home (0700) is out of an ordinary user's reach. So, in a
mount namespace of its own, each folder that is in the way is covered by an empty one anybody may
pass, and what is needed is put back below it. Nothing outside the namespace changes.
"""

import ctypes
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

__all__ = ["USER", "become_user"]

USER = 64321
_CLONE_NEWNS = 0x20000
_MS_REC_PRIVATE = 0x4000 | 0x40000
_OPEN_TREE_CLONE, _AT_RECURSIVE = 1, 0x8000
_MOVE_MOUNT_F_EMPTY_PATH = 4
_AT_FDCWD = -100
_NR_OPEN_TREE, _NR_MOVE_MOUNT = 428, 429
_REPOSITORY = Path(__file__).resolve().parents[3]

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def become_user(arguments: list[str], module: str, *, stay_root: bool = False) -> NoReturn:
    """Replace this process by `python -m module arguments` of a user without rights.

    Where this process is no root already, it just goes on as it is. `stay_root`: only let the
    interpreter be readable for anybody, as one that a distribution installs is.
    """
    command = [sys.executable, "-m", module, *arguments]
    home = os.environ.get("TMPDIR") or tempfile.mkdtemp(prefix="rlm-user-")
    environment = {**os.environ, "HOME": home, "TMPDIR": home}
    if os.geteuid() == 0:
        Path(home).chmod(0o755)
        if not stay_root:
            os.chown(home, USER, USER)
        _uncover([Path(home), *_needed()])
    if os.geteuid() == 0 and not stay_root:
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
    os.chdir(_REPOSITORY)
    os.execve(command[0], command, environment)


def _needed() -> list[Path]:
    """What a user must be able to reach: this interpreter, its packages, this repository."""
    own = [Path(sys.base_prefix), Path(sys.prefix), _REPOSITORY, *map(Path, sys.path)]
    return [path.resolve() for path in own if path.is_dir()]


def _uncover(paths: list[Path]) -> None:
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _check(_libc.mount(None, b"/", None, _MS_REC_PRIVATE, None), "mount private")
    in_the_way = {above for path in paths for above in path.parents if not _is_passable(above)}
    highest = [path for path in in_the_way if not in_the_way & set(path.parents)]
    for cover in highest:
        behind = [path for path in paths if cover in path.parents]
        trees = {path: _open_tree(path) for path in _outermost(behind)}
        _check(_libc.mount(b"tmpfs", os.fsencode(cover), b"tmpfs", 0, b"mode=0755"), "mount tmpfs")
        for path, tree in trees.items():
            path.mkdir(parents=True)
            _put_back(tree, path)


def _outermost(paths: list[Path]) -> list[Path]:
    return [path for path in set(paths) if not set(path.parents) & set(paths)]


def _is_passable(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)


def _open_tree(path: Path) -> int:
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    tree = _libc.syscall(_NR_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags)
    _check(0 if tree >= 0 else -1, f"open_tree {path}")
    return int(tree)


def _put_back(tree: int, path: Path) -> None:
    moved = _libc.syscall(
        _NR_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(path), _MOVE_MOUNT_F_EMPTY_PATH
    )
    _check(int(moved), f"move_mount {path}")
    os.close(tree)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
