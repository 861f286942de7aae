"""The process the host starts: settles how to confine REPLs, and brings up the template process.

Where namespaces are to be had it stays outside as the template's parent, waiting, and dies with
the host, which ends them all; else it becomes the template process itself. Runs trusted code only.
"""

import os
import signal
import socket
import sys
from typing import Any

from rlm_local.sandbox.child import identity, lockdown, namespaces, private_root, rehearsal
from rlm_local.sandbox.child.confinement import Confinement, NotConfined
from rlm_local.sandbox.child.lockdown import LayerRefused, Surroundings, layer
from rlm_local.sandbox.child.private_root import RootPlan
from rlm_local.sandbox.child.syscalls import KernelRefusal
from rlm_local.sandbox.child.zygote import Zygote, receive, send

__all__ = ["main"]

_SYSTEM_PATHS = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib",
    "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo",
)  # fmt: skip


def main(control_fd: int, host_pid: int) -> None:
    """Serve one host until it is gone."""
    lockdown.die_with_parent(host_pid)
    lockdown.be_first_to_go()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.dont_write_bytecode = True
    control = socket.socket(fileno=control_fd)
    facts, fds = receive(control)
    try:
        zygote = _start_zygote(control, facts, fds)
    except (NotConfined, KernelRefusal, LayerRefused) as error:
        send(control, {"op": "refused", "reason": str(error)})
        return
    zygote.serve()


def _start_zygote(control: socket.socket, facts: dict[str, Any], fds: list[int]) -> Zygote:
    """Returns in the template process only, which may be this one or a child."""
    packages = tuple(facts["packages"])
    own = (os.path.dirname(os.__file__), f"{sys.base_prefix}/lib", *sys.path)  # noqa: PTH120
    readable = (*_SYSTEM_PATHS, *(path for path in own if path.startswith("/")), *packages)
    policy, without = str(facts["policy"]), frozenset(facts["without"])
    plan = Confinement(policy, uid=identity.unused_id(), without=without)
    around = Surroundings(proc_fd=namespaces.open_proc(), readable=readable)
    root = private_root.plan_root(readable) if plan.has("private_root") else RootPlan()
    around.scratch_bytes = int(facts["cells"]["scratch_bytes"])
    root.has_scratch = around.scratch_bytes > 0
    if plan.wanted:
        must_read = [os.path.dirname(os.__file__), os.__file__, *packages]  # noqa: PTH120
        rehearsal.settle(plan, around, root, must_read)
    if root.has_scratch and (plan.sealed or not plan.has("private_root")):
        why = "the REPL is sealed" if plan.sealed else plan.report["private_root"]
        raise NotConfined(f"scratch_bytes needs a private root ({why}); set it to 0")
    if plan.has("namespaces"):
        _enter_namespaces(plan, around)
    # Opened now: a private root has no /proc.
    statm = open("/proc/self/statm", encoding="ascii")  # noqa: PTH123, SIM115
    zygote = Zygote(control, facts, plan, around, statm)
    if plan.has("private_root"):
        with layer("private_root"):
            private_root.enter(root)
        plan.report["private_root"] = f"active: {len(root.shown)} read-only places"
        zygote.top_names = root.top_names
    zygote.load(*fds)
    return zygote


def _enter_namespaces(plan: Confinement, around: Surroundings) -> None:
    """Returns in the child, which is process 1 of the new PID namespace."""
    with layer("namespaces"):
        namespaces.enter(around.proc_fd, plan.uid)
    alive, held = os.pipe()
    pid = os.fork()
    if pid:
        os.close(alive)
        _wait_outside(pid, held)
    os.close(held)
    lockdown.die_with_parent(None)
    os.set_blocking(alive, False)
    try:
        os.read(alive, 1)  # end of file: the parent died before the kernel was told
        os._exit(0)
    except BlockingIOError:
        os.close(alive)


def _wait_outside(pid: int, held: int) -> None:
    os.closerange(3, held)
    os.closerange(held + 1, os.sysconf("SC_OPEN_MAX"))
    os.waitpid(pid, 0)
    os._exit(0)
