"""The official harness against the instant server, with a script of its own.

Measures nothing itself: the server's log does.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from benchmarks.instant import InstantEndpoint
from benchmarks.instant_server import Exchange, Rule
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.process import ask_peer
from benchmarks.peers.programs.protocol import Order

__all__ = ["PeerRun", "run_peer"]

_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class PeerRun:
    """One completion of the official harness and what the server saw of it."""

    called_s: float
    done_s: float
    log: list[Exchange]


def run_peer(
    peer_python: Path, server: InstantEndpoint, rules: list[Rule], *, context: Path, question: str
) -> PeerRun:
    """One completion over `context`; `peer_python` is of an environment with `rlms`."""
    server.set_rules(rules)
    order = Order(
        base_url=server.base_url,
        api_key="none",
        model="root",
        worker="root",
        context=str(context.resolve()),
        question=question,
        max_turns=30,
        max_seconds=_LIMIT_S,
    )
    said = asyncio.run(ask_peer(peer_python, PEERS["rlms"].program, order, timeout_s=_LIMIT_S))
    if said.error:
        raise SystemExit(f"the official harness failed: {said.error}")
    return PeerRun(said.called_s, said.done_s, server.log())
