"""Who a REPL is: where the host runs as root, an id that owns nothing and nobody else has.

Dropping it needs no user of that name. Whether files stay readable is tried by the caller.
"""

import os

from rlm_local.sandbox.child.syscalls import KernelRefusal, prctl

__all__ = ["become", "unused_id"]

_PR_SET_DUMPABLE = 4
# Above what distributions, containers and directory services hand out, below the sign bit.
_FIRST_ID = 0x6E000000
_PID_BITS = 22


def unused_id() -> int | None:
    """An id for the REPLs of this process; None where the host does not run as root."""
    if os.geteuid() != 0:
        return None
    return _FIRST_ID + os.getpid() % (1 << _PID_BITS)


def become(number: int) -> None:
    """Change user and group to `number` for good, with no further groups.

    Raises:
        KernelRefusal: naming the call.
    """
    try:
        call = "setgroups"
        os.setgroups([])
        call = "setresgid"
        os.setresgid(number, number, number)
        call = "setresuid"
        os.setresuid(number, number, number)
    except OSError as error:
        raise KernelRefusal(call, error.errno or 0) from None
    # Else its files below /proc would be root's, and it could not map itself.
    prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, 1)
