"""A root directory that holds nothing but what a REPL may read: read-only mounts in a tmpfs.

No home, no /proc, no /dev, no /tmp. For a process in a user and a mount namespace of its own;
the rest of the tree is detached from it for good. Paths stay the same inside, links included.
"""

import ctypes
import os
import stat
import struct

from rlm_local.sandbox.child.syscalls import MACHINE, syscall

__all__ = ["SCRATCH", "RootPlan", "enter", "mount_scratch", "plan_root"]

SCRATCH = "/scratch"
"""Where a REPL may write files, if anywhere."""

_NR_MOUNT = {"x86_64": 165, "aarch64": 40}
_NR_UMOUNT2 = {"x86_64": 166, "aarch64": 39}
_NR_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_NR_OPEN_TREE, _NR_MOVE_MOUNT, _NR_MOUNT_SETATTR = 428, 429, 442  # the same everywhere
_OPEN_TREE_CLONE, _AT_RECURSIVE, _AT_EMPTY_PATH, _AT_FDCWD = 1, 0x8000, 0x1000, -100
_MOVE_MOUNT_F_EMPTY_PATH = 4
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 32, 4096
_MS_REC, _MS_PRIVATE = 16384, 1 << 18
_MNT_DETACH = 2
_STAGES = ("/tmp", "/mnt", "/run", "/var", "/usr")  # where to put it together
_MAX_LINKS = 40


class RootPlan:
    """What the root holds: real paths to show, and links (path -> target) that lead to them."""

    __slots__ = ("has_scratch", "links", "shown")

    def __init__(self) -> None:
        self.has_scratch = False
        self.shown: list[str] = []
        self.links: dict[str, str] = {}

    @property
    def top_names(self) -> frozenset[str]:
        """What a listing of `/` gives inside."""
        scratch = (SCRATCH,) if self.has_scratch else ()
        return frozenset(path.split("/")[1] for path in (*self.shown, *self.links, *scratch))


def plan_root(readable: tuple[str, ...]) -> RootPlan:
    """Which mounts and links make `readable` readable; paths that do not exist are passed over."""
    plan = RootPlan()
    found = set()
    for path in readable:
        links: dict[str, str] = {}
        real = _resolve(path, links)
        if real is not None:
            found.add(real)
            plan.links.update(links)
    for path in sorted(found):
        if not any(_is_below(path, shown) for shown in plan.shown):
            plan.shown.append(path)
    plan.links = {
        link: target
        for link, target in plan.links.items()
        if not any(_is_below(link, shown) for shown in plan.shown)
    }
    return plan


def enter(plan: RootPlan) -> None:
    """Make the planned root this process's, and detach the old one.

    Raises:
        KernelRefusal: naming the call; the process is of no use then.
    """
    trees = [(path, _clone(path)) for path in plan.shown]
    stage = next(path for path in _STAGES if os.path.isdir(path))  # noqa: PTH112
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE, None)
    _mount("tmpfs", stage, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=1m")
    for path, tree in trees:
        _attach(tree, stage + path)
        os.close(tree)
    for link, target in plan.links.items():
        _make_folders(os.path.dirname(stage + link))  # noqa: PTH120
        os.symlink(target, stage + link)  # noqa: PTH211
    if plan.has_scratch:
        _make_folders(stage + SCRATCH)
    os.chdir(stage)
    here = ctypes.c_char_p(b".")
    syscall("pivot_root", _NR_PIVOT_ROOT[MACHINE], here, here)
    syscall("umount2", _NR_UMOUNT2[MACHINE], here, _MNT_DETACH)
    os.chdir("/")
    flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV
    _mount(None, "/", None, flags, None)


def mount_scratch(n_bytes: int) -> None:
    """Mount an empty folder of that size, kept in memory, and work in it from here on.

    For a process with its own mounts.

    Raises:
        KernelRefusal: naming the call.
    """
    # Inodes are memory too, and not counted by size.
    options = f"mode=700,size={n_bytes},nr_inodes={max(64, n_bytes >> 12)}"
    _mount("tmpfs", SCRATCH, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    os.chdir(SCRATCH)


def _resolve(path: str, links: dict[str, str]) -> str | None:
    """The real path, and every link on the way; None when there is no such path."""
    done, left = "", [part for part in path.split("/") if part]
    followed = 0
    while left:
        part = left.pop(0)
        if part in {".", ".."}:
            if part == "..":
                done = done.rpartition("/")[0]
            continue
        here = f"{done}/{part}"
        try:
            is_link = stat.S_ISLNK(os.lstat(here).st_mode)
            target = os.readlink(here) if is_link else ""  # noqa: PTH115
        except OSError:
            return None
        if not is_link:
            done = here
            continue
        followed += 1
        if followed > _MAX_LINKS:
            return None
        links[here] = target
        done = "" if target.startswith("/") else done
        left = [part for part in target.split("/") if part] + left
    return done or None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _clone(path: str) -> int:
    """A detached copy of what is mounted at `path`, and below it, all read-only."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE
    tree = syscall("open_tree", _NR_OPEN_TREE, _AT_FDCWD, _c_path(path), flags)
    attributes = struct.pack("QQQQ", _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV, 0, 0, 0)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    empty, where = ctypes.c_char_p(b""), _AT_EMPTY_PATH | _AT_RECURSIVE
    syscall("mount_setattr", _NR_MOUNT_SETATTR, tree, empty, where, buffer, len(attributes))
    return tree


def _attach(tree: int, place: str) -> None:
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        _make_folders(place)
    else:
        _make_folders(os.path.dirname(place))  # noqa: PTH120
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    empty = ctypes.c_char_p(b"")
    how = _MOVE_MOUNT_F_EMPTY_PATH
    syscall("move_mount", _NR_MOVE_MOUNT, tree, empty, _AT_FDCWD, _c_path(place), how)


def _make_folders(path: str) -> None:
    """Searchable for everybody: whom the REPL becomes is not who makes them."""
    if os.path.isdir(path):  # noqa: PTH112
        return
    _make_folders(os.path.dirname(path))  # noqa: PTH120
    os.mkdir(path, 0o755)  # noqa: PTH102
    os.chmod(path, 0o755)  # noqa: PTH101  # whatever the umask is


def _mount(source: str | None, place: str, kind: str | None, flags: int, data: str | None) -> None:
    texts = [_c_path(text) for text in (source, place, kind, data)]
    syscall("mount", _NR_MOUNT[MACHINE], texts[0], texts[1], texts[2], flags, texts[3])


def _c_path(text: str | None) -> ctypes.c_char_p:
    return ctypes.c_char_p(None if text is None else os.fsencode(text))
