"""A peer as an arm of the tasks: the same server, model, context, question and limits as ours."""

import argparse

from benchmarks.peers.catalogue import PeerError, peer_named
from benchmarks.peers.environments import python_of
from benchmarks.peers.process import ask_peer
from benchmarks.peers.programs.protocol import Order
from benchmarks.targets import bench_folder
from benchmarks.tasks.arms import Answerer, Reply
from benchmarks.tasks.task import Task, Written

__all__ = ["PEER_SECONDS", "peer_answerer"]

_GRACE_S = 20.0
"""For a peer that keeps to its limit by itself, to come back with what it has."""

PEER_SECONDS = 600.0
"""Where no limit is given: some never end by themselves."""


def peer_answerer(name: str, arguments: argparse.Namespace) -> Answerer:
    """The peer's way to answer.

    Raises:
        PeerError: there is no such peer, it is not set up, or no endpoint was given.
    """
    peer = peer_named(name)
    python = python_of(peer, bench_folder())
    if not arguments.base_url or not arguments.root:
        raise PeerError("a peer is asked over an endpoint: give --base-url and --root")
    limit_s = arguments.max_seconds or PEER_SECONDS

    async def ask(task: Task, written: Written) -> Reply:
        order = Order(
            base_url=arguments.base_url,
            api_key=arguments.api_key or "none",
            model=arguments.root,
            worker=arguments.worker or arguments.root,
            context=str(written.path.resolve()),
            question=task.question,
            max_turns=arguments.max_turns,
            max_seconds=limit_s,
        )
        said = await ask_peer(python, peer.program, order, timeout_s=limit_s + _GRACE_S)
        facts = {
            "turns": said.turns,
            "prompt_tokens": said.prompt_tokens,
            "completion_tokens": said.completion_tokens,
            "packages": list(peer.packages),
        }
        return Reply(said.answer, said.error, facts)

    return ask
