"""`vllm-router` as a child process in front of replicas, as docs/many-machines.md starts it.

Knows its command line and when it is ready; the replicas are the caller's.
"""

import asyncio
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rlm_local.errors import ModelError
from rlm_local.serving.endpoint import Endpoint, Transport

__all__ = ["Policy", "Router", "find_router", "free_port", "router_command"]

Policy = Literal["cache_aware", "round_robin", "consistent_hash", "power_of_two", "random"]

_READY_WITHIN_S = 30.0
_POLL_S = 0.1
_DECISION = re.compile(r'prefix_routing_decisions_total\{[^}]*outcome="(\w+)"[^}]*\} (\d+)')


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_router() -> Path:
    """The program: beside this Python, else on the PATH.

    Raises:
        SystemExit: it is nowhere; says how to get it.
    """
    beside = Path(sys.executable).with_name("vllm-router")
    found = str(beside) if beside.is_file() else shutil.which("vllm-router")
    if not found:
        raise SystemExit(
            "there is no vllm-router; get it with `pip install vllm-router` "
            "(any environment does: name the program with --router)"
        )
    return Path(found)


def router_command(
    program: Path, urls: Sequence[str], *, ports: tuple[int, int], policy: Policy, sequences: int
) -> list[str]:
    """The command line; every option that is not the router's default says why in the docs.

    Args:
        program: `vllm-router`.
        urls: of the replicas, without `/v1`.
        ports: to listen on, loopback only, and where its own metrics are.
        policy: how a replica is chosen.
        sequences: that a replica runs at once.
    """
    return [
        str(program),
        *("--host", "127.0.0.1", "--port", str(ports[0])),
        *("--worker-urls", *urls),
        *("--policy", policy),
        *("--cache-threshold", "0.5"),
        *("--balance-abs-threshold", str(sequences), "--balance-rel-threshold", "1.1"),
        *("--health-check-interval-secs", "2", "--health-failure-threshold", "1"),
        *("--cb-failure-threshold", "2", "--cb-timeout-duration-secs", "30"),
        *("--queue-size", "10000", "--queue-timeout-secs", "1800"),
        *("--worker-startup-check-interval", "1"),
        *("--prometheus-port", str(ports[1])),
        *("--log-level", "warning"),
    ]


class Router:
    """The process, up and with healthy replicas inside `async with`."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        policy: Policy = "cache_aware",
        sequences: int = 16,
        program: Path | None = None,
        log: Path,
    ) -> None:
        self.port, self._metrics_port = free_port(), free_port()
        self._command = router_command(
            program or find_router(),
            urls,
            ports=(self.port, self._metrics_port),
            policy=policy,
            sequences=sequences,
        )
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """What goes into `RLM(base_url=...)`."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def decisions(self) -> dict[str, int]:
        """How often `cache_aware` decided what: prefix_hit, missing_tokens, load_imbalance ..."""
        page = Transport(
            Endpoint(f"http://127.0.0.1:{self._metrics_port}", None, ""),
            max_connections=1,
            timeout_s=5.0,
        )
        try:
            return {name: int(n) for name, n in _DECISION.findall(await page.text("metrics"))}
        finally:
            await page.aclose()

    async def __aenter__(self) -> "Router":
        self._process = self._started()
        is_ready = False
        try:
            await self._until_ready(self._process)
            is_ready = True
        finally:
            if not is_ready:
                self._stop()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self._stop)

    async def _until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        probe = Transport(
            Endpoint(f"http://127.0.0.1:{self.port}", None, ""), max_connections=1, timeout_s=5.0
        )
        deadline_s = time.monotonic() + _READY_WITHIN_S
        try:
            while time.monotonic() < deadline_s and process.poll() is None:
                try:
                    return await probe.ping("health")
                except ModelError:
                    await asyncio.sleep(_POLL_S)
        finally:
            await probe.aclose()
        raise SystemExit(f"vllm-router is not ready; its output is in {self._log}")

    def _started(self) -> "subprocess.Popen[bytes]":
        with self._log.open("wb") as log:
            return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
