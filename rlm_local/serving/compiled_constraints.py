"""Automata of constraints for one model in process: each built once, and kept.

Built in a process that can be killed, and is once nobody waits for it. Keeps the last used, within
a number and a size; remembers, apart from them, that one cannot be built, so that a batch of a
thousand does not try a thousand times. Knows no tensors: masks are `structured`'s.
"""

import asyncio
import json
import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from rlm_local.errors import ModelError
from rlm_local.serving import index_builder
from rlm_local.serving.structured import Automaton, automaton_order, preload
from rlm_local.types import Constraint

__all__ = ["BuildLimits", "CompiledConstraints"]

_WORDS_CHARS = 300
_REFUSALS_KEPT = 256


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """What one automaton may take to build, and all of them to keep."""

    seconds: float = 30.0
    memory_bytes: int = 4 << 30
    """Address space of the process that builds."""
    index_bytes: int = 256 << 20
    kept: int = 32
    kept_bytes: int = 512 << 20
    waiting: int = 64
    """Builds at a time, of which all but one wait for their turn."""


@dataclass(slots=True, eq=False)
class _Build:
    task: "asyncio.Task[Automaton]"
    waiters: int = 0


@dataclass(slots=True)
class CompiledConstraints:
    """Automata over one vocabulary. Used on one event loop."""

    vocabulary: Callable[[], Awaitable[bytes]]
    """The model's tokens (`structured.token_vocabulary`); asked for once."""
    _: KW_ONLY
    limits: BuildLimits = field(default_factory=BuildLimits)
    built: int = field(init=False, default=0)
    """Automata that were built, or tried, so far."""
    _tokens: bytes | None = field(init=False, repr=False, default=None)
    _kept: "OrderedDict[Constraint, Automaton]" = field(
        init=False, repr=False, default_factory=OrderedDict
    )
    _refused: "OrderedDict[Constraint, str]" = field(
        init=False, repr=False, default_factory=OrderedDict
    )
    _building: "dict[Constraint, _Build]" = field(init=False, repr=False, default_factory=dict)
    _tasks: "set[asyncio.Task[Automaton]]" = field(init=False, repr=False, default_factory=set)
    """Those of `_building`, and those that are being ended."""
    _turn: asyncio.Lock = field(init=False, repr=False, default_factory=asyncio.Lock)
    """One is built at a time: each may take all of its memory."""

    async def get(self, constraint: Constraint) -> Automaton:
        """The automaton of a constraint.

        Who asks while it is built waits for that one; it is given up with the last who waits.

        Raises:
            ModelError: none can be built, or not within the limits; says which.
        """
        if (known := self._kept.get(constraint)) is not None:
            self._kept.move_to_end(constraint)
            return known
        if (refusal := self._refused.get(constraint)) is not None:
            self._refused.move_to_end(constraint)
            raise ModelError(refusal)
        build = self._building.get(constraint) or self._started(constraint)
        build.waiters += 1
        try:
            await asyncio.wait([build.task])
        finally:
            build.waiters -= 1
            if not build.waiters and not build.task.done():
                build.task.cancel()
                self._forget(constraint, build)
        if build.task.cancelled():
            raise ModelError("the model is closed")
        return build.task.result()

    async def aclose(self) -> None:
        """End what is being built, and forget the rest."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._kept.clear()
        self._refused.clear()
        self._tokens = None

    def _started(self, constraint: Constraint) -> _Build:
        if len(self._building) >= self.limits.waiting:
            raise ModelError(
                f"{len(self._building)} forms of replies wait to be prepared already; "
                "ask with fewer different ones at once"
            )
        build = _Build(asyncio.create_task(self._build(constraint)))
        self._building[constraint] = build
        self._tasks.add(build.task)
        build.task.add_done_callback(lambda _: self._keep(constraint, build))
        return build

    def _forget(self, constraint: Constraint, build: _Build) -> None:
        if self._building.get(constraint) is build:
            del self._building[constraint]

    async def _build(self, constraint: Constraint) -> Automaton:
        async with self._turn:
            await preload()
            if self._tokens is None:
                self._tokens = await self.vocabulary()
            self.built += 1
            limits = self.limits
            order = automaton_order(constraint) | {
                "memory_bytes": limits.memory_bytes,
                "cpu_s": int(limits.seconds) + 1,
                "index_bytes": limits.index_bytes,
            }
            data = json.dumps(order).encode() + b"\n" + self._tokens
            try:
                async with asyncio.timeout(limits.seconds):
                    index = await _run(data)
            except TimeoutError:
                raise ModelError(
                    f"{_shown(constraint)} takes more than {limits.seconds:g} s to prepare; "
                    "ask for something simpler"
                ) from None
            except _BuildFailed as failed:
                raise ModelError(f"{_shown(constraint)} cannot be prepared: {failed}") from None
        return await asyncio.to_thread(Automaton.of, index)

    def _keep(self, constraint: Constraint, build: _Build) -> None:
        self._tasks.discard(build.task)
        self._forget(constraint, build)
        if build.task.cancelled():
            return
        failure = build.task.exception()
        if isinstance(failure, ModelError):
            self._refused[constraint] = str(failure)
        elif failure is None:
            self._kept[constraint] = build.task.result()
        while len(self._refused) > _REFUSALS_KEPT:
            self._refused.popitem(last=False)
        while len(self._kept) > self.limits.kept or (
            len(self._kept) > 1 and self._kept_bytes() > self.limits.kept_bytes
        ):
            self._kept.popitem(last=False)

    def _kept_bytes(self) -> int:
        return sum(kept.n_bytes for kept in self._kept.values())


class _BuildFailed(Exception):
    """The process gave no automaton; says why."""


async def _run(data: bytes) -> bytes:
    # -P: its folder has modules whose names are the standard library's.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(Path(index_builder.__file__)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        index, words = await process.communicate(data)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    if process.returncode == 0:
        return index
    if process.returncode == 1:
        first_line = words.decode("utf-8", "replace").strip().partition("\n")[0]
        raise _BuildFailed(first_line[:_WORDS_CHARS])
    raise _BuildFailed("its automaton does not fit into memory; ask for something simpler")


def _shown(constraint: Constraint) -> str:
    return f"a reply held to {constraint!r:.200}"
