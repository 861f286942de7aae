"""Automata of constraints for one model in process: each built once, and kept.

Built in a process that can be killed. Keeps the last used, within a number and a size; keeps as
well that one cannot be built, so that a batch of a thousand does not try a thousand times. Knows
no tensors: masks are `structured`'s.
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


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """What one automaton may take to build, and all of them to keep."""

    seconds: float = 30.0
    memory_bytes: int = 4 << 30
    """Address space of the process that builds."""
    index_bytes: int = 256 << 20
    kept: int = 32
    kept_bytes: int = 512 << 20


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
    _kept: "OrderedDict[Constraint, Automaton | ModelError]" = field(
        init=False, repr=False, default_factory=OrderedDict
    )
    _building: "dict[Constraint, asyncio.Task[Automaton]]" = field(
        init=False, repr=False, default_factory=dict
    )
    _turn: asyncio.Lock = field(init=False, repr=False, default_factory=asyncio.Lock)
    """One is built at a time: each may take all of its memory."""

    async def get(self, constraint: Constraint) -> Automaton:
        """The automaton of a constraint.

        Who asks while it is built waits for that one; a caller that is cancelled stops nothing.

        Raises:
            ModelError: none can be built, or not within the limits; says which.
        """
        known = self._kept.get(constraint)
        if known is None:
            task = self._building.get(constraint)
            if task is None:
                task = self._building[constraint] = asyncio.create_task(self._build(constraint))
                task.add_done_callback(lambda done: self._keep(constraint, done))
            return await self._wait_for(task)
        self._kept.move_to_end(constraint)
        if isinstance(known, ModelError):
            raise ModelError(str(known))
        return known

    async def aclose(self) -> None:
        """End what is being built, and forget the rest."""
        for task in list(self._building.values()):
            task.cancel()
        await asyncio.gather(*self._building.values(), return_exceptions=True)
        self._kept.clear()
        self._tokens = None

    async def _wait_for(self, task: "asyncio.Task[Automaton]") -> Automaton:
        await asyncio.wait([task])
        if task.cancelled():
            raise ModelError("the model is closed")
        return task.result()

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
        if len(index) > limits.index_bytes:
            raise ModelError(f"{_shown(constraint)} takes {len(index):,} bytes; ask for less")
        return await asyncio.to_thread(Automaton.of, index)

    def _keep(self, constraint: Constraint, done: "asyncio.Task[Automaton]") -> None:
        del self._building[constraint]
        if done.cancelled():
            return
        failure = done.exception()
        if isinstance(failure, ModelError):
            self._kept[constraint] = failure
        elif failure is None:
            self._kept[constraint] = done.result()
        while len(self._kept) > self.limits.kept or (
            len(self._kept) > 1 and self._kept_bytes() > self.limits.kept_bytes
        ):
            self._kept.popitem(last=False)

    def _kept_bytes(self) -> int:
        return sum(kept.n_bytes for kept in self._kept.values() if isinstance(kept, Automaton))


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
