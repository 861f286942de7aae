"""Namespaces of its own for the template process, and a further set for every REPL.

The template process gets user, network, IPC, UTS, mount, cgroup and PID namespaces; a REPL is
process 1 of a PID namespace inside that one and has its own of all others but the mounts, which
it shares and, being nobody in the namespace that owns them, cannot change. When the template
process dies the kernel ends every REPL with it. What is mounted is `private_root`'s business.
"""

import os

from rlm_local.sandbox.child.syscalls import MACHINE, KernelRefusal, syscall

__all__ = ["NAMES", "PidNamespaces", "enter", "enter_inner", "open_proc"]

NAMES = ("user", "net", "ipc", "uts", "pid", "mnt", "cgroup")
"""As the kernel names them below /proc/PID/ns."""

_NR_UNSHARE = {"x86_64": 272, "aarch64": 97}
_NR_SETNS = {"x86_64": 308, "aarch64": 268}
_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_OWN = _NEWUSER | _NEWNET | _NEWIPC | _NEWUTS | _NEWCGROUP


def open_proc() -> int:
    """A descriptor of /proc, to be used where it is not mounted any more.

    Raises:
        KernelRefusal: it is not mounted.
    """
    try:
        return os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise KernelRefusal("open(/proc)", error.errno or 0) from None


def enter(proc_fd: int, extra_uid: int | None) -> None:
    """Move this process, and the PID of its children to come, to new namespaces.

    The ids it has now stay the same inside; `extra_uid`, which only root can give, is mapped too.

    Raises:
        KernelRefusal: naming the call; the process may be half inside then and is of no use.
    """
    own = os.getpid()
    go_receiver, go_sender = os.pipe()
    told_receiver, told_sender = os.pipe()
    # Whoever maps more than itself must have stayed outside.
    helper = os.fork()
    if helper == 0:
        os.close(go_sender)
        if os.read(go_receiver, 1):
            os.write(told_sender, _map_from_outside(proc_fd, own, extra_uid))
        os._exit(0)
    os.close(go_receiver)
    os.close(told_sender)
    try:
        syscall("unshare", _NR_UNSHARE[MACHINE], _OWN | _NEWPID | _NEWNS)
        os.write(go_sender, b"g")
        refusal = os.read(told_receiver, 100)
    finally:
        os.close(go_sender)
        os.close(told_receiver)
        os.waitpid(helper, 0)
    call, _, number = refusal.decode("ascii").partition(":")
    if call != "ok":
        raise KernelRefusal(call or "write(uid_map)", int(number or 1))


def enter_inner(proc_fd: int, *, with_mounts: bool = False) -> None:
    """Move this process to namespaces of its own, mapped to the one id it has.

    `with_mounts`: what it mounts from here on is its own as well.

    Raises:
        KernelRefusal: naming the call.
    """
    uid, gid = os.geteuid(), os.getegid()
    syscall("unshare", _NR_UNSHARE[MACHINE], _OWN | (_NEWNS if with_mounts else 0))
    _map(proc_fd, "self", f"{uid} {uid} 1\n", f"{gid} {gid} 1\n", deny_setgroups=True)


class PidNamespaces:
    """Gives each forked child a PID namespace of its own, in a process that may make them."""

    def __init__(self, proc_fd: int) -> None:
        self._own = os.open("self/ns/pid", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc_fd)

    def fork(self) -> int:
        """`os.fork`; the child is process 1 of a namespace of its own.

        Raises:
            KernelRefusal: naming the call; no process was made.
            OSError: there is no process to be had.
        """
        syscall("unshare(NEWPID)", _NR_UNSHARE[MACHINE], _NEWPID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid:
                # Else the next child would be the second process of this one's namespace.
                syscall("setns", _NR_SETNS[MACHINE], self._own, _NEWPID)
        return pid


def _map_from_outside(proc_fd: int, pid: int, extra_uid: int | None) -> bytes:
    uid, gid = os.geteuid(), os.getegid()
    uids, gids = f"{uid} {uid} 1\n", f"{gid} {gid} 1\n"
    if extra_uid is not None:
        uids += f"{extra_uid} {extra_uid} 1\n"
        gids += f"{extra_uid} {extra_uid} 1\n"
    try:
        _map(proc_fd, str(pid), uids, gids, deny_setgroups=extra_uid is None)
    except KernelRefusal as error:
        return f"{error.call}:{error.errno}".encode("ascii")
    return b"ok:"


def _map(proc_fd: int, process: str, uids: str, gids: str, *, deny_setgroups: bool) -> None:
    texts = {"setgroups": "deny", "uid_map": uids, "gid_map": gids}
    if not deny_setgroups:
        del texts["setgroups"]
    for name, text in texts.items():
        try:
            file = os.open(f"{process}/{name}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc_fd)
            try:
                if name == "setgroups":
                    os.write(file, text.encode("ascii"))
                else:  # a call nothing else here makes, so that tests can have it refused
                    os.writev(file, [text.encode("ascii")])
            finally:
                os.close(file)
        except OSError as error:
            raise KernelRefusal(f"write({name})", error.errno or 0) from None
