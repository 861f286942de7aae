"""The command line: `list`, `setup`, `ask`."""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers.arm import PEER_SECONDS
from benchmarks.peers.catalogue import PEERS, PeerError, peer_named
from benchmarks.peers.environments import environment_of, python_of, set_up
from benchmarks.peers.process import ask_peer
from benchmarks.peers.programs.protocol import Order
from benchmarks.targets import bench_folder
from rlm_local.types import Limits

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; what is wrong with it is one line on standard error."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except PeerError as error:
        raise SystemExit(f"error: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description="Other harnesses, each in its environment."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="peers, their packages, and what is installed")
    listing.set_defaults(run=_list)
    setting_up = commands.add_parser("setup", help="install peers, all or those named")
    setting_up.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PEERS)}")
    setting_up.set_defaults(run=_setup)
    asking = commands.add_parser("ask", help="one question over a file or folder")
    asking.add_argument("name", metavar="NAME")
    asking.add_argument("context", type=Path)
    asking.add_argument("question")
    asking.add_argument("--base-url", required=True, help="an OpenAI-shaped endpoint")
    asking.add_argument("--root", required=True, help="name of the model there")
    asking.add_argument("--worker", help="name of the model for sub-calls")
    asking.add_argument("--api-key", default="none")
    asking.add_argument("--max-turns", type=int, default=Limits().max_turns)
    asking.add_argument("--max-seconds", type=float, default=PEER_SECONDS)
    asking.set_defaults(run=_ask)
    return parser


def _list(_: argparse.Namespace) -> None:
    for peer in PEERS.values():
        try:
            state = str(python_of(peer, bench_folder()))
        except PeerError:
            state = "not installed"
        print(f"{peer.name:14} {' '.join(peer.packages):22} {state}\n{'':14} {peer.as_run}")


def _setup(arguments: argparse.Namespace) -> None:
    for peer in [peer_named(name) for name in arguments.names or PEERS]:
        print(f"{peer.name}: {environment_of(peer, bench_folder())}", flush=True)
        print(f"{peer.name}: {set_up(peer, bench_folder())}", flush=True)


def _ask(arguments: argparse.Namespace) -> None:
    peer = peer_named(arguments.name)
    order = Order(
        base_url=arguments.base_url,
        api_key=arguments.api_key,
        model=arguments.root,
        worker=arguments.worker or arguments.root,
        context=str(arguments.context.resolve()),
        question=arguments.question,
        max_turns=arguments.max_turns,
        max_seconds=arguments.max_seconds,
    )
    python = python_of(peer, bench_folder())
    reply = asyncio.run(ask_peer(python, peer.program, order, timeout_s=arguments.max_seconds))
    for name, value in asdict(reply).items():
        print(f"{name}: {value}")
