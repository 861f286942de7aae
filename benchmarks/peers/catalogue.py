"""Which peers there are: their packages, pinned to versions that were installed and run here."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PEERS", "Peer", "PeerError", "peer_named"]


class PeerError(Exception):
    """A peer that cannot be asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A harness of other people.

    Attributes:
        packages: what pip installs.
        program: the module under `benchmarks.peers.programs` that drives it.
        as_run: how it is set up, and what differs from its own defaults.
    """

    name: str
    packages: tuple[str, ...]
    program: str
    as_run: str


PEERS: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            "rlms",
            ("rlms==0.1.3",),
            "official",
            "the official harness: local environment; turns, seconds and temperature as ours",
        ),
        Peer(
            "minrlm",
            ("minrlm==0.1.5",),
            "minrlm_run",
            "its own 6 iterations unless fewer are allowed; sub-calls as it likes, 100 at most",
        ),
        Peer(
            "dspy",
            ("dspy==3.4.1",),
            "dspy_run",
            "dspy.RLM with its LocalInterpreter, which needs no Deno; no cache of replies",
        ),
        Peer(
            "recursive-llm",
            ("recursive-llm==0.5.0",),
            "recursive_llm_run",
            "its defaults; turns, seconds and temperature as ours",
        ),
    )
}


def peer_named(name: str) -> Peer:
    """The peer.

    Raises:
        PeerError: there is none with this name; the nearest names are told.
    """
    if name not in PEERS:
        near = difflib.get_close_matches(name, PEERS, n=2) or list(PEERS)
        raise PeerError(f"there is no peer {name}; there is {', '.join(near)}")
    return PEERS[name]
