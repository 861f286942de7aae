"""Finds out which layers this kernel gives, by the whole lock-down in throw-away processes.

What is refused half-way (a user namespace that cannot be mapped, say) leaves a process of no use:
here it is none that anything depends on. Changes only the `Confinement` it is given.
"""

import json
import os
import sys
from typing import NoReturn

from rlm_local.sandbox.child import lockdown, namespaces, private_root
from rlm_local.sandbox.child.confinement import Confinement, NotConfined
from rlm_local.sandbox.child.lockdown import LayerRefused, Surroundings, layer
from rlm_local.sandbox.child.namespaces import PidNamespaces
from rlm_local.sandbox.child.private_root import RootPlan
from rlm_local.sandbox.child.syscalls import KernelRefusal

__all__ = ["settle"]

_NOBODY = 65534


def settle(plan: Confinement, around: Surroundings, root: RootPlan, must_read: list[str]) -> None:
    """Leave in `plan` what works here; `must_read` are files and folders a REPL needs.

    Raises:
        NotConfined: a required layer does not work.
    """
    first_uid = plan.uid
    while (refused := _rehearse(plan, around, root, must_read)) is not None:
        lost, why = refused
        if plan.uid is not None and (lost == "uid" or why.startswith("write(")):
            _try_another_uid(plan, why)
            continue
        plan.lose(lost, why)
        if lost == "namespaces" and first_uid is not None:
            plan.uid = first_uid  # it may have been the map that did not take it
            plan.wanted.add("uid")
            plan.report["uid"] = "off"
    plan.settle()


def _try_another_uid(plan: Confinement, why: str) -> None:
    """A container may not have the first one; every one has `nobody`, nearly."""
    unreadable = why.startswith("read")
    if plan.uid != _NOBODY and not unreadable:
        plan.uid = _NOBODY
        return
    plan.uid = None
    plan.lose("uid", f"root: {why}")


def _rehearse(
    plan: Confinement, around: Surroundings, root: RootPlan, must_read: list[str]
) -> tuple[str, str] | None:
    """The first layer that is refused and why, or None."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receiver)
        _play_and_tell(sender, plan, around, (root, must_read))
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    if not told:
        raise NotConfined("a process that tried the lock-down was killed")
    layer, why = json.loads(told)
    if layer is None:
        raise NotConfined(str(why))
    return (str(layer), str(why)) if layer else None


def _play_and_tell(
    sender: int, plan: Confinement, around: Surroundings, files: tuple[RootPlan, list[str]]
) -> NoReturn:
    answer: tuple[str | None, str] | None = None
    try:
        _play(plan, around, *files)
        answer = ("", "")
    except LayerRefused as error:
        answer = (error.layer, error.why)
    except NotConfined as error:
        answer = (None, str(error))
    finally:
        answer = answer or (None, f"the lock-down broke off: {sys.exc_info()[1]!r}")
        os.write(sender, json.dumps(answer).encode("ascii"))
        os._exit(0)


def _play(plan: Confinement, around: Surroundings, root: RootPlan, must_read: list[str]) -> None:
    """All that stands between a launcher and a REPL's first cell; forks where they fork."""
    if plan.has("namespaces"):
        with layer("namespaces"):
            namespaces.enter(around.proc_fd, plan.uid)
            _go_on_in_child(os.fork())
            pids = PidNamespaces(around.proc_fd)
        if plan.has("private_root"):
            with layer("private_root"):
                private_root.enter(root)
        with layer("namespaces"):
            _go_on_in_child(pids.fork())
        around.parent_pid = None
    else:
        around.parent_pid = os.getppid()
    lockdown.confine(plan, around)
    if not plan.sealed:
        for path in must_read:
            _read(path, plan)


def _go_on_in_child(pid: int) -> None:
    if pid:
        os.waitpid(pid, 0)
        os._exit(0)


def _read(path: str, plan: Confinement) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        refusal = KernelRefusal(f"read({path})", error.errno or 0)
        if plan.has("uid"):
            raise LayerRefused("uid", refusal) from None
        raise NotConfined(f"a confined process cannot {refusal}, which a REPL needs") from None
