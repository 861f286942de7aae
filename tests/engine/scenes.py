"""Engines over fakes, ready to run: the stage most tests of this folder share."""

from dataclasses import dataclass

from rlm_local.config import RunConfig
from rlm_local.engine.loop import Engine, Models
from rlm_local.engine.prompts import Profile, load_profile
from rlm_local.engine.retry import RetryPolicy
from rlm_local.registry import load_registry
from rlm_local.types import Answer, Limits, ReplyStyle, RunMode
from tests.fakes.interpreter import InProcessPool
from tests.fakes.parts import (
    CallableModel,
    HandClock,
    ListSink,
    ScriptedRoot,
    StringContext,
    echo,
)

__all__ = ["AT_ONCE", "SANDBOX", "SMALL", "TEXT", "Scene", "cell", "profile"]

SANDBOX = {"policy": "off", "level": "off"}

SMALL = "The gate opens at 7.\nThe magic number for sunny-harbor is 9345706.\nGoodbye.\n"
"""Stands in the first message whole."""
TEXT = SMALL + "Nothing happens on this line.\n" * 30
AT_ONCE = RetryPolicy(base_s=0.0)
"""Retries without a pause."""


def profile(name: str = "coder") -> Profile:
    """A shipped profile."""
    return load_profile(name, load_registry().profile(name))


def cell(code: str) -> str:
    """A reply that holds one cell."""
    return f"Let me look.\n```repl\n{code}\n```"


@dataclass
class Scene:
    """A root, a worker and a text, and what happened when they were asked."""

    root: CallableModel
    worker: CallableModel
    context: StringContext
    pool: InProcessPool
    sink: ListSink
    clock: HandClock
    engine: Engine

    @classmethod
    def of(
        cls,
        *replies: str | Exception,
        root: CallableModel | None = None,
        worker: CallableModel | None = None,
        text: str = TEXT,
        limits: Limits | None = None,
        mode: RunMode = "rlm",
        style: ReplyStyle = "fence",
        seed: int | None = None,
        context: StringContext | None = None,
        shown: Profile | None = None,
    ) -> "Scene":
        """An engine whose root gives `replies` in turn."""
        root = root or ScriptedRoot(*replies)
        worker = worker or CallableModel(echo())
        context = context or StringContext(text)
        sink, clock = ListSink(), HandClock()
        engine = Engine(
            Models(root, worker),
            profile=shown or profile("coder" if style == "fence" else "small-coder"),
            config=RunConfig(
                limits=limits or Limits(), mode=mode, seed=seed, stack="test", sandbox=SANDBOX
            ),
            sink=sink,
            clock=clock,
            retries=AT_ONCE,
        )
        return cls(root, worker, context, InProcessPool(context), sink, clock, engine)

    async def ask(self, question: str = "What is the magic number for sunny-harbor?") -> Answer:
        """Run the question."""
        return await self.engine.run(question, self.context, self.pool)
