"""What a run may still spend: sub-calls, tokens, seconds (shared down a tree) and turns (its own).

Reserve before a call, settle after it; every spending is booked on the run and all its parents,
and checked from the topmost parent down, so that a child can never spend more than its parent has.
Calls no model and ends no run: it raises `LimitExceeded`, which says whose limit it was.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from rlm_local.errors import LimitExceeded
from rlm_local.interfaces import Clock
from rlm_local.types import Limits, RunUsage, Usage

__all__ = ["Budget", "Reservation"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """Tokens held for a call that is under way."""

    tokens: int


class Budget:
    """The ledger of one run, linked to its parent's.

    Mutable, and only touched from the event loop's thread.

    Attributes:
        owner: id of the run.
        turns: turns taken by this run itself.
        subcalls: prompts and child runs that cells asked for, those of child runs included.
        cached_subcalls: part of `subcalls` answered without asking the worker.
        usage: tokens by role, child runs included.
    """

    def __init__(
        self, limits: Limits, owner: str, clock: Clock, parent: "Budget | None" = None
    ) -> None:
        self.limits = limits
        self.owner = owner
        self.turns = 0
        self.subcalls = 0
        self.cached_subcalls = 0
        self.usage = RunUsage()
        self._sent_subcalls = 0
        self._reserved_tokens = 0
        self._clock = clock
        self._started_s = clock.now_s()
        self._spent: LimitExceeded | None = None
        self._chain: tuple[Budget, ...] = (*(parent._chain if parent else ()), self)
        self._waiting: list[asyncio.Future[None]] = parent._waiting if parent else []

    def child(self, owner: str, limits: Limits) -> "Budget":
        """The ledger of a child run: its own limits, and everything booked here too."""
        return Budget(limits, owner, self._clock, self)

    @property
    def tree(self) -> str:
        """Id of the topmost run."""
        return self._chain[0].owner

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self._clock.now_s() - self._started_s

    @property
    def turns_left(self) -> int:
        """Turns this run may still take."""
        return max(0, self.limits.max_turns - self.turns)

    @property
    def subcalls_left(self) -> int | None:
        """Prompts that may still be sent; the least along the tree. None: no limit."""
        left = [
            max(0, node.limits.max_subcalls - node._sent_subcalls)
            for node in self._chain
            if node.limits.max_subcalls is not None
        ]
        return min(left) if left else None

    @property
    def tokens_left(self) -> int | None:
        """Tokens neither spent nor held by calls under way; the least along the tree."""
        left = [
            max(0, node.limits.max_tokens - node._spent_tokens - node._reserved_tokens)
            for node in self._chain
            if node.limits.max_tokens is not None
        ]
        return min(left) if left else None

    @property
    def counts_tokens(self) -> bool:
        """Whether anyone along the tree limits tokens; if not, nobody needs to count a prompt."""
        return any(node.limits.max_tokens is not None for node in self._chain)

    def remaining_s(self) -> float | None:
        """Seconds until the nearest deadline along the tree; below 0 when it is past."""
        left = [
            node.limits.max_seconds - node.seconds
            for node in self._chain
            if node.limits.max_seconds is not None
        ]
        return min(left) if left else None

    def take_turn(self) -> int:
        """Book one turn.

        Returns:
            Its number, from 1.

        Raises:
            LimitExceeded: no turn is left, or another limit is spent.
        """
        self.check()
        if not self.turns_left:
            raise LimitExceeded("max_turns", self.owner, f"all {self.turns} turns are used")
        self.turns += 1
        return self.turns

    def check(self) -> None:
        """Stop a run that has met a limit.

        Raises:
            LimitExceeded: time is over, or an earlier reservation was refused.
        """
        for node in self._chain:
            if node._spent:
                raise node._spent
            node._check_time()

    def reserve(self, tokens: int, *, subcalls: int = 0) -> Reservation:
        """Hold tokens for a call and book the sub-calls it is.

        Raises:
            LimitExceeded: a limit along the tree does not hold it; nothing was booked.
        """
        for node in self._chain:
            node._check_time()
            node._check_room(tokens, subcalls)
        for node in self._chain:
            node._reserved_tokens += tokens
            node._sent_subcalls += subcalls
            node.subcalls += subcalls
        return Reservation(tokens)

    async def reserve_soon(self, tokens: int, *, subcalls: int = 0) -> Reservation:
        """`reserve`, but while calls under way hold what is missing, wait for them to settle.

        Raises:
            LimitExceeded: as `reserve`.
        """
        while any(node._is_full_for_now(tokens) for node in self._chain):
            settled = asyncio.get_running_loop().create_future()
            self._waiting.append(settled)
            await settled
        return self.reserve(tokens, subcalls=subcalls)

    def settle(self, held: Reservation, role: Literal["root", "worker"], usage: Usage) -> None:
        """Give a reservation back and book what the call really cost (nothing, if it failed)."""
        spent = RunUsage(root=usage) if role == "root" else RunUsage(worker=usage)
        for node in self._chain:
            node._reserved_tokens -= held.tokens
            node.usage += spent
        waiting = self._waiting[:]
        self._waiting.clear()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def book_cached(self, subcalls: int) -> None:
        """Count sub-calls that cost nothing because the same prompt was answered before."""
        for node in self._chain:
            node.subcalls += subcalls
            node.cached_subcalls += subcalls

    @asynccontextmanager
    async def within_time(self, *, grace_s: float = 0.0) -> AsyncIterator[None]:
        """Cancel the block at the deadline (and a grace after it).

        Raises:
            LimitExceeded: the deadline passed.
        """
        remaining = self.remaining_s()
        limit = None if remaining is None else max(0.0, remaining) + grace_s
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise self._time_is_over() from None

    def _time_is_over(self) -> LimitExceeded:
        # The cut came from the event loop's clock; the budget's own may still be a moment behind.
        nearest = min(
            (node for node in self._chain if node.limits.max_seconds is not None),
            key=lambda node: (node.limits.max_seconds or 0.0) - node.seconds,
        )
        return nearest._refuse("max_seconds", f"{nearest.limits.max_seconds:g} s are over")

    def _check_time(self) -> None:
        limit = self.limits.max_seconds
        if limit is not None and self.seconds >= limit:
            raise self._refuse("max_seconds", f"{limit:g} s are over")

    def _check_room(self, tokens: int, subcalls: int) -> None:
        limit = self.limits.max_subcalls
        if limit is not None and self._sent_subcalls + subcalls > limit:
            raise self._refuse("max_subcalls", f"all {limit:,} sub-calls are used")
        if self._is_over(self._reserved_tokens + tokens):
            raise self._refuse(
                "max_tokens",
                f"the next call needs up to {tokens:,} tokens; "
                f"{self._spent_tokens:,} of {self.limits.max_tokens:,} are used",
            )

    @property
    def _spent_tokens(self) -> int:
        return self.usage.root.total_tokens + self.usage.worker.total_tokens

    def _is_full_for_now(self, tokens: int) -> bool:
        return (
            self._reserved_tokens > 0
            and self._is_over(self._reserved_tokens + tokens)
            and not self._is_over(tokens)
        )

    def _is_over(self, tokens: int) -> bool:
        limit = self.limits.max_tokens
        used = self.usage.root.total_tokens + self.usage.worker.total_tokens
        return limit is not None and used + tokens > limit

    def _refuse(self, limit: str, why: str) -> LimitExceeded:
        self._spent = LimitExceeded(limit, self.owner, f"{limit} reached: {why}")
        return self._spent
