"""The items of a batch of sub-calls, how each ended, and the writing down of it. Asks nobody."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from rlm_local.engine.budget import Budget
from rlm_local.engine.journal import Journal
from rlm_local.engine.shared_calls import CallUnderWay
from rlm_local.events import SubcallDone
from rlm_local.types import SubcallOutcome, Usage

__all__ = ["Caller", "Item", "Origin", "Settled", "Writer"]

Origin = Literal["worker", "run", "beside", "disk", "trace"]
"""Whose reply it is; see `events.SubcallDone`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The run on whose behalf prompts are sent."""

    budget: Budget
    journal: Journal
    batch: int
    """Number of the batch within the run."""


@dataclass(frozen=True, slots=True)
class Settled:
    """One prompt's end, with what it cost."""

    outcome: SubcallOutcome
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    attempts: int = 0
    origin: Origin = "worker"
    misfit: bool = False
    """Whether the reply lacks the form that was asked for."""

    @property
    def cached(self) -> bool:
        """Whether it cost nothing, neither now nor in the run that is resumed."""
        return self.origin in ("run", "beside", "disk")


@dataclass(frozen=True, slots=True)
class Item:
    """One distinct prompt of a batch.

    Attributes:
        key: names its request.
        places: where in the batch it stands.
        on_disk: its reply, where the result cache has one.
        beside: the same request of another run, where that is under way.
    """

    prompt: str
    key: bytes
    places: list[int]
    on_disk: str | None
    beside: CallUnderWay | None


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes down the end of one distinct prompt, for each of its items, the moment it comes."""

    caller: Caller
    item: Item

    def __call__(self, task: "asyncio.Future[Settled]") -> None:
        """Write down how the task of this prompt ended."""
        if task.cancelled() or task.exception() is not None:
            settled = Settled(SubcallOutcome(None, "cancelled"))
        else:
            settled = task.result()
        journal = self.caller.journal
        for nth, place in enumerate(self.item.places):
            cached = settled.cached or (nth > 0 and settled.outcome.error is None)
            if cached:
                self.caller.budget.book_cached(1)
            paid = nth == 0 and not settled.cached
            journal.emit(
                SubcallDone(
                    **journal.stamp(),
                    batch=self.caller.batch,
                    item=place,
                    prompt=self.item.prompt,
                    reply=settled.outcome.text,
                    error=settled.outcome.error,
                    usage=settled.usage if paid else Usage(),
                    seconds=settled.seconds if paid else 0.0,
                    attempts=settled.attempts if paid else 0,
                    cached=cached,
                    key=self.item.key.hex(),
                    origin="run" if cached and nth > 0 else settled.origin,
                )
            )
