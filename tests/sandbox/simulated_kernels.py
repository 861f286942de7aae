"""Outer seccomp filters that stand in for older kernels, containers and other distributions.

``python -m tests.sandbox.simulated_kernels NAME[,NAME...] -- PROGRAM ARGUMENT...`` becomes the
program on a kernel that refuses what those names stand for. Needs no privileges. What a filter
cannot do is answer differently, such as with an older Landlock ABI.
"""

import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rlm_local.sandbox.child import seccomp
from rlm_local.sandbox.child.seccomp import Refusal
from rlm_local.sandbox.child.syscalls import MACHINE, drop_capabilities, prctl

__all__ = ["KERNELS", "NUMBERS", "SimulatedKernel", "become", "command"]

# name, x86-64 number, aarch64 number
_CALLS = """
    clone 56 220; clone3 435 435; unshare 272 97; setns 308 268; mount 165 40; umount2 166 39;
    pivot_root 155 41; chroot 161 51; open_tree 428 428; move_mount 429 429; fsopen 430 430;
    fsconfig 431 431; fsmount 432 432; fspick 433 433; mount_setattr 442 442;
    landlock_create_ruleset 444 444; landlock_add_rule 445 445; landlock_restrict_self 446 446;
    seccomp 317 277; prctl 157 167; setrlimit 160 164; prlimit64 302 261; writev 20 66;
    setuid 105 146; setgid 106 144; setgroups 116 159; setresuid 117 147; setresgid 119 149;
    keyctl 250 219; add_key 248 217; request_key 249 218; bpf 321 280; perf_event_open 298 241;
    userfaultfd 323 282; io_uring_setup 425 425; io_uring_enter 426 426; io_uring_register 427 427;
    close_range 436 436; pidfd_open 434 434; memfd_create 319 279
"""
_COLUMN = 1 if MACHINE == "x86_64" else 2
_ROWS = (row.split() for row in _CALLS.split(";"))
NUMBERS = {row[0]: int(row[_COLUMN]) for row in _ROWS}
"""Call name -> its number on this machine."""

_INT, _WORD = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
_NEWUSER, _NEWPID = 0x10000000, 0x20000000
_NAMESPACES = (
    0x00020000, 0x02000000, 0x04000000, 0x08000000, _NEWUSER, _NEWPID, 0x40000000,
)  # fmt: skip
"""CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET."""
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22
_RLIMIT_MSGQUEUE = 12
_NEWEST_OF_5_4, _NEWEST_OF_5_10, _NEWEST_KNOWN = 435, 440, 480


@dataclass(frozen=True, slots=True)
class SimulatedKernel:
    """What it refuses: always (`calls`: name -> errno), or for some arguments (`when`)."""

    about: str
    calls: dict[str, int]
    when: tuple[Refusal, ...] = ()
    missing_from: int = 0
    """Calls from this number on are not there: they were added later; 0: all are there."""
    has_capabilities: bool = True


def _with_flag(name: str, flags: Sequence[int], code: int) -> tuple[Refusal, ...]:
    """The call with any of these bits in its first argument."""
    return tuple((NUMBERS[name], ((0, flag, (flag,)),), code) for flag in flags)


def _every(names: str, code: int) -> dict[str, int]:
    return dict.fromkeys(names.split(), code)


_LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
_MOUNTS = (
    "mount umount2 pivot_root open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr"
)
_NO_USERNS = {**_every("unshare setns", errno.EPERM), "clone3": errno.ENOSYS}
_NO_USERNS_CLONE = _with_flag("clone", _NAMESPACES, errno.EPERM)
_DOCKER = {
    **_NO_USERNS,
    **_every(_MOUNTS, errno.EPERM),
    **_every("keyctl add_key request_key bpf perf_event_open userfaultfd", errno.EPERM),
    **_every("io_uring_setup io_uring_enter io_uring_register", errno.EPERM),
}
_NO_MSGQUEUE: tuple[Refusal, ...] = (
    (NUMBERS["prlimit64"], ((2, _WORD, (0,)),), 0),  # only asked for
    (NUMBERS["prlimit64"], ((1, _INT, (_RLIMIT_MSGQUEUE,)),), errno.EPERM),
    (NUMBERS["setrlimit"], ((0, _INT, (_RLIMIT_MSGQUEUE,)),), errno.EPERM),
)

