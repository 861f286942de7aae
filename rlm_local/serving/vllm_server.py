"""One vLLM server as a child process: started, watched, stopped.

The process is parented by `guardian`, which ends it on every way this process can end. Knows how
to start what a ServerPlan says; decides no sizes and keeps no records.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from rlm_local.errors import ConfigError, ModelError, ModelUnavailable, ServerError, WeightsError
from rlm_local.serving import guardian
from rlm_local.serving.endpoint import Endpoint, Transport
from rlm_local.serving.processes import ProcessId, end_process, identify
from rlm_local.serving.vllm_command import ServerPlan, check_installed, command, environment
from rlm_local.serving.vllm_log import LogFollower, Phase, cause_of_failure

__all__ = ["OnPhase", "ServerPlan", "VllmServer"]

OnPhase = Callable[[Phase, float], None]
"""Told the phase and the seconds since the start: at each change, and about once a second."""

POLL_S = 0.25
CANARY_TIMEOUT_S = 120.0
SCRATCH_PATH_BYTES = 70
"""vLLM puts sockets with names of 36 characters in there, and the kernel takes paths of 107."""


class VllmServer:
    """One server. Use as `async with VllmServer(plan) as server`, or `start` and `stop`."""

    def __init__(self, plan: ServerPlan, *, start_timeout_s: float = 1800.0) -> None:
        self.plan = plan
        self._start_timeout_s = start_timeout_s
        self._api_key = secrets.token_urlsafe(24)
        self._scratch: Path | None = None
        self._socket: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: ProcessId | None = None
        self._owner_fd: int | None = None
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
        """End the server and everything below it; at most 10 s. Safe to call twice."""
        self._let_go()
        if self._guardian:
            await asyncio.to_thread(end_process, self._guardian)
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel
                self._process.wait(timeout=1.0)
            self._process = None
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def detach(self) -> None:
        """Let the server outlive this process; `end_process(guardian_process)` stops it.

        Raises:
            ServerError: it has died meanwhile: the cause, and where the log is.
        """
        if self._owner_fd is None:
            return
        try:
            os.write(self._owner_fd, guardian.DETACH)
        except BrokenPipeError as error:
            raise self._failure_soon() from error
        self._let_go()

    def failure(self) -> ServerError | None:
        """Why the server is no more; None while it runs, and when it was never started."""
        if self._process is None or (status := self._process.poll()) is None:
            return None
        cause = cause_of_failure(self._log.tail(), status)
        return ServerError(f"vLLM ended: {cause}. Its log: {self.plan.log_path}")

    @property
    def _origin(self) -> str:
        return "http://localhost" if self._socket else f"http://127.0.0.1:{self.plan.port}"

    def _spawn(self) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="rlm-local-"))
        if len(os.fsencode(self._scratch)) > SCRATCH_PATH_BYTES:
            raise ServerError(
                f"{self._scratch} is too long a path for a socket; set TMPDIR to a shorter one"
            )
        if self.plan.port is None:
            self._socket = self._scratch / "vllm.sock"
        _make_folder(self.plan.cache_folder)
        with _private_file(self.plan.log_path) as log:
            reader, self._owner_fd = os.pipe()
            try:
                self._process = subprocess.Popen(
                    self._guarded_command(reader),
                    env=environment(self.plan, api_key=self._api_key, scratch=self._scratch),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(reader,),
                )
            finally:
                os.close(reader)
        self._guardian = identify(self._process.pid)

    def _guarded_command(self, owner_fd: int) -> list[str]:
        ours = [sys.executable, "-I", "-S", str(guardian.__file__)]
        options = ["--owner-fd", str(owner_fd), "--remove", str(self._scratch)]
        return [*ours, *options, "--", *command(self.plan, socket=self._socket)]

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

    def _failure_soon(self) -> ServerError:
        """Why a guardian that closed its pipe is ending; it may take a moment to be gone."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1.0)
        return self.failure() or ServerError(
            f"vLLM's guardian closed its pipe. Its log: {self.plan.log_path}"
        )

    def _let_go(self) -> None:
        fd, self._owner_fd = self._owner_fd, None
        if fd is not None:
            os.close(fd)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error


def _private_file(path: Path) -> BinaryIO:
    _make_folder(path.parent)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise _not_writable(path.parent, error) from error
    return os.fdopen(fd, "wb")


def _not_writable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot write in {folder}: {error.strerror or error}; "
        "set RLM_LOCAL_HOME to a folder that can be written"
    )


def _ignore(phase: Phase, elapsed_s: float) -> None:
    del phase, elapsed_s
