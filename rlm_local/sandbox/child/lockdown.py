"""Confines this process for good, before it runs the first line it was not written with.

The layers, in order: parent-death signal, one thread, another user, namespaces, (the template
process's private root,) no new privileges, Landlock, capabilities, rlimits, seccomp. Engages what
a `Confinement` wants and says which layer the kernel refused; decides nothing.
"""

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from rlm_local.sandbox.child import identity, landlock, namespaces, private_root, seccomp
from rlm_local.sandbox.child.confinement import Confinement, NotConfined
from rlm_local.sandbox.child.syscalls import (
    MACHINE,
    KernelRefusal,
    drop_capabilities,
    prctl,
    syscall,
)

__all__ = ["LayerRefused", "Surroundings", "be_first_to_go", "confine", "die_with_parent", "layer"]

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_NR_UNSHARE = {"x86_64": 272, "aarch64": 97}
_CLONE_THREAD = 0x10000
_NICE = 10
_CPU_BACKSTOP_S = 24 * 3600
_NO_CORE = 1
"""Bytes: too short for any core file, and the one value at which no crash handler is run."""


class LayerRefused(OSError):
    """The kernel refused a layer that was wanted."""

    def __init__(self, layer: str, error: OSError) -> None:
        super().__init__(error.errno, str(error))
        self.layer = layer
        self.why = str(error)


class Surroundings:
    """What a lock-down goes by: plain values."""

    __slots__ = (
        "memory_bytes", "n_descriptors", "n_threads", "parent_pid", "proc_fd", "readable",
        "scratch_bytes",
    )  # fmt: skip

    def __init__(self, *, proc_fd: int, readable: tuple[str, ...]) -> None:
        self.proc_fd = proc_fd
        self.readable = readable
        self.parent_pid: int | None = None  # None: not to be seen from this PID namespace
        self.memory_bytes = resource.RLIM_INFINITY
        self.n_descriptors = 256
        self.n_threads = 64
        self.scratch_bytes = 0


def confine(plan: Confinement, around: Surroundings) -> None:
    """Lock this process down and fill in `plan.report`.

    Raises:
        LayerRefused: the kernel refused a layer; the process may be half confined.
        NotConfined: the process has more than one thread.
    """
    die_with_parent(around.parent_pid)
    os.nice(_NICE)
    if not plan.wanted:
        os.close(around.proc_fd)
        _limit({resource.RLIMIT_AS: around.memory_bytes, resource.RLIMIT_CORE: _NO_CORE})
        return
    _assert_one_thread()
    if plan.has("uid") and plan.uid is not None:
        with layer("uid"):
            identity.become(plan.uid)
        die_with_parent(around.parent_pid)  # the kernel forgets it with the user
    if plan.has("namespaces"):
        with layer("namespaces"):
            namespaces.enter_inner(around.proc_fd, with_mounts=bool(around.scratch_bytes))
            if around.scratch_bytes:
                private_root.mount_scratch(around.scratch_bytes)
    os.close(around.proc_fd)
    with layer("seccomp"):  # which needs it
        prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)
    plan.report["no_new_privs"] = "active"
    _engage(plan, around)
    _describe(plan, around)


def die_with_parent(parent_pid: int | None) -> None:
    """Have the kernel kill this process when its parent's thread that forked it ends."""
    prctl("PR_SET_PDEATHSIG", _PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent_pid is not None and os.getppid() != parent_pid:
        os._exit(0)  # it ended before the kernel was told


def be_first_to_go() -> None:
    """Let the kernel pick this process, not a model server, when memory is short."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("1000")
    except OSError:
        pass  # no /proc, or a score fixed from outside: the memory limit still holds


def _engage(plan: Confinement, around: Surroundings) -> None:
    if plan.has("landlock"):
        with layer("landlock"):
            writable = private_root.SCRATCH if around.scratch_bytes else None
            abi = landlock.restrict_to(around.readable, writable)
            plan.report["landlock"] = f"active: ABI {abi}"
    if plan.has("capabilities"):
        with layer("capabilities"):
            drop_capabilities()
    with layer("rlimits"):
        _limit(_limits(plan, around))
    if plan.has("seccomp"):
        with layer("seccomp"):
            if not seccomp.is_supported():
                raise KernelRefusal(f"no system call table for {MACHINE}", errno.ENOSYS)
            scratch = bool(around.scratch_bytes)
            program = seccomp.allow_list(os.getpid(), sealed=plan.sealed, scratch=scratch)
            seccomp.install(program)


def _limits(plan: Confinement, around: Surroundings) -> dict[int, int]:
    limits = {resource.RLIMIT_AS: around.memory_bytes, resource.RLIMIT_CORE: _NO_CORE}
    if plan.has("rlimits"):
        limits |= {
            resource.RLIMIT_FSIZE: around.scratch_bytes,
            resource.RLIMIT_NOFILE: around.n_descriptors,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_CPU: _CPU_BACKSTOP_S,
        }
        if _counts_threads(plan):
            limits[resource.RLIMIT_NPROC] = around.n_threads
    return limits


def _counts_threads(plan: Confinement) -> bool:
    """The kernel counts for an id in its namespace, and never for the host's root."""
    return plan.has("namespaces") and os.geteuid() != 0


def _describe(plan: Confinement, around: Surroundings) -> None:
    report = plan.report
    for name in ("namespaces", "capabilities", "rlimits", "seccomp"):
        if plan.has(name):
            report[name] = "active"
    report["sealed"] = "active" if plan.sealed else "off"
    if around.scratch_bytes:
        report["scratch"] = f"active: {around.scratch_bytes:,} bytes in memory"
    if os.geteuid() != 0:
        report["uid"] = f"active: {os.geteuid()}"
    if not plan.has("rlimits"):
        report["threads"] = report["rlimits"]
    elif _counts_threads(plan):
        report["threads"] = f"active: RLIMIT_NPROC {around.n_threads}"
    else:
        report["threads"] = "degraded: bounded by the address space only; RLIMIT_NPROC " + (
            "does not count for root" if os.geteuid() == 0 else "needs namespaces"
        )


@contextmanager
def layer(name: str) -> Iterator[None]:
    """What the kernel refuses in here is this layer's refusal."""
    try:
        yield
    except OSError as error:
        raise LayerRefused(name, error) from None


def _assert_one_thread() -> None:
    """Landlock covers the calling thread only."""
    try:
        syscall("unshare(THREAD)", _NR_UNSHARE[MACHINE], _CLONE_THREAD)
    except KernelRefusal as error:
        if error.errno == errno.EINVAL:
            raise NotConfined("the process is not single-threaded at its lock-down") from None
        _count_threads()  # unshare is not to be had at all; then /proc is still there


def _count_threads() -> None:
    try:
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError as error:
        raise NotConfined(f"cannot count this process's threads: {error}; mount /proc") from None
    if threads != 1:
        raise NotConfined(f"the process has {threads} threads at its lock-down, not one")


def _limit(limits: dict[int, int]) -> None:
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else errno.EINVAL
            raise KernelRefusal(f"setrlimit({kind}, {value})", number or 0) from None
