"""Records of the servers that are up, one JSON file a stack, and their removal.

A record holds an API key, so it is readable for its owner only. It counts only while every one of
its guardians lives; otherwise it is removed with what is left of the servers. Starts nothing.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rlm_local.errors import ConfigError, ModelRestarting, ServerError
from rlm_local.serving import leases
from rlm_local.serving.endpoint import Endpoint
from rlm_local.serving.failure_causes import cause_of_failure, tail_of
from rlm_local.serving.file_lock import OnWait, hold
from rlm_local.serving.guardian_orders import LEASES
from rlm_local.serving.leftovers import sweep
from rlm_local.serving.processes import ProcessId, boot_id, end_process, is_alive
from rlm_local.serving.server_state import ServerState, read_state
from rlm_local.serving.vllm_server import Supervision, VllmServer

__all__ = ["ServerRecord", "ServerRecords", "StackRecord", "describe_server"]

RESTART_POLL_S = 2.0
"""How soon to ask a server again that is being restarted; it costs one attempt to connect."""


class _GuardianRecord(BaseModel):
    """What the record of a server has said in every version: whom to end."""

    model_config = ConfigDict(frozen=True)

    guardian_pid: int = Field(gt=1)
    guardian_start_ticks: int

    @property
    def process(self) -> ProcessId:
        """Its guardian."""
        return ProcessId(self.guardian_pid, self.guardian_start_ticks)


class _GuardiansRecord(BaseModel):
    """The same of the servers of one stack."""

    model_config = ConfigDict(frozen=True)

    boot_id: str
    servers: tuple[_GuardianRecord, ...]


class ServerRecord(_GuardianRecord):
    """One server."""

    base_url: str
    uds: Path | None
    api_key: str
    served_names: tuple[str, ...]
    model: str
    """Name in models.yaml."""
    digest: str
    max_model_len: int
    max_num_seqs: int
    """Requests at once, over all data-parallel copies."""
    model_folder: Path
    log_path: Path
    folder: Path
    """The server's own: its socket, its state, its leases."""

    @property
    def leases(self) -> Path:
        """The folder of those who need it."""
        return self.folder / LEASES

    def endpoint(self, served_name: str) -> Endpoint:
        """Where it answers under one of its names."""
        return Endpoint(self.base_url, self.api_key, served_name, self.uds)

    def state(self) -> ServerState | None:
        """What its guardian says; None when it says nothing."""
        return read_state(self.folder)

    def failure(self) -> ServerError | ModelRestarting | None:
        """Why it does not answer: it is being started again, or no more; None while it runs."""
        if is_alive(self.process):
            state = self.state()
            if state is None or state.phase != "restarting":
                return None
            return ModelRestarting(
                f"vLLM ended: {state.cause}; it is being started again "
                f"({state.tries} of {state.max_tries})",
                retry_after_s=RESTART_POLL_S,
            )
        cause = cause_of_failure(tail_of(self.log_path), None)
        return ServerError(f"vLLM ended: {cause}. Its log: {self.log_path}")


class StackRecord(BaseModel):
    """The servers of one stack."""

    model_config = ConfigDict(frozen=True)

    stack: str
    boot_id: str
    started_at: float
    """Unix time."""
    servers: tuple[ServerRecord, ...]

    def server(self, served_name: str) -> ServerRecord:
        """The server that answers to a name, such as "worker".

        Raises:
            ServerError: none does.
        """
        for server in self.servers:
            if served_name in server.served_names:
                return server
        raise ServerError(f"no server of {self.stack} answers to {served_name!r}")

    @property
    def is_alive(self) -> bool:
        """Whether every server's guardian still runs."""
        return self.boot_id == boot_id() and all(is_alive(item.process) for item in self.servers)

    @property
    def is_kept(self) -> bool:
        """Whether `up` keeps it, users or not."""
        return any(leases.kept_idle_timeout_s(item.leases) is not None for item in self.servers)

    @property
    def users(self) -> int:
        """How many use it now."""
        return max((len(leases.holders(item.leases)) for item in self.servers), default=0)

    def let_go(self) -> None:
        """Keep it no more: it ends with its last user."""
        for item in self.servers:
            leases.let_go(item.leases)


