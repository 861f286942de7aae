"""Starts `peer_rlms.py` under another environment's Python, where the official harness lives.

Measures nothing itself: the instant server's log does.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.instant import InstantEndpoint
from benchmarks.instant_server import Exchange, Rule

__all__ = ["PEER_PROGRAM", "PeerRun", "run_peer"]

PEER_PROGRAM = Path(__file__).with_name("peer_rlms.py")


@dataclass(frozen=True, slots=True)
class PeerRun:
    """One completion of the official harness and what the server saw of it."""

    called_s: float
    done_s: float
    log: list[Exchange]


def run_peer(
    peer_python: Path, server: InstantEndpoint, rules: list[Rule], *, context: Path, question: str
) -> PeerRun:
    """One completion over `context` against `server` with a script of its own."""
    server.set_rules(rules)
    outcome = subprocess.run(
        [str(peer_python), str(PEER_PROGRAM), server.base_url, str(context), question],
        stdout=subprocess.PIPE,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        text=True,
        check=True,
    )
    said = json.loads(outcome.stdout.splitlines()[-1])
    return PeerRun(said["called_s"], said["done_s"], server.log())
