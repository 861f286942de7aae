"""One run whose root writes given cells, with a real worker: what is measured is the sub-calls.

Context, REPL, engine and scheduler are the real ones. Starts no server.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.instant import cell
from rlm_local.config import RunConfig
from rlm_local.context.mapped_file import open_context
from rlm_local.context.sources import ReadOptions, TextInput
from rlm_local.engine.loop import Engine
from rlm_local.engine.models import Models
from rlm_local.engine.prompts import load_profile
from rlm_local.events import Event, SubcallDone, SubcallsStarted
from rlm_local.interfaces import Model
from rlm_local.registry import load_registry
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.serving.scripted_model import ScriptedModel
from rlm_local.types import Answer, Limits

__all__ = ["Batch", "run_cells", "send_batch"]

_PROFILE = "coder"
_FACTS = ReplFacts(worker_prompt_chars=20_000, chunk_chars=4_000)
_SEPARATOR = "\n%%%%\n"


class _Clock:
    def now_s(self) -> float:
        return time.monotonic()


@dataclass(slots=True)
class _Witness:
    """Keeps the events, and tells of every sub-call that is done."""

    on_done: Callable[[int], None]
    events: list[Event] = field(default_factory=list)
    n_done: int = 0

    def emit(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, SubcallDone):
            self.n_done += 1
            self.on_done(self.n_done)


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of one batch of sub-calls.

    Attributes:
        seconds: from its start to its last item.
        done: what the engine wrote down, one event a distinct prompt.
        answer: what the cell saw: how many replies, and how many of them are values.
    """

    prompts: tuple[str, ...]
    seconds: float
    done: tuple[SubcallDone, ...]
    answer: str

    @property
    def lost(self) -> int:
        """Prompts without a value."""
        answered = {event.prompt for event in self.done if event.reply and not event.error}
        return len(set(self.prompts) - answered)

    @property
    def doubled(self) -> int:
        """Items told of more than once."""
        return len(self.done) - len({event.prompt for event in self.done})

    @property
    def sent_again(self) -> int:
        """Tries beyond the first, of all items."""
        return sum(event.attempts - 1 for event in self.done)

    @property
    def tokens(self) -> tuple[int, int, int]:
        """Of prompts, those of them from the prefix cache, and of replies."""
        usages = [event.usage for event in self.done]
        return (
            sum(usage.prompt_tokens for usage in usages),
            sum(usage.cached_tokens for usage in usages),
            sum(usage.completion_tokens for usage in usages),
        )


async def run_cells(
    worker: Model,
    text: str,
    *,
    cells: Sequence[str],
    on_done: Callable[[int], None] = lambda n_done: None,
) -> tuple[Answer, list[Event]]:
    """Run the cells over a text; `on_done` is told how many sub-calls are done."""
    witness = _Witness(on_done)
    async with contextlib.AsyncExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        models = Models(ScriptedModel([cell(code) for code in cells]), worker)
        context = open_context(
            [TextInput("text", text)],
            ReadOptions(),
            counter=worker.tokens,
            scratch=folder,
            index_folder=folder / "indexes",
        )
        parts.callback(context.close)
        pool = await ZygotePool.open(context, _FACTS)
        parts.push_async_callback(pool.aclose)
        engine = Engine(
            models,
            profile=load_profile(_PROFILE, load_registry().profile(_PROFILE)),
            config=RunConfig(mode="rlm", limits=Limits(max_subcalls=None)),
            sink=witness,
            clock=_Clock(),
        )
        answer = await engine.run("Send the batch.", context, pool)
    return answer, witness.events


async def send_batch(
    worker: Model,
    prompts: Sequence[str],
    *,
    options: str = "",
    on_done: Callable[[int], None] = lambda n_done: None,
) -> Batch:
    """Send prompts through `llm_query_batched`; `options` as a cell writes them."""
    send = (
        f"asked = context.split({_SEPARATOR!r})\n"
        f"replies = llm_query_batched(asked{', ' + options if options else ''})\n"
        "print(len(replies), sum(1 for reply in replies if reply))"
    )
    cells = ["print(context[:80])", send, "FINAL(f'{len(replies)} {sum(map(bool, replies))}')"]
    answer, events = await run_cells(worker, _SEPARATOR.join(prompts), cells=cells, on_done=on_done)
    done = tuple(event for event in events if isinstance(event, SubcallDone))
    started = [event.time_s for event in events if isinstance(event, SubcallsStarted)]
    if not started or not done:
        raise SystemExit(f"the run sent no batch: {answer}")
    seconds = max(event.time_s for event in done) - started[0]
    return Batch(tuple(prompts), seconds, done, answer.text)
