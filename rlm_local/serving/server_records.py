"""Records of the servers kept up between questions, one JSON file a stack.

A record holds an API key, so it is readable for its owner only. It counts only while every one of
its guardians lives; otherwise it is removed with what is left of the servers. Starts nothing.
"""

import asyncio
import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rlm_local.errors import ConfigError, ServerError
from rlm_local.serving.endpoint import Endpoint
from rlm_local.serving.processes import ProcessId, boot_id, end_process, is_alive
from rlm_local.serving.vllm_log import LogFollower, cause_of_failure
from rlm_local.serving.vllm_server import VllmServer

__all__ = ["ServerRecord", "ServerRecords", "StackRecord", "describe_server"]

LOCK_POLL_S = 0.2


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
    model_folder: Path
    log_path: Path

    def endpoint(self, served_name: str) -> Endpoint:
        """Where it answers under one of its names."""
        return Endpoint(self.base_url, self.api_key, served_name, self.uds)

    def failure(self) -> ServerError | None:
        """Why it is no more; None while it runs."""
        if is_alive(self.process):
            return None
        cause = cause_of_failure(LogFollower(self.log_path).tail(), None)
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
        path = self._path(stack)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            record = StackRecord.model_validate_json(content)
        except ValidationError:
            self._end(stack, _guardians(content, path))
            return None
        if record.is_alive:
            return record
        self._end(stack, record)
        return None

    def all(self) -> list[StackRecord]:
        """Every stack that is up, by name."""
        names = sorted(path.stem for path in self._folder.glob("*.json"))
        return [record for name in names if (record := self.read(name))]

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
        """End the servers of a stack and forget them; at most 10 s."""
        await asyncio.to_thread(self._end, record.stack, record)

    @contextlib.asynccontextmanager
    async def claim(self, stack: str, *, wait_s: float = 600.0) -> AsyncIterator[None]:
        """Hold the right to start or stop a stack, so that two cannot do it at once.

        Raises:
            ServerError: another process kept it for longer than `wait_s`.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._folder / f"{stack}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + wait_s
            while not _locked(fd):
                if time.monotonic() >= deadline:
                    raise ServerError(
                        f"another rlm-local has been starting or stopping {stack} for {wait_s:.0f} "
                        "s; wait for it, or end it"
                    )
                await asyncio.sleep(LOCK_POLL_S)
            yield
        finally:
            os.close(fd)

    def _end(self, stack: str, record: "StackRecord | _GuardiansRecord") -> None:
        if record.boot_id == boot_id():
            for server in record.servers:
                end_process(server.process)
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
        max_num_seqs=server.plan.max_num_seqs,
        model_folder=server.plan.model_folder,
        log_path=server.plan.log_path,
    )


def _guardians(content: bytes, path: Path) -> _GuardiansRecord:
    try:
        return _GuardiansRecord.model_validate_json(content)
    except ValidationError:
        raise ConfigError(
            f"{path} is no record of servers that can be read, so servers it stands for cannot "
            "be ended; end those that still run (`ps -ef` shows them as guardian.py), then "
            "delete the file"
        ) from None


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
