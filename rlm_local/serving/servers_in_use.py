"""This process's use of the servers of a stack: as long as anybody has one, they stay.

The last one out ends them and waits for that; a user that is killed is noticed by the guardians.
"""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from rlm_local.errors import ServerError
from rlm_local.serving import leases
from rlm_local.serving.processes import end_process, is_alive
from rlm_local.serving.server_records import ServerRecord, StackRecord

__all__ = ["ServersInUse", "until_gone", "use"]

GONE_WITHIN_S = 20.0
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class ServersInUse:
    """Servers of one stack that stay up until `release`."""

    record: StackRecord
    leases: tuple[Path, ...]

    def keep(self, idle_timeout_s: float) -> None:
        """Let them outlive every user, unless nobody uses them for so long (0: for ever).

        Raises:
            ServerError: one has died.
        """
        for server in self.record.servers:
            if not leases.keep(server.leases, idle_timeout_s):
                raise _gone(server)

    async def release(self) -> bool:
        """Use them no more; the last one out ends them. True when they were ended."""
        ended = [
            asyncio.to_thread(_release, server, lease)
            for server, lease in zip(self.record.servers, self.leases, strict=True)
        ]
        return all(await asyncio.gather(*ended))


def use(record: StackRecord) -> ServersInUse | None:
    """Use servers that are up; None when one of them is ending."""
    taken: list[Path] = []
    for server in record.servers:
        lease = leases.take(server.leases)
        if lease is not None:
            taken.append(lease)
        if lease is None or not is_alive(server.process):
            for path in taken:
                path.unlink(missing_ok=True)
            return None
    return ServersInUse(record, tuple(taken))


async def until_gone(record: StackRecord) -> None:
    """Wait for servers that are ending."""
    for _ in range(int(GONE_WITHIN_S / POLL_S)):
        if not any(is_alive(server.process) for server in record.servers):
            return
        await asyncio.sleep(POLL_S)


def _release(server: ServerRecord, lease: Path) -> bool:
    lease.unlink(missing_ok=True)
    if not leases.close_unused(server.leases):
        return False
    died = not is_alive(server.process)
    end_process(server.process)
    shutil.rmtree(server.folder, ignore_errors=True)  # what a killed guardian could not remove
    if not died:  # nobody will ask for the log of one that went well
        server.log_path.unlink(missing_ok=True)
    return True


def _gone(server: ServerRecord) -> ServerError:
    failure = server.failure()
    if isinstance(failure, ServerError):
        return failure
    return ServerError(f"vLLM was stopped. Its log: {server.log_path}")
