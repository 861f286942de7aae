"""Attacks on the network and on local sockets (cases 17-20)."""

from tests.sandbox.attacks.case import Attack
from tests.sandbox.attacks.tables import attack

__all__ = ["ATTACKS"]

_S = "import _socket as s\n"


def _reach(name: str, number: int, stops: str, code: str, *, flags: str = "") -> Attack:
    return attack(name, number, "listener", stops, _S + code, flags=flags)


def _make(name: str, stops: str, code: str, *, flags: str = "") -> Attack:
    return attack(name, 20, "word", stops, _S + code, flags=flags)


_INTERNET: list[Attack] = [
    _reach("tcp", 17, "SXLN", "s.socket(s.AF_INET, s.SOCK_STREAM).connect(('127.0.0.1', PORT))"),
    _reach("tcp by name of all", 17, "SXLN", "s.socket().connect(('0.0.0.0', PORT))"),
    _reach("tcp by create_connection", 17, "SXLN", """
import socket
kept = socket.create_connection(("127.0.0.1", PORT))
"""),
    _reach("tcp by asyncio", 17, "SXLN", """
import asyncio
kept = await asyncio.open_connection("127.0.0.1", PORT)
"""),
    _reach("tcp by urllib", 17, "SXLN", """
import http.client
connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=1)
connection.connect()
"""),
    _reach("tcp by IPv6", 17, "SXLN", """
s.socket(s.AF_INET6, s.SOCK_STREAM).connect(("::1", PORT))
""", flags="absent"),
    # Landlock up to ABI 7 minds connect() only.
    _reach("tcp fast open", 17, "SXN", """
s.socket().sendto(b"x", 0x20000000, ("127.0.0.1", PORT))
"""),
    _reach("multipath tcp", 17, "SXN", """
s.socket(s.AF_INET, s.SOCK_STREAM, 262).connect(("127.0.0.1", PORT))
""", flags="absent"),
    _reach("udp", 17, "SXN", """
s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", UDP_PORT))
"""),
    _reach("udp by connect", 17, "SXN", """
made = s.socket(s.AF_INET, s.SOCK_DGRAM)
made.connect(("127.0.0.1", UDP_PORT))
made.send(b"x")
"""),
    _reach("udp by sendmmsg", 17, "SXN", """
made = s.socket(s.AF_INET, s.SOCK_DGRAM)
address = ctypes.create_string_buffer(
    struct.pack("=H", s.AF_INET) + struct.pack(">H", UDP_PORT) + bytes([127, 0, 0, 1]) + bytes(8))
text = ctypes.create_string_buffer(b"x")
vector = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(text), 1))
message = struct.pack("QIxxxxQQQQIxxxxIxxxx", ctypes.addressof(address), 16,
                      ctypes.addressof(vector), 1, 0, 0, 0, 0)
call("sendmmsg", made.fileno(), message, 1, 0)
"""),
    attack("listen on loopback", 17, "word", "SXL", _S + """
made = s.socket()
made.bind(("127.0.0.1", 0))
made.listen()
"""),
    attack("bind udp", 17, "word", "SX", _S + """
s.socket(s.AF_INET, s.SOCK_DGRAM).bind(("127.0.0.1", 0))
"""),
]  # fmt: skip

_LOCAL: list[Attack] = [
    _reach("unix stream", 18, "SXR", "s.socket(s.AF_UNIX, s.SOCK_STREAM).connect(UNIX_STREAM)"),
    _reach("unix packet", 18, "SXR", "s.socket(s.AF_UNIX, s.SOCK_SEQPACKET).connect(UNIX_PACKET)"),
    _reach("unix datagram", 18, "SXR", """
s.socket(s.AF_UNIX, s.SOCK_DGRAM).sendto(b"x", UNIX_DATAGRAM)
"""),
    _reach("unix stream by proc", 18, "SXRL", """
beneath = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
s.socket(s.AF_UNIX, s.SOCK_STREAM).connect(f"/proc/self/fd/{beneath}/stream.sock")
"""),
    _reach("abstract stream", 18, "SXLN", """
s.socket(s.AF_UNIX, s.SOCK_STREAM).connect(ABSTRACT + "stream")
"""),
    _reach("abstract datagram", 18, "SXLN", """
s.socket(s.AF_UNIX, s.SOCK_DGRAM).sendto(b"x", ABSTRACT + "datagram")
"""),
    _reach("abstract packet", 18, "SXLN", """
s.socket(s.AF_UNIX, s.SOCK_SEQPACKET).connect(ABSTRACT + "packet")
"""),
    _reach("pair by sendto", 19, "SXR", """
a, b = s.socketpair(s.AF_UNIX, s.SOCK_DGRAM)
a.sendto(b"x", UNIX_DATAGRAM)
"""),
    _reach("pair by sendmsg", 19, "SXR", """
a, b = s.socketpair(s.AF_UNIX, s.SOCK_DGRAM)
a.sendmsg([b"x"], [], 0, UNIX_DATAGRAM)
"""),
    _reach("pair by connect", 19, "SXR", """
a, b = s.socketpair(s.AF_UNIX, s.SOCK_DGRAM)
a.connect(UNIX_DATAGRAM)
a.send(b"x")
"""),
    _reach("pair to an abstract name", 19, "SXLN", """
a, b = s.socketpair(s.AF_UNIX, s.SOCK_DGRAM)
a.sendto(b"x", ABSTRACT + "datagram")
"""),
    attack("pair of packets", 19, "word", "SX", _S + """
s.socketpair(s.AF_UNIX, s.SOCK_SEQPACKET)
"""),
]  # fmt: skip

_OTHER: list[Attack] = [
    _make("raw socket", "SXCQ", "s.socket(s.AF_INET, s.SOCK_RAW, 1)"),
    _make("packet socket", "SXCQ", "s.socket(s.AF_PACKET, s.SOCK_RAW, 0)", flags="absent"),
    _make("netlink route", "SX", "s.socket(s.AF_NETLINK, s.SOCK_RAW, 0)"),
    _make("netlink diagnosis", "SX", "s.socket(s.AF_NETLINK, s.SOCK_RAW, 4)", flags="absent"),
    _make("netlink audit", "SX", "s.socket(s.AF_NETLINK, s.SOCK_RAW, 9)", flags="absent"),
    _make("vsock", "SX", "s.socket(40, s.SOCK_STREAM)", flags="absent"),
    _make("kernel ciphers", "SX", "s.socket(38, s.SOCK_SEQPACKET, 0)", flags="absent"),
    _make("express data path", "SXCQ", "s.socket(44, s.SOCK_RAW, 0)", flags="absent"),
    _make("any family of sockets", "SX", """
made = []
for family in range(50):
    for kind in (s.SOCK_STREAM, s.SOCK_DGRAM, s.SOCK_RAW, s.SOCK_SEQPACKET):
        try:
            made.append(s.socket(family, kind, 0))
        except OSError:
            pass
assert made
"""),
    _make("look up a name", "LRX", "s.getaddrinfo('localhost', 80)"),
    _make("list interfaces", "SX", "s.if_nameindex()"),
]  # fmt: skip

ATTACKS: list[Attack] = [*_INTERNET, *_LOCAL, *_OTHER]
