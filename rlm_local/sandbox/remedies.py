"""What to do where a layer of the sandbox is missing: one line for each cause a kernel names.

The cause is read from the failing call and its errno, as a REPL process reports them. Pure: looks
at no machine, so a line may name two places to look where one errno has two causes.
"""

import re
from dataclasses import dataclass

__all__ = ["remedy"]

_CAUSE = re.compile(r"(?P<call>[a-z0-9_]+(?:\([^)]*\))?): (?P<errno>E[A-Z0-9]+)\b")
_PAGE = 'docs/sandbox.md, "Hosts that lack a layer"'
_READABLE = (
    "put Python and its packages where users other than root can read them, or run as a user "
    "other than root"
)


@dataclass(frozen=True, slots=True)
class _Cause:
    """Layers, start of the failing call, errnos ("" stands for all), and what mends it."""

    layers: str
    call: str
    errnos: str
    fix: str

    def fits(self, layer: str, call: str, number: str) -> bool:
        return (
            layer in self.layers.split()
            and call.startswith(self.call)
            and (not self.errnos or number in self.errnos.split())
        )


_CAUSES = (
    _Cause(
        "landlock",
        "landlock_",
        "EOPNOTSUPP ENOTSUP",  # two names of one number
        "this kernel has Landlock and does not use it: put `landlock` first in the lsm= boot "
        "parameter, before what `cat /sys/kernel/security/lsm` prints",
    ),
    _Cause(
        "landlock",
        "landlock_",
        "ENOSYS EPERM EACCES",
        "use Linux 5.13 or newer with Landlock; in a container, a runtime whose seccomp profile "
        "lets the landlock_* calls through (Docker's does from version 23)",
    ),
    _Cause(
        "namespaces private_root",
        "unshare",
        "ENOSPC EUSERS",
        "no more namespaces are allowed: `sysctl user.max_user_namespaces=15000` (0 switches "
        "them off), and less nesting of containers",
    ),
    _Cause(
        "namespaces private_root",
        "unshare",
        "EACCES",
        "gVisor has no namespaces for programs in it, and nothing is to be done; elsewhere a "
        "security module withholds unshare, and its log names the rule",
    ),
    _Cause(
        "namespaces private_root",
        "unshare",
        "EPERM",
        "in a container, its seccomp profile withholds unshare: a profile that allows it brings "
        "them back; elsewhere `sysctl kernel.unprivileged_userns_clone=1`, where there is such a "
        "setting",
    ),
    _Cause(
        "namespaces private_root",
        "unshare",
        "",
        "use a kernel built with user, network, PID, mount, IPC, UTS and cgroup namespaces",
    ),
    _Cause(
        "namespaces private_root",
        "write(",
        "",
        "AppArmor restricts user namespaces here (Ubuntu does, from 23.10): give this interpreter "
        "the profile in docs/sandbox.md, or lift it for every program with `sysctl "
        "kernel.apparmor_restrict_unprivileged_userns=0`; for a container's root without "
        "capabilities: run as a user other than root",
    ),
    _Cause("namespaces private_root", "open(/proc)", "", "mount /proc"),
    _Cause(
        "private_root",
        "pivot_root",
        "EINVAL",
        "the root of this machine is the memory it booted from, which cannot be exchanged: boot "
        "with a root on a disk or an overlay",
    ),
    _Cause(
        "private_root",
        "",
        "ENOSYS",
        "use Linux 5.12 or newer; in a container, a runtime whose seccomp profile lets open_tree, "
        "mount_setattr and move_mount through",
    ),
    _Cause(
        "private_root",
        "",
        "EPERM EACCES",
        "a security profile withholds mounts (Docker's AppArmor profile and Ubuntu's for user "
        f"namespaces do): allow them for this program, see {_PAGE}",
    ),
    _Cause("uid", "read(", "", _READABLE),
    _Cause(
        "uid",
        "",
        "",
        "this container maps too few user ids to spare one: run as a user other than root, or "
        "give the container a range of ids",
    ),
    _Cause(
        "threads",
        "",
        "",
        "the kernel counts threads apart only in a user namespace, and not for root: mend "
        "namespaces or uid and this follows",
    ),
    _Cause(
        "seccomp",
        "",
        "",
        "use a kernel with CONFIG_SECCOMP_FILTER on x86-64 or aarch64; in a container, a profile "
        "that lets the seccomp system call through",
    ),
    _Cause(
        "rlimits capabilities no_new_privs",
        "",
        "",
        "run it where a process may lower its own limits and rights: setrlimit, capset, prctl",
    ),
)


def remedy(layer: str, state: str) -> str:
    """What to do about a layer in this state, such as "degraded: unshare: EPERM (...)"."""
    found = _CAUSE.search(state)
    call, number = (found["call"], found["errno"]) if found else ("", "")
    for cause in _CAUSES:
        if cause.fits(layer, call, number):
            return cause.fix
    return f"see {_PAGE}"
