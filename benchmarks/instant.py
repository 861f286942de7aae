"""Starts the instant server as a child process and talks to its control paths.

What is scripted and what is measured is the benchmarks' business.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any

from benchmarks.instant_server import Exchange, Rule

__all__ = ["InstantEndpoint", "cell"]


def cell(code: str) -> str:
    """A root's reply that holds one cell."""
    return f"```repl\n{code}\n```"


class InstantEndpoint:
    """The server, up inside `with`; its process ends with ours even when ours is killed."""

    def __enter__(self) -> "InstantEndpoint":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.instant_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the instant server did not start; its error is above")
        self._origin = f"http://127.0.0.1:{json.loads(line)['port']}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def base_url(self) -> str:
        """What goes into `RLM(base_url=...)`."""
        return f"{self._origin}/v1"

    @property
    def pid(self) -> int:
        """The server's process, which is no part of what is measured."""
        return self._process.pid

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Replace the script and forget what was seen."""
        self._call("/control/rules", [asdict(rule) for rule in rules])

    def log(self) -> list[Exchange]:
        """Every request since the script was set, in the order in which they were answered."""
        return [Exchange(**raw) for raw in self._call("/control/log", None)]

    def _call(self, path: str, body: list[dict[str, Any]] | None) -> Any:  # noqa: ANN401  # JSON
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._origin + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return json.load(answer)
