"""A piece of System V shared memory of the host, with a secret in it."""

import ctypes
import os

__all__ = ["SharedMemory"]

_IPC_PRIVATE, _IPC_CREAT, _IPC_RMID = 0, 0o1000, 0
_BYTES = 4096
_libc = ctypes.CDLL(None, use_errno=True)
_libc.shmat.restype = ctypes.c_void_p
_libc.shmdt.argtypes = [ctypes.c_void_p]


class SharedMemory:
    """One segment, for the owner only."""

    def __init__(self, text: str) -> None:
        self.number = int(_libc.shmget(_IPC_PRIVATE, _BYTES, _IPC_CREAT | 0o600))
        if self.number < 0:
            raise OSError(ctypes.get_errno(), f"shmget: {os.strerror(ctypes.get_errno())}")
        address = _libc.shmat(self.number, None, 0)
        ctypes.memmove(address, text.encode(), len(text))
        _libc.shmdt(address)

    def close(self) -> None:
        """Remove it, once nobody is attached."""
        _libc.shmctl(self.number, _IPC_RMID, None)
