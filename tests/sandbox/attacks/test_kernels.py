"""On kernels and in containers that lack something: what is left holds, and says what is missing.

The kernels are simulated by an outer seccomp filter in a process of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.attacks.campaign import Verdict
from tests.sandbox.attacks.catalogue import ATTACKS
from tests.sandbox.simulated_kernels import KERNELS, command

# One of each kind: every attack in every kernel would say no more and take minutes.
SOME = (
    "read", "read what all may read", "list", "create", "chmod", "stat", "unlink",
    "list processes", "tcp", "udp", "unix datagram", "abstract stream", "pair by sendto",
    "netlink route", "environment of a process", "read the host's memory", "attach to a process",
    "kill a process", "kill another REPL", "signal by F_SETOWN", "limit a process", "fork",
    "run a program", "memory file", "the host's shared memory", "a user namespace",
    "another filter", "inherited descriptors", "environment by C",
)  # fmt: skip
ACTIVE = "active"
NO_LANDLOCK = "degraded: landlock_create_ruleset: "
NO_USERNS = "degraded: unshare: "
NO_MAP = "degraded: write(uid_map): EPERM"
UNNEEDED = "off"

# Kernel -> how namespaces, private root and Landlock stand, and whether cells are sealed.
REPORTS: dict[str, tuple[str, str, str, str]] = {
    "landlock-missing": (ACTIVE, ACTIVE, NO_LANDLOCK + "ENOSYS", UNNEEDED),
    "landlock-disabled": (ACTIVE, ACTIVE, NO_LANDLOCK + "ENOTSUP", UNNEEDED),
    "userns-refused": (NO_USERNS + "EPERM", "degraded: needs namespaces", ACTIVE, UNNEEDED),
    "userns-limit-0": (NO_USERNS + "ENOSPC", "degraded: needs namespaces", ACTIVE, UNNEEDED),
    "pidns-refused": (NO_USERNS + "EPERM", "degraded: needs namespaces", ACTIVE, UNNEEDED),
    "uid-map-refused": (NO_MAP, "degraded: needs namespaces", ACTIVE, UNNEEDED),
    "mount-refused": (ACTIVE, "degraded: open_tree: EPERM", ACTIVE, UNNEEDED),
    "pivot-refused": (ACTIVE, "degraded: pivot_root: EINVAL", ACTIVE, UNNEEDED),
    "mount-setattr-missing": (ACTIVE, "degraded: mount_setattr: ENOSYS", ACTIVE, UNNEEDED),
    "new-mount-calls-missing": (ACTIVE, "degraded: open_tree: ENOSYS", ACTIVE, UNNEEDED),
    "uid-refused": (ACTIVE, ACTIVE, ACTIVE, UNNEEDED),
    "docker": (NO_USERNS + "EPERM", "degraded: needs namespaces", ACTIVE, UNNEEDED),
    "docker-old": (
        NO_USERNS + "EPERM", "degraded: needs namespaces", NO_LANDLOCK + "EPERM", ACTIVE
    ),
    "ubuntu-24.04": (NO_MAP, "degraded: needs namespaces", ACTIVE, UNNEEDED),
    "kernel-5.4": (
        ACTIVE, "degraded: mount_setattr: ENOSYS", NO_LANDLOCK + "ENOSYS", ACTIVE
    ),
    "kernel-5.10": (
        ACTIVE, "degraded: mount_setattr: ENOSYS", NO_LANDLOCK + "ENOSYS", ACTIVE
    ),
    "gvisor": (NO_USERNS + "EACCES", "degraded: needs namespaces", NO_LANDLOCK + "ENOSYS", ACTIVE),
    "landlock-missing,userns-refused": (
        NO_USERNS + "EPERM", "degraded: needs namespaces", NO_LANDLOCK + "ENOSYS", ACTIVE
    ),
    "landlock-missing,mount-refused": (
        ACTIVE, "degraded: open_tree: EPERM", NO_LANDLOCK + "ENOSYS", ACTIVE
    ),
    "landlock-missing,ubuntu-24.04": (
        NO_MAP, "degraded: needs namespaces", NO_LANDLOCK + "ENOSYS", ACTIVE
    ),
}  # fmt: skip
# As the unprivileged have none anyway, their namespaces are no worse.
AS_ROOT_ONLY = {"caps-dropped": (NO_MAP, "degraded: needs namespaces", ACTIVE, UNNEEDED)}
REFUSALS = {
    "no-seccomp": "seccomp is not available: seccomp: EINVAL",
    "no-new-privs-refused": "prctl(PR_SET_NO_NEW_PRIVS): EPERM",
    "rlimits-refused": "rlimits is not available: setrlimit(",
    "no-seccomp,landlock-missing,userns-refused": "seccomp is not available",
}


def judge(kernel: str, folder: Path, *arguments: str) -> Verdict:
    attacks = ["-m", "tests.sandbox.attacks", "--quiet", "--cases", ",".join(SOME), *arguments]
    ran = subprocess.run(
        command(kernel.split(","), *attacks),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert not ran.stderr, ran.stderr
    return Verdict.from_json(ran.stdout.splitlines()[-1])


def as_user(kernel: str, folder: Path) -> Verdict:
    """The same, with the kernel put around a host that has become nobody before."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.attacks.kernel_of_user", kernel, ",".join(SOME)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert not ran.stderr, ran.stderr
    return Verdict.from_json(ran.stdout.splitlines()[-1])


def check(verdict: Verdict, expected: tuple[str, str, str, str]) -> None:
    assert verdict.refused is None
    report = verdict.report
    layers = ("namespaces", "private_root", "landlock", "sealed")
    for layer, state in zip(layers, expected, strict=True):
        assert report[layer].startswith(state), (layer, report[layer])
    for layer in ("seccomp", "no_new_privs", "capabilities", "rlimits"):
        assert report[layer] == "active", (layer, report[layer])
    assert not verdict.unlike
    hides_metadata = "active" in (report["private_root"][:6], report["sealed"][:6])
    assert verdict.breached == (set() if hides_metadata else {"stat"})


@pytest.mark.parametrize("kernel", REPORTS | (AS_ROOT_ONLY if os.geteuid() == 0 else {}))
def test_what_is_left_holds_and_what_is_missing_is_told(kernel: str, tmp_path: Path) -> None:
    check(judge(kernel, tmp_path), (REPORTS | AS_ROOT_ONLY)[kernel])


@pytest.mark.parametrize(
    "kernel", ["userns-refused", "ubuntu-24.04", "docker-old", "landlock-missing"]
)
def test_it_is_the_same_for_a_host_that_is_nobody(kernel: str, tmp_path: Path) -> None:
    check(as_user(kernel, tmp_path), REPORTS[kernel])


@pytest.mark.parametrize("kernel", REFUSALS)
def test_without_what_is_required_nothing_starts(kernel: str, tmp_path: Path) -> None:
    verdict = judge(kernel, tmp_path)
    assert verdict.refused is not None
    assert REFUSALS[kernel] in verdict.refused


@pytest.mark.parametrize("kernel", ["landlock-missing", "userns-refused", "mount-refused"])
def test_require_full_refuses_what_lacks_a_layer(kernel: str, tmp_path: Path) -> None:
    verdict = judge(kernel, tmp_path, "--policy", "require-full")
    assert verdict.refused is not None
    assert "require-full" in verdict.refused


def test_every_simulated_kernel_is_tried() -> None:
    tried = {name for names in (REPORTS, AS_ROOT_ONLY, REFUSALS) for name in names}
    assert set(KERNELS) <= tried
    assert set(SOME) <= set(ATTACKS)
