"""File handles, which open a file without a path for those who may."""

import ctypes
import os
import struct
from pathlib import Path

__all__ = ["handle_of"]

_MAX_HANDLE_BYTES = 128
_AT_FDCWD = -100
_libc = ctypes.CDLL(None, use_errno=True)


def handle_of(path: Path) -> bytes:
    """The `struct file_handle` of a file; b"" where its file system has none."""
    buffer = ctypes.create_string_buffer(8 + _MAX_HANDLE_BYTES)
    struct.pack_into("I", buffer, 0, _MAX_HANDLE_BYTES)
    mount = ctypes.c_int()
    failed = _libc.name_to_handle_at(_AT_FDCWD, os.fsencode(path), buffer, ctypes.byref(mount), 0)
    if failed:
        return b""
    size = struct.unpack_from("I", buffer)[0]
    return buffer.raw[: 8 + size]