KERNELS: dict[str, SimulatedKernel] = {
    "landlock-missing": SimulatedKernel(
        "before 5.13, or built without Landlock", _every(_LANDLOCK, errno.ENOSYS)
    ),
    "landlock-disabled": SimulatedKernel(
        "Landlock is built in but not in the lsm= list", _every(_LANDLOCK, errno.EOPNOTSUPP)
    ),
    "userns-refused": SimulatedKernel(
        "no new namespaces, as under Docker's default profile", _NO_USERNS, _NO_USERNS_CLONE
    ),
    "userns-limit-0": SimulatedKernel(
        "user.max_user_namespaces = 0",
        {"clone3": errno.ENOSYS},
        _with_flag("unshare", [_NEWUSER], errno.ENOSPC)
        + _with_flag("clone", [_NEWUSER], errno.ENOSPC),
    ),
    "pidns-refused": SimulatedKernel(
        "every namespace but the PID one",
        {"clone3": errno.ENOSYS},
        _with_flag("unshare", [_NEWPID], errno.EPERM) + _with_flag("clone", [_NEWPID], errno.EPERM),
    ),
    "uid-map-refused": SimulatedKernel(
        "Ubuntu 24.04's AppArmor: unshare succeeds, the maps cannot be written",
        {"writev": errno.EPERM},
    ),
    "mount-refused": SimulatedKernel(
        "namespaces, but no mounts in them", _every(_MOUNTS, errno.EPERM)
    ),
    "pivot-refused": SimulatedKernel(
        "the root is a ramfs: mounts, but no pivot_root", {"pivot_root": errno.EINVAL}
    ),
    "mount-setattr-missing": SimulatedKernel("before 5.12", {"mount_setattr": errno.ENOSYS}),
    "new-mount-calls-missing": SimulatedKernel(
        "before 5.2",
        _every("open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr", errno.ENOSYS),
    ),
    "uid-refused": SimulatedKernel(
        "root may not become another user",
        _every("setuid setgid setgroups setresuid setresgid", errno.EPERM),
    ),
    "no-seccomp": SimulatedKernel(
        "filters are not built in, or blocked by a container",
        {"seccomp": errno.EINVAL},
        ((NUMBERS["prctl"], ((0, _INT, (_PR_SET_SECCOMP,)),), errno.EINVAL),),
    ),
    "no-new-privs-refused": SimulatedKernel(
        "PR_SET_NO_NEW_PRIVS fails",
        {},
        ((NUMBERS["prctl"], ((0, _INT, (_PR_SET_NO_NEW_PRIVS,)),), errno.EPERM),),
    ),
    "rlimits-refused": SimulatedKernel(
        "limits can be asked for but not set",
        {"setrlimit": errno.EPERM},
        (
            (NUMBERS["prlimit64"], ((2, _WORD, (0,)),), 0),
            (NUMBERS["prlimit64"], (), errno.EPERM),
        ),
    ),
    "caps-dropped": SimulatedKernel(
        "a container's root without a single capability", {}, has_capabilities=False
    ),
    "docker": SimulatedKernel("Docker's default profile", _DOCKER, _NO_USERNS_CLONE),
    "docker-old": SimulatedKernel(
        "Docker's default profile before it let the Landlock calls pass",
        {**_DOCKER, **_every(_LANDLOCK, errno.EPERM)},
        _NO_USERNS_CLONE,
    ),
    "ubuntu-24.04": SimulatedKernel("uid-map-refused; Landlock is there", {"writev": errno.EPERM}),
    "kernel-5.4": SimulatedKernel(
        "no call that came after 5.4, Landlock among them", {}, missing_from=_NEWEST_OF_5_4 + 1
    ),
    "kernel-5.10": SimulatedKernel(
        "no call that came after 5.10", {}, missing_from=_NEWEST_OF_5_10 + 1
    ),
    "gvisor": SimulatedKernel(
        "gVisor: no namespaces, no Landlock, an rlimit that cannot be set",
        {"unshare": errno.EACCES, **_every(_LANDLOCK, errno.ENOSYS)},
        _NO_MSGQUEUE,
    ),
}
"""By name; names given together refuse what each of them refuses."""


def become(names: Sequence[str]) -> None:
    """Put this process, for good, on the simulated kernels of those names."""
    chosen = [KERNELS[name] for name in names]
    if not all(kernel.has_capabilities for kernel in chosen):
        drop_capabilities()
    refusals: dict[int, int] = {}
    when: list[Refusal] = []
    for kernel in chosen:
        if kernel.missing_from:
            late = range(kernel.missing_from, _NEWEST_KNOWN)
            refusals |= dict.fromkeys(late, errno.ENOSYS)
        refusals |= {NUMBERS[name]: code for name, code in kernel.calls.items()}
        when += kernel.when
    prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(seccomp.refuse_list(refusals, when))


def command(names: Sequence[str], *arguments: str) -> list[str]:
    """The command line that runs this Python with `arguments` on those simulated kernels.

    Run it in the repository root.
    """
    return [sys.executable, "-m", __name__, ",".join(names), "--", sys.executable, *arguments]


def main(arguments: Sequence[str]) -> None:
    """Become the program; see the module's docstring."""
    if len(arguments) < 3 or arguments[1] != "--":
        told = "\n".join(f"  {name}: {kernel.about}" for name, kernel in KERNELS.items())
        raise SystemExit(f"usage: NAME[,NAME...] -- PROGRAM ARGUMENT...\n{told}")
    names = [name for name in arguments[0].split(",") if name]
    unknown = sorted(set(names) - set(KERNELS))
    if unknown:
        raise SystemExit(f"no such kernel: {', '.join(unknown)}; there are {', '.join(KERNELS)}")
    become(names)
    os.execvp(arguments[2], list(arguments[2:]))


if __name__ == "__main__":
    main(sys.argv[1:])
