"""Landlock: which files a REPL may read, enforced by the kernel for this process.

Handles every right the kernel's ABI knows and grants reading on the given folders only; TCP,
abstract sockets and signals to others are cut where the ABI can. Covers the calling thread, so
the process must have one thread only.
"""

import ctypes
import errno
import os
import stat
import struct

from rlm_local.sandbox.child.syscalls import KernelRefusal, syscall

__all__ = ["abi_version", "restrict_to"]

_NR_CREATE_RULESET = 444  # the same on every architecture
_NR_ADD_RULE = 445
_NR_RESTRICT_SELF = 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
# WRITE_FILE, REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, REFER (rename between folders), TRUNCATE
_WRITE = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 13 | 1 << 14
# Rights on files by ABI (documented in the kernel's userspace-api/landlock): 13 at first, then
# REFER, TRUNCATE, and from ABI 5 IOCTL_DEV.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP_FROM_ABI, _TCP_RIGHTS = 4, 3  # bind, connect
_SCOPE_FROM_ABI, _SCOPES = 6, 3  # abstract Unix sockets, signals


def abi_version() -> int:
    """The Landlock ABI of this kernel, 1 or more.

    Raises:
        KernelRefusal: Landlock is not there or not switched on.
    """
    return syscall("landlock_create_ruleset", _NR_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)


def restrict_to(readable: tuple[str, ...], writable: str | None = None) -> int:
    """Leave this thread nothing of the file system but reading below `readable`; the ABI.

    Below `writable` it may make, write and remove plain files and folders too.

    Paths that do not exist are passed over. Needs `no_new_privs`, or CAP_SYS_ADMIN.

    Raises:
        KernelRefusal: naming the call that failed.
    """
    abi = abi_version()
    ruleset = _create_ruleset(abi)
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        if writable is not None:
            known = _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= abi)]
            _allow(ruleset, writable, _WRITE & known | _READ_FILE | _READ_DIR)
        syscall("landlock_restrict_self", _NR_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return abi


def _create_ruleset(abi: int) -> int:
    handled = _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= abi)]
    attributes = struct.pack("Q", handled)
    if abi >= _TCP_FROM_ABI:
        attributes += struct.pack("Q", _TCP_RIGHTS)
    if abi >= _SCOPE_FROM_ABI:
        attributes += struct.pack("Q", _SCOPES)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return syscall("landlock_create_ruleset", _NR_CREATE_RULESET, buffer, len(attributes), 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EACCES, errno.ENOTDIR}:
            return
        raise KernelRefusal("open(O_PATH)", error.errno or 0) from None
    is_folder = stat.S_ISDIR(os.fstat(beneath).st_mode)
    rights &= ~0 if is_folder else ~_READ_DIR
    # struct landlock_path_beneath_attr is packed: a u64 and an i32, twelve bytes.
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, beneath), 12)
    try:
        syscall("landlock_add_rule", _NR_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(beneath)
