"""Each simulated kernel refuses what it says, with the errno it says, and nothing else."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.simulated_kernels import KERNELS, NUMBERS, command

_ROOT = Path(__file__).resolve().parents[2]
_NEWNS, _NEWUSER, _NEWPID, _THREAD = 0x20000, 0x10000000, 0x20000000, 0x10000
# What is tried, with arguments that no kernel acts upon; the namespaces come last.
_TRIES: dict[str, tuple[str, list[int]]] = {
    "landlock version": ("landlock_create_ruleset", [0, 0, 1]),
    "landlock restrict": ("landlock_restrict_self", [2**32 - 1, 0]),
    "clone a user namespace": ("clone", [_NEWUSER | _THREAD]),
    "clone a process namespace": ("clone", [_NEWPID | _THREAD]),
    "clone3": ("clone3", [0, 0]),
    "setns": ("setns", [2**32 - 1, 0]),
    "mount": ("mount", [0, 0, 0, 0, 1]),
    "pivot_root": ("pivot_root", [0, 0]),
    "open_tree": ("open_tree", [2**32 - 1, 0, 0]),
    "mount_setattr": ("mount_setattr", [2**32 - 1, 0, 0, 0, 0]),
    "write the maps": ("writev", [2**32 - 1, 0, 0]),
    "become another": ("setresuid", [2**32 - 1, 2**32 - 1, 2**32 - 1]),
    "filter": ("seccomp", [1, 0, 0]),
    "filter by prctl": ("prctl", [22, 2, 0]),
    "no new privileges": ("prctl", [38, 1, 0, 0, 0]),
    "name": ("prctl", [15, 0]),
    "read a limit": ("prlimit64", [0, 12, 0, 0]),
    "set the queues' limit": ("prlimit64", [0, 12, 1, 0]),
    "set another limit": ("prlimit64", [0, 4, 1, 0]),
    "close_range": ("close_range", [9, 8, 0]),
    "pidfd": ("pidfd_open", [2**32 - 1, 0]),
    "io_uring": ("io_uring_setup", [0, 0]),
    "a process namespace": ("unshare", [_NEWPID]),
    "a user namespace": ("unshare", [_NEWUSER]),
}
_PROBE = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
with open("/proc/self/status") as status:
    capabilities = [line.split()[1] for line in status if line.startswith("CapEff")]
found = {"has capabilities": int(capabilities != ["0" * 16])}
for name, (number, arguments) in json.loads(sys.argv[1]).items():
    ctypes.set_errno(0)
    failed = libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, arguments)) == -1
    found[name] = ctypes.get_errno() if failed else 0
print(json.dumps(found))
"""


def _differences(name: str) -> dict[str, int]:
    """What is another errno there than here; the probe has no new privileges in both."""
    tries = json.dumps({t: (NUMBERS[call], given) for t, (call, given) in _TRIES.items()})
    found: list[dict[str, int]] = []
    for names in ([], [name]):
        line = command(names, "-c", _PROBE, tries)
        done = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
    here, there = found
    return {what: there[what] for what in here if there[what] != here[what]}


_NO_LANDLOCK = ("landlock version", "landlock restrict")
_NO_USERNS = {
    "clone a user namespace": errno.EPERM,
    "clone a process namespace": errno.EPERM,
    "clone3": errno.ENOSYS,
    "setns": errno.EPERM,
    "a user namespace": errno.EPERM,
    "a process namespace": errno.EPERM,
}
_NO_MOUNTS = dict.fromkeys(("mount", "pivot_root", "open_tree", "mount_setattr"), errno.EPERM)
_DOCKER = {**_NO_USERNS, **_NO_MOUNTS, "io_uring": errno.EPERM}
_EXPECTED: dict[str, dict[str, int]] = {
    "landlock-missing": dict.fromkeys(_NO_LANDLOCK, errno.ENOSYS),
    "landlock-disabled": dict.fromkeys(_NO_LANDLOCK, errno.EOPNOTSUPP),
    "userns-refused": _NO_USERNS,
    "userns-limit-0": {
        "clone a user namespace": errno.ENOSPC,
        "clone3": errno.ENOSYS,
        "a user namespace": errno.ENOSPC,
    },
    "pidns-refused": {
        "clone a process namespace": errno.EPERM,
        "clone3": errno.ENOSYS,
        "a process namespace": errno.EPERM,
    },
    "uid-map-refused": {"write the maps": errno.EPERM},
    "ubuntu-24.04": {"write the maps": errno.EPERM},
    "mount-refused": _NO_MOUNTS,
    "pivot-refused": {"pivot_root": errno.EINVAL},
    "mount-setattr-missing": {"mount_setattr": errno.ENOSYS},
    "new-mount-calls-missing": dict.fromkeys(("open_tree", "mount_setattr"), errno.ENOSYS),
    "uid-refused": {"become another": errno.EPERM},
    "no-seccomp": {"filter": errno.EINVAL, "filter by prctl": errno.EINVAL},
    "no-new-privs-refused": {"no new privileges": errno.EPERM},
    "rlimits-refused": dict.fromkeys(("set the queues' limit", "set another limit"), errno.EPERM),
    "caps-dropped": {
        "has capabilities": 0,
        **dict.fromkeys(("mount", "pivot_root", "a process namespace"), errno.EPERM),
    },
    "docker": _DOCKER,
    "docker-old": {**_DOCKER, **dict.fromkeys(_NO_LANDLOCK, errno.EPERM)},
    "kernel-5.4": dict.fromkeys((*_NO_LANDLOCK, "mount_setattr", "close_range"), errno.ENOSYS),
    "kernel-5.10": dict.fromkeys((*_NO_LANDLOCK, "mount_setattr"), errno.ENOSYS),
    "gvisor": {
        **dict.fromkeys(_NO_LANDLOCK, errno.ENOSYS),
        "a process namespace": errno.EACCES,
        "a user namespace": errno.EACCES,
        "set the queues' limit": errno.EPERM,
    },
}


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_a_simulated_kernel_refuses_what_it_says(name: str) -> None:
    """An errno that this machine gives anyway is no difference, and not looked for."""
    assert _differences(name).items() <= _EXPECTED[name].items()


def test_an_unknown_name_is_told() -> None:
    line = [sys.executable, "-m", "tests.sandbox.simulated_kernels", "plan9", "--", "true"]
    done = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no such kernel: plan9; there are landlock-missing" in done.stderr
