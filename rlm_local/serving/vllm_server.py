"""One vLLM server as a child process: started, watched until it is ready, stopped.

The process is parented by `guardian`, which restarts it when it dies and ends it when nobody needs
it. Knows how to start what a ServerPlan says; decides no sizes and keeps no records.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rlm_local.errors import ConfigError, ModelError, ModelUnavailable, ServerError, WeightsError
from rlm_local.serving import leases
from rlm_local.serving.endpoint import Endpoint, Transport
from rlm_local.serving.failure_causes import cause_of_failure
from rlm_local.serving.guardian_orders import LEASES, PAUSES_S, Orders, guarded
from rlm_local.serving.leftovers import remove_note
from rlm_local.serving.processes import ProcessId, end_process, identify
from rlm_local.serving.vllm_command import ServerPlan, check_installed, command, environment
from rlm_local.serving.vllm_log import LogFollower, Phase

__all__ = ["OnPhase", "ServerPlan", "Supervision", "VllmServer"]

OnPhase = Callable[[Phase, float], None]
"""Told the phase and the seconds since the start: at each change, and about once a second."""

POLL_S = 0.25
CANARY_TIMEOUT_S = 120.0
SCRATCH_PATH_BYTES = 70
"""vLLM puts sockets with names of 36 characters in there, and the kernel takes paths of 107."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """How a server is watched over; see `guardian_orders.Orders`."""

    pauses_s: tuple[float, ...] = PAUSES_S
    notes: Path | None = None
    record: Path | None = None
    start_lock: Path | None = None
    start_lock_fd: int | None = None


class VllmServer:
    """One server. Use as `async with VllmServer(plan) as server`, or `start` and `stop`."""

    def __init__(
        self,
        plan: ServerPlan,
        *,
        start_timeout_s: float = 1800.0,
        supervision: Supervision | None = None,
        api_key: str | None = None,
    ) -> None:
        """Take a plan; `api_key` is for replicas behind one router, which share theirs."""
        self.plan = plan
        self._start_timeout_s = start_timeout_s
        self._supervision = supervision or Supervision()
        self._api_key = api_key or secrets.token_urlsafe(24)
        self._folder: Path | None = None
        self._lease_name = leases.new_name()
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: ProcessId | None = None
        self._log = LogFollower(plan.log_path)

    async def __aenter__(self) -> "VllmServer":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers, under its first served name."""
        return self.endpoint_for(self.plan.served_names[0])

    def endpoint_for(self, served_name: str) -> Endpoint:
        """Where it answers under one of its names."""
        return Endpoint(f"{self._origin}/v1", self._api_key, served_name, self._socket)

    @property
    def guardian_process(self) -> ProcessId:
        """The process to end in order to stop the server.

        Raises:
            ServerError: it was not started.
        """
        if self._guardian is None:
            raise ServerError("the server was not started")
        return self._guardian

    @property
    def folder(self) -> Path:
        """The server's own, with its socket, its state and its leases.

        Raises:
            ServerError: it was not started.
        """
        if self._folder is None:
            raise ServerError("the server was not started")
        return self._folder

    @property
    def lease(self) -> Path:
        """This process's lease; without any, the guardian ends the server."""
        return self.folder / LEASES / self._lease_name

    def hand_over(self) -> Path:
        """The lease, for whoever uses the server from now on; `stop` ends it no more."""
        process, self._process, self._guardian = self._process, None, None
        if process is not None:  # our child for as long as it lives; somebody must collect it
            threading.Thread(target=process.wait, name="guardian's end", daemon=True).start()
        lease, self._folder = self.lease, None
        return lease

    async def start(self, on_phase: OnPhase | None = None) -> None:
        """Start, and wait until it answers `/health` and a request for one token.

        Ends the process again when this fails or is cancelled.

        Raises:
            ServerError: it did not start: the cause, what mends it, and where the log is.
            WeightsError: the model folder is not there.
            ConfigError: its log or its caches cannot be written.
        """
        check_installed(self.plan)
        if not (self.plan.model_folder / "config.json").is_file():
            raise WeightsError(f"no model in {self.plan.model_folder}; `rlm-local pull` fetches it")
        ready = False
        try:
            self._spawn()
            await self._wait_until_ready(on_phase or _ignore)
            ready = True
        finally:
            if not ready:
                await self.stop()

    async def stop(self) -> None:
        """End the server and everything below it, whoever uses it; at most 10 s.

        Safe to call twice.
        """
        if self._guardian:
            await asyncio.to_thread(end_process, self._guardian)
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel
                self._process.wait(timeout=1.0)
            self._process = None
        # What a guardian that was killed could not remove.
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        if self._guardian and self._supervision.notes:
            remove_note(self._supervision.notes, self._guardian)

    def failure(self) -> ServerError | None:
        """Why the server is no more; None while it runs, and when it was never started."""
        if self._process is None or (status := self._process.poll()) is None:
            return None
        cause = cause_of_failure(self._log.tail(), status)
        return ServerError(f"vLLM ended: {cause}. Its log: {self.plan.log_path}")

    @property
    def _socket(self) -> Path | None:
        return None if self.plan.port is not None else self.folder / "vllm.sock"

    @property
    def _origin(self) -> str:
        port = self.plan.port
        return "http://localhost" if port is None else f"http://127.0.0.1:{port}"

    def _spawn(self) -> None:
        # Made by the guardian, so that there is never a folder without one.
        folder = Path(tempfile.gettempdir()) / f"rlm-local-{secrets.token_hex(6)}"
        if len(os.fsencode(folder)) > SCRATCH_PATH_BYTES:
            raise ServerError(
                f"{folder} is too long a path for a socket; set TMPDIR to a shorter one"
            )
        self._folder = folder
        _make_folder(self.plan.cache_folder)
        if self._supervision.notes:
            _make_folder(self._supervision.notes)
        lock_fd = self._supervision.start_lock_fd
        with _new_private_file(self.plan.log_path) as log:
            self._process = subprocess.Popen(
                guarded(command(self.plan, socket=self._socket), self._orders(folder)),
                env=environment(self.plan, api_key=self._api_key, scratch=folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=() if lock_fd is None else (lock_fd,),
            )
        self._guardian = identify(self._process.pid)

    def _orders(self, folder: Path) -> Orders:
        watch = self._supervision
        return Orders(
            folder=folder,
            lease=self._lease_name,
            log=self.plan.log_path,
            address=self._socket or self.plan.port or 0,
            pauses_s=watch.pauses_s,
            notes=watch.notes,
            record=watch.record,
            start_lock=watch.start_lock,
            start_lock_fd=watch.start_lock_fd,
        )

    async def _wait_until_ready(self, on_phase: OnPhase) -> None:
        started = time.monotonic()
        phase: Phase | None = None
        told_at = -1.0
        probe = Transport(
            Endpoint(self._origin, self._api_key, "", self._socket),
            max_connections=1,
            timeout_s=CANARY_TIMEOUT_S,
        )
        async with contextlib.aclosing(probe):
            while (elapsed := time.monotonic() - started) < self._start_timeout_s:
                if error := self.failure():
                    raise error
                if self._log.advance() != phase or elapsed - told_at >= 1.0:
                    phase, told_at = self._log.phase, elapsed
                    on_phase(phase, elapsed)
                if await self._answers(probe):
                    on_phase("ready", time.monotonic() - started)
                    return
                await asyncio.sleep(POLL_S)
        raise ServerError(
            f"vLLM was not ready after {self._start_timeout_s:.0f} s ({self._log.phase}). "
            f"Its log: {self.plan.log_path}"
        )

    async def _answers(self, probe: Transport) -> bool:
        """`/health` alone is not enough: it has been seen to answer with a dead engine."""
        canary = {
            "model": self.plan.served_names[0],
            "messages": [{"role": "user", "content": "Hi"}],
            "max_tokens": 1,
        }
        try:
            await probe.ping("health")
            await probe.post("v1/chat/completions", canary)
        except ModelUnavailable:
            return False
        except ModelError as error:
            raise ServerError(
                f"vLLM started but refuses a request: {error}. Its log: {self.plan.log_path}"
            ) from error
        return True


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error


def _new_private_file(path: Path) -> BinaryIO:
    """A new file in the place of an old one, whose writer may still be ending."""
    _make_folder(path.parent)
    try:
        path.unlink(missing_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    except OSError as error:
        raise _not_writable(path.parent, error) from error
    return os.fdopen(fd, "ab")


def _not_writable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot write in {folder}: {error.strerror or error}; "
        "set RLM_LOCAL_HOME to a folder that can be written"
    )


def _ignore(phase: Phase, elapsed_s: float) -> None:
    del phase, elapsed_s
