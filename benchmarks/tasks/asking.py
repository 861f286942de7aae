"""Asking on the command line: which arm, which models, how many at once, where outcomes go.

A run that was stopped goes on from its own file: questions answered there are not asked again.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing
from pathlib import Path

from rich.console import Console

from benchmarks.needle import tokens_from_text
from benchmarks.peers.arm import peer_answerer
from benchmarks.targets import add_target_flags, open_target
from benchmarks.tasks.arms import ARMS, PEER, WITHOUT_MODELS, Answerer, answerer
from benchmarks.tasks.outcomes import Outcome, append, read_outcomes, tables
from benchmarks.tasks.registry import family_named
from benchmarks.tasks.runner import run_tasks
from benchmarks.tasks.task import OptionError, Request, Task
from rlm_local.session.settings import Settings
from rlm_local.types import Limits, RunMode

__all__ = ["Asking", "add_asking_flags", "console_for_people", "run_families"]

_PLAIN_WIDTH = 160


def add_asking_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of the commands that ask."""
    parser.add_argument("--arm", default="rlm", help=f"{', '.join(ARMS)} or {PEER}NAME")
    parser.add_argument("--at-once", type=int, default=1, help="questions asked together")
    parser.add_argument("--window-tokens", type=int, default=6_000, help="for truncated")
    parser.add_argument("--mode", choices=("auto", "rlm", "direct"), default="auto")
    parser.add_argument("--profile", help="root profile of models.yaml instead of the model's own")
    parser.add_argument("--max-turns", type=int, default=Limits().max_turns)
    parser.add_argument("--max-seconds", type=float, help="for one question")
    parser.add_argument("--out", type=Path, help="JSON lines; questions already there are kept")
    parser.add_argument("--again", action="store_true", help="ask again what failed in --out")
    parser.add_argument("--by-kind", action="store_true", help="a table by kind of question too")
    add_target_flags(parser)


def console_for_people() -> Console:
    """Standard output; as wide as tables need where it is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)


class Asking:
    """Asks tasks as the flags say and keeps what came of them; models are opened when needed."""

    def __init__(self, arguments: argparse.Namespace, console: Console) -> None:
        known = read_outcomes(arguments.out) if arguments.out else ()
        self._kept = {(one.arm, one.name): one for one in known}
        self._arguments = arguments
        self._console = console
        self._closing = ExitStack()
        self._answerers: dict[str, Answerer] = {}

    def __enter__(self) -> "Asking":
        self._folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory()))
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def done(self) -> list[Outcome]:
        """What is known, of a question asked again the last."""
        return list(self._kept.values())

    def ask(self, tasks: Iterator[Task] | Sequence[Task], arm: str) -> None:
        """Ask what was not asked before, telling each outcome and writing it down."""
        asyncio.run(self._ask(tasks, arm))

    async def _ask(self, tasks: Iterator[Task] | Sequence[Task], arm: str) -> None:
        again = self._arguments.again
        known = {key for key, one in self._kept.items() if not (again and one.error)}
        new = (task for task in tasks if (arm, task.name) not in known)
        asked = run_tasks(
            new, arm, self._answerer(arm), folder=self._folder, at_once=self._arguments.at_once
        )
        async with aclosing(asked):
            async for outcome in asked:
                self.keep([outcome])

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Tell outcomes and write them down."""
        for outcome in outcomes:
            self._kept[outcome.arm, outcome.name] = outcome
            self._tell(outcome)
            if self._arguments.out:
                append(self._arguments.out, outcome)

    def _answerer(self, arm: str) -> Answerer:
        if arm not in self._answerers:
            self._answerers[arm] = self._open(arm)
        return self._answerers[arm]

    def _open(self, arm: str) -> Answerer:
        arguments = self._arguments
        if arm.startswith(PEER):
            return peer_answerer(arm.removeprefix(PEER), arguments)
        if arm not in ARMS:
            raise OptionError(f"there is no arm {arm}; there are {', '.join(ARMS)}, {PEER}NAME")
        models = None
        if arm not in WITHOUT_MODELS:
            limits = Limits(max_turns=arguments.max_turns, max_seconds=arguments.max_seconds)
            mode: RunMode = arguments.mode if arm == "rlm" else "direct"
            settings = Settings(mode=mode, seed=0, limits=limits, profile=arguments.profile)
            models = self._closing.enter_context(open_target(arguments, settings))
        return answerer(arm, models, window_tokens=arguments.window_tokens)

    def _tell(self, outcome: Outcome) -> None:
        said = " ".join((outcome.error or outcome.answer).split())[:60]
        self._console.print(
            f"{outcome.score:.2f} {outcome.seconds:6.1f}s {outcome.kind} {outcome.name}: {said}",
            markup=False,
            soft_wrap=True,
        )


def run_families(arguments: argparse.Namespace, request: Callable[[int, int], Request]) -> None:
    """The command `run`: every family at every length and seed, and the tables."""
    for family in arguments.families:
        family_named(family)
    console = console_for_people()
    with Asking(arguments, console) as asking:
        asking.ask(_asked(arguments, request), arguments.arm)
    tables(asking.done, by_kind=arguments.by_kind, console=console)


def _asked(arguments: argparse.Namespace, request: Callable[[int, int], Request]) -> Iterator[Task]:
    """Lengths go round inside seeds, so that drift favours none."""
    lengths = [tokens_from_text(text) for text in arguments.tokens.split(",")]
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        turn = seed % len(lengths)
        for tokens in [*lengths[turn:], *lengths[:turn]]:
            for family in arguments.families:
                yield from family_named(family).tasks(request(tokens, seed))
