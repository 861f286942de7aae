"""Asks a model server on this machine for its health, over a Unix socket or a loopback port.

Standard library only: the guardian does it. What it says of requests, only a request shows.
"""

import socket
from pathlib import Path
from typing import Literal

__all__ = ["Health", "ask"]

Health = Literal["well", "dead", "silent"]
"""`dead`: it says so itself (503), as vLLM does whose engine is gone."""

TIMEOUT_S = 0.5
_REQUEST = b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n"


def ask(address: Path | int) -> Health:
    """What `/health` answers; `silent` when it does not answer, which may be for being busy."""
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(
                str(address) if isinstance(address, Path) else ("127.0.0.1", address)
            )
            connection.sendall(_REQUEST)
            words = connection.recv(64).split()
        except OSError:
            return "silent"
    match words[1:2]:
        case [b"200"]:
            return "well"
        case [b"503"]:
            return "dead"
        case _:
            return "silent"
