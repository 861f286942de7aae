"""What a guardian is told, as values and as its command line. Standard library only."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LEASES", "PAUSES_S", "Orders", "guarded", "read_orders"]

LEASES = "leases"
"""The folder of leases, in the server's own."""
PAUSES_S = (1.0, 4.0, 16.0)
"""Before each restart in a row."""

_ROOT = Path(__file__).resolve().parents[2]
# -I and -S: whatever the environment or site-packages hold, the guardian starts.
_BOOT = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from rlm_local.serving.guardian import main; sys.exit(main(sys.argv[1:]))"
)


@dataclass(frozen=True, slots=True)
class Orders:
    """What a guardian is told.

    Attributes:
        folder: the server's own, made by the guardian and removed in the end.
        lease: name of the first lease.
        log: where the server's output goes; it is the guardian's own too.
        address: the server's Unix socket, or its loopback port.
        pauses_s: before each restart in a row; as many are tried.
        notes: a folder where the guardian writes itself down, for whoever sweeps up after it.
        record: the record of servers that names this one, removed with it.
        start_lock: held while a server starts.
        start_lock_fd: a descriptor that holds it already, for the first start.
    """

    folder: Path
    lease: str
    log: Path
    address: Path | int
    pauses_s: tuple[float, ...] = ()
    notes: Path | None = None
    record: Path | None = None
    start_lock: Path | None = None
    start_lock_fd: int | None = None


def guarded(command: Sequence[str], orders: Orders) -> list[str]:
    """The command line of a guardian of `command`."""
    given = {
        "--folder": orders.folder,
        "--lease": orders.lease,
        "--log": orders.log,
        "--socket": orders.address if isinstance(orders.address, Path) else None,
        "--port": orders.address if isinstance(orders.address, int) else None,
        "--pauses": ",".join(map(str, orders.pauses_s)),
        "--notes": orders.notes,
        "--record": orders.record,
        "--start-lock": orders.start_lock,
        "--start-lock-fd": orders.start_lock_fd,
    }
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    return [sys.executable, "-I", "-S", "-c", _BOOT, str(_ROOT), *options, "--", *command]


def read_orders(arguments: list[str]) -> tuple[Orders, list[str]]:
    """Orders and command, from what `guarded` made of them."""
    parser = argparse.ArgumentParser()
    for name in ("folder", "log", "socket", "notes", "record", "start-lock"):
        parser.add_argument(f"--{name}", type=Path)
    for name in ("port", "start-lock-fd"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--lease")
    parser.add_argument("--pauses", default="")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(arguments)
    orders = Orders(
        folder=given.folder,
        lease=given.lease,
        log=given.log,
        address=given.socket or given.port,
        pauses_s=tuple(float(pause) for pause in given.pauses.split(",") if pause),
        notes=given.notes,
        record=given.record,
        start_lock=given.start_lock,
        start_lock_fd=given.start_lock_fd,
    )
    return orders, given.command
