"""Runs a command where there is no network: `python offline.py [--loopback] -- COMMAND ...`.

Meant to be started inside a fresh network namespace (`cut_off` says how). Proves that no way
leads out before it becomes the command. With `--loopback` the loopback interface is brought up, as
it is on every machine; without, not even that is there.
"""

import errno
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

__all__ = ["cut_off"]

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
INTERFACE = struct.Struct("16sH14x")
SOMEWHERE = ("192.0.2.1", 9)  # a documentation address, never assigned


def cut_off(*, loopback: bool) -> list[str]:
    """What to put before a command so that it runs without a network; fails where none can be cut.

    A network namespace takes root's rights, real ones or those of a user namespace.
    """
    flag = ["--loopback"] if loopback else []
    refused = []
    for namespace in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        prefix = [*namespace, sys.executable, "-I", "-S", __file__, *flag, "--"]
        tried = subprocess.run([*prefix, "/bin/true"], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return prefix
        refused.append(tried.stderr.strip())
    raise AssertionError(
        "this machine lets nobody cut off the network, so that nothing can be shown about being "
        f"offline; run the tests as root, or allow user namespaces: {'; '.join(refused)}"
    )


def main(arguments: list[str]) -> None:
    """Check, then become the command."""
    options, command = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    interfaces = [name for _, name in socket.if_nameindex()]
    if interfaces != ["lo"]:
        sys.exit(f"not cut off: there are the interfaces {', '.join(interfaces)}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        if "--loopback" in options:
            _bring_up(probe)
        code = probe.connect_ex(SOMEWHERE)
        if code != errno.ENETUNREACH:
            sys.exit(f"not cut off: {SOMEWHERE[0]} gives {os.strerror(code)}")
    is_up = "127.0.0.1" in Path("/proc/net/fib_trie").read_text("ascii")
    if is_up != ("--loopback" in options):
        sys.exit(f"loopback is {'up' if is_up else 'down'}")
    os.execv(command[0], command)


def _bring_up(probe: socket.socket) -> None:
    request = INTERFACE.pack(b"lo", 0)
    _, flags = INTERFACE.unpack(fcntl.ioctl(probe, SIOCGIFFLAGS, request))
    fcntl.ioctl(probe, SIOCSIFFLAGS, INTERFACE.pack(b"lo", flags | IFF_UP))


if __name__ == "__main__":
    main(sys.argv[1:])
