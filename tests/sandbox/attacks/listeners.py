"""Sockets of the host that attacks try to reach."""

import contextlib
import socket
from pathlib import Path

__all__ = ["Listeners"]


class Listeners:
    """One of each kind; a fake docker.sock among them."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder = folder
        self._token = token
        self._sockets: dict[str, socket.socket] = {
            "tcp": socket.create_server(("127.0.0.1", 0)),
            "udp": _bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        }
        for name, kind in (
            ("stream", socket.SOCK_STREAM),
            ("datagram", socket.SOCK_DGRAM),
            ("packet", socket.SOCK_SEQPACKET),
        ):
            path = folder / f"{name}.sock"
            self._sockets[f"unix {name}"] = _bound(socket.AF_UNIX, kind, str(path))
            path.chmod(0o777)
            address = f"\0rlm-{token}-{name}"
            self._sockets[f"abstract {name}"] = _bound(socket.AF_UNIX, kind, address)
        self.udp_port = int(self._sockets["udp"].getsockname()[1])
        self.tcp_port = int(self._sockets["tcp"].getsockname()[1])
        with contextlib.suppress(OSError):  # a machine without IPv6
            self._sockets["tcp6"] = _bound(
                socket.AF_INET6, socket.SOCK_STREAM, ("::1", self.tcp_port)
            )
        for listener in self._sockets.values():
            listener.setblocking(False)
            if listener.type != socket.SOCK_DGRAM:
                listener.listen()

    def names(self) -> dict[str, object]:
        """What the attacker is told."""
        return {
            "PORT": self.tcp_port,
            "UDP_PORT": self.udp_port,
            "UNIX_STREAM": str(self._folder / "stream.sock"),
            "UNIX_DATAGRAM": str(self._folder / "datagram.sock"),
            "UNIX_PACKET": str(self._folder / "packet.sock"),
            "ABSTRACT": f"\0rlm-{self._token}-",
        }

    def reached(self) -> list[str]:
        """Those that somebody connected or wrote to since the last look."""
        return [name for name, listener in self._sockets.items() if _is_reached(listener)]

    def close(self) -> None:
        for listener in self._sockets.values():
            listener.close()


def _bound(family: int, kind: int, address: str | tuple[str, int]) -> socket.socket:
    made = socket.socket(family, kind)
    try:
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _is_reached(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(100)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
