"""The few calls of libc and the kernel that Python has no name for, through ctypes.

Every function raises `KernelRefusal` with the call's name and errno. Decides nothing.
"""

import ctypes
import errno
import os

__all__ = [
    "MACHINE",
    "KernelRefusal",
    "drop_capabilities",
    "prctl",
    "syscall",
]

MACHINE = os.uname().machine
"""The architecture as the kernel names it, such as "x86_64" or "aarch64"."""

_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_NR_CAPSET = {"x86_64": 126, "aarch64": 91}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class KernelRefusal(OSError):
    """The kernel said no; `call` is the name of the system call."""

    def __init__(self, call: str, number: int) -> None:
        super().__init__(number, os.strerror(number))
        self.call = call

    def __str__(self) -> str:
        name = errno.errorcode.get(self.errno or 0, str(self.errno))
        return f"{self.call}: {name} ({self.strerror})"


def syscall(call: str, number: int, *arguments: object) -> int:
    """One raw system call; integers are passed as 64 bits.

    Raises:
        KernelRefusal: it returned an error.
    """
    converted = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *converted))
    if result < 0:
        raise KernelRefusal(call, ctypes.get_errno())
    return result


def prctl(call: str, option: int, *arguments: int) -> int:
    """`prctl(option, ...)`, missing arguments zero.

    Raises:
        KernelRefusal: it returned an error.
    """
    padded = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:4]]
    result = int(_libc.prctl(ctypes.c_int(option), *padded))
    if result < 0:
        raise KernelRefusal(f"prctl({call})", ctypes.get_errno())
    return result


def drop_capabilities() -> None:
    """Give up every capability for good: bounding, ambient, then the process's own sets.

    Raises:
        KernelRefusal: the process's own sets cannot be emptied.
    """
    for capability in range(64):
        try:
            prctl("PR_CAPBSET_DROP", _PR_CAPBSET_DROP, capability)
        except KernelRefusal:
            break  # past the last one, or without the right to: then the sets are what counts
    prctl("PR_CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    empty = (ctypes.c_uint32 * 6)()
    syscall("capset", _NR_CAPSET[MACHINE], ctypes.byref(header), ctypes.byref(empty))
