"""Confines this process for good, before it runs the first line it was not written with.

The layers, in order: parent-death signal, one thread, no new privileges, Landlock, capabilities,
rlimits, seccomp. Which of them a policy asks for and the kernel gives is a `Confinement`, found
out once in a throw-away child. Namespaces and a private root go between `no_new_privs` and
Landlock; they are not built yet and are reported as off.
"""

import json
import os
import resource
import signal

from rlm_local.sandbox.child import landlock, seccomp
from rlm_local.sandbox.child.syscalls import MACHINE, KernelRefusal, drop_capabilities, prctl

__all__ = [
    "Confinement",
    "NotConfined",
    "choose_layers",
    "confine",
    "die_with_parent",
    "probe_layers",
]

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_NICE = 10
_CPU_BACKSTOP_S = 24 * 3600
_FIX = {
    "landlock": "Landlock needs Linux 5.13 or newer with `landlock` in its lsm= list",
    "seccomp": "the container or kernel blocks seccomp filters; allow the seccomp system call, "
    "or ask for sandbox off to run without protection",
}


class NotConfined(RuntimeError):
    """The process cannot be confined as asked; the message names the call and what to do."""


class Confinement:
    """What to switch on. `report` says for each layer "active", "degraded: why" or "off"."""

    __slots__ = ("landlock", "report", "sealed", "seccomp")

    def __init__(self, *, landlock: bool, seccomp: bool, sealed: bool) -> None:
        self.landlock = landlock
        self.seccomp = seccomp
        self.sealed = sealed
        self.report: dict[str, str] = {"namespaces": "off", "private_root": "off"}
        for layer in ("landlock", "seccomp", "no_new_privs", "capabilities", "rlimits"):
            self.report[layer] = "off"
        self.report["sealed"] = "active" if sealed else "off"


def probe_layers() -> dict[str, str]:
    """What the kernel refuses: layer -> failing call and errno. Tried in a child that then ends."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(sender, json.dumps(_try_layers()).encode("ascii"))
        finally:
            os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    if not answer:
        return dict.fromkeys(("landlock", "seccomp"), "the probe process was killed")
    return {str(layer): str(why) for layer, why in json.loads(answer).items()}


def choose_layers(policy: str, refused: dict[str, str]) -> Confinement:
    """What `policy` comes to where the kernel refuses what `probe_layers` found.

    Raises:
        NotConfined: a required layer is not to be had.
    """
    if policy == "off":
        return Confinement(landlock=False, seccomp=False, sealed=False)
    if "seccomp" in refused:
        raise NotConfined(f"seccomp is not available: {refused['seccomp']}; {_FIX['seccomp']}")
    if policy == "require-full" and "landlock" in refused:
        raise NotConfined(
            f"sandbox require-full needs Landlock: {refused['landlock']}; {_FIX['landlock']}"
        )
    with_landlock = "landlock" not in refused
    chosen = Confinement(
        landlock=with_landlock, seccomp=True, sealed=policy == "sealed" or not with_landlock
    )
    if not with_landlock:
        chosen.report["landlock"] = f"degraded: {refused['landlock']}; {_FIX['landlock']}"
    return chosen


def confine(
    chosen: Confinement, *, readable: tuple[str, ...], memory_bytes: int, parent_pid: int
) -> None:
    """Lock this process down and fill in `chosen.report`.

    Raises:
        NotConfined: a layer that was chosen failed, or the process has more than one thread.
    """
    die_with_parent(parent_pid)
    _be_first_to_go()
    threads = _count_threads()
    if threads != 1:
        raise NotConfined(f"the process has {threads} threads before its lock-down, not one")
    if not chosen.seccomp:
        _limit({resource.RLIMIT_AS: memory_bytes, resource.RLIMIT_CORE: 0})
        return
    try:
        _engage(chosen, readable, memory_bytes)
    except KernelRefusal as error:
        raise NotConfined(f"the lock-down failed: {error}") from None


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent's thread that forked it ends."""
    prctl("PR_SET_PDEATHSIG", _PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(0)  # it ended before the kernel was told


def _engage(chosen: Confinement, readable: tuple[str, ...], memory_bytes: int) -> None:
    report = chosen.report
    prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)
    report["no_new_privs"] = "active"
    if chosen.landlock:
        landlock.restrict_to(readable)
        report["landlock"] = "active"
    drop_capabilities()
    report["capabilities"] = "active"
    _limit(
        {
            resource.RLIMIT_AS: memory_bytes,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_NOFILE: 256,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_CPU: _CPU_BACKSTOP_S,
        }
    )
    report["rlimits"] = "active"
    seccomp.install(seccomp.allow_list(os.getpid(), sealed=chosen.sealed))
    report["seccomp"] = "active"


def _try_layers() -> dict[str, str]:
    if not seccomp.is_supported():
        return {"seccomp": f"no system call table for {MACHINE}"}
    refused = {}
    prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)
    try:
        landlock.restrict_to(())
    except KernelRefusal as error:
        refused["landlock"] = str(error)
    try:
        seccomp.install(seccomp.allow_list(os.getpid(), sealed=False))
    except KernelRefusal as error:
        refused["seccomp"] = str(error)
    return refused


def _be_first_to_go() -> None:
    """Let the kernel pick this process, not a model server, when memory or time is short."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("1000")
    except OSError:
        pass  # no /proc, or a score fixed from outside: the memory limit still holds
    os.nice(_NICE)


def _count_threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError as error:
        raise NotConfined(f"cannot count this process's threads: {error}; mount /proc") from None


def _limit(limits: dict[int, int]) -> None:
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError) as error:
            raise NotConfined(f"setrlimit({kind}, {value}): {error}") from None