class ServerRecords:
    """The records in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, stack: str) -> StackRecord | None:
        """The record of a stack whose servers are up.

        A stale one is removed; so is one of another version, once its servers are ended.

        Raises:
            ConfigError: the file does not even say which processes to end; it is kept.
        """
        record = self._read(stack)
        if record is None or record.is_alive:
            return record
        self._end(stack, record)
        return None

    def all(self) -> list[StackRecord]:
        """Every stack that is up, by name."""
        return [record for name in self._names() if (record := self.read(name))]

    def take_fallen(self) -> list[StackRecord]:
        """Stacks whose servers died and could not be kept alive; their records are removed."""
        fallen = []
        for name in self._names():
            record = self._read(name)
            if record is not None and not record.is_alive:
                self._end(name, record)
                fallen.append(record)
        return fallen

    def write(self, stack: str, servers: tuple[ServerRecord, ...]) -> StackRecord:
        """Put a record down, whole or not at all."""
        record = StackRecord(
            stack=stack, boot_id=boot_id(), started_at=time.time(), servers=servers
        )
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=self._folder, prefix=".record-")  # mode 0600
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(record.model_dump_json(indent=1))
        Path(name).replace(self._path(stack))
        return record

    async def stop(self, record: StackRecord) -> None:
        """End the servers of a stack, whoever uses them, and forget them; at most 10 s."""
        await asyncio.to_thread(self._end, record.stack, record)

    def supervision(self, stack: str, start_lock_fd: int) -> Supervision:
        """How the servers of a stack are watched over."""
        return Supervision(
            notes=self._notes,
            record=self._path(stack),
            start_lock=self._start_lock,
            start_lock_fd=start_lock_fd,
        )

    def starting(
        self, on_wait: OnWait, *, wait_s: float = 3600.0
    ) -> AbstractAsyncContextManager[int]:
        """Hold the right to start servers on this machine: one start measures and loads at a time.

        Gives the descriptor that holds it.

        Raises:
            ServerError: others kept it for longer than `wait_s`.
        """
        return hold(self._start_lock, wait_s=wait_s, what="starting servers", on_wait=on_wait)

    def sweep(self) -> None:
        """End and remove what guardians that were killed have left."""
        sweep(self._notes)

    @property
    def _notes(self) -> Path:
        return self._folder / "guardians"

    @property
    def _start_lock(self) -> Path:
        return self._folder / "start.lock"

    def _names(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in self._folder.glob("*.json")))

    def _read(self, stack: str) -> StackRecord | None:
        path = self._path(stack)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return StackRecord.model_validate_json(content)
        except ValidationError:
            self._end(stack, _guardians(content, path))
            return None

    def _end(self, stack: str, record: "StackRecord | _GuardiansRecord") -> None:
        if record.boot_id == boot_id():
            for server in record.servers:
                end_process(server.process)
                if isinstance(server, ServerRecord):  # what a killed guardian could not remove
                    shutil.rmtree(server.folder, ignore_errors=True)
        self._path(stack).unlink(missing_ok=True)

    def _path(self, stack: str) -> Path:
        return self._folder / f"{stack}.json"


def describe_server(server: VllmServer, *, model: str, digest: str) -> ServerRecord:
    """The record of a server that was just started."""
    endpoint = server.endpoint
    return ServerRecord(
        guardian_pid=server.guardian_process.pid,
        guardian_start_ticks=server.guardian_process.start_ticks,
        base_url=endpoint.base_url,
        uds=endpoint.uds,
        api_key=endpoint.api_key or "",
        served_names=server.plan.served_names,
        model=model,
        digest=digest,
        max_model_len=server.plan.max_model_len,
        max_num_seqs=server.plan.max_num_seqs * server.plan.data_parallel_size,
        model_folder=server.plan.model_folder,
        log_path=server.plan.log_path,
        folder=server.folder,
    )


def _guardians(content: bytes, path: Path) -> _GuardiansRecord:
    try:
        return _GuardiansRecord.model_validate_json(content)
    except ValidationError:
        raise ConfigError(
            f"{path} is no record of servers that can be read, so servers it stands for cannot "
            "be ended; end those that still run (`ps -ef` shows them as serving.guardian), then "
            "delete the file"
        ) from None
