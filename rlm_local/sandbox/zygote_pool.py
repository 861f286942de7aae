"""REPLs over one context, forked from one template process.

Implements `interfaces.InterpreterPool`. The context is decoded once and shared copy-on-write; a
REPL starts in milliseconds, also one that replaces another that had to be killed.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial

from rlm_local.cell_limits import CellLimits
from rlm_local.config import SandboxPolicy
from rlm_local.errors import SandboxError, SandboxUnavailable
from rlm_local.interfaces import Context
from rlm_local.sandbox.live_worker import LiveWorker, start_worker
from rlm_local.sandbox.memory_watch import MemoryWatch
from rlm_local.sandbox.properties import judge
from rlm_local.sandbox.worker_process import WorkerProcess
from rlm_local.sandbox.zygote_process import ForkRequest, ZygoteProcess, package_folders
from rlm_local.types import ContextSlice

__all__ = ["ReplFacts", "ZygotePool"]


@dataclass(frozen=True, slots=True)
class ReplFacts:
    """What the tools in a REPL go by: sizes in characters, from the worker's real window."""

    worker_prompt_chars: int
    """What fits in one prompt of the worker."""
    chunk_chars: int
    """The usual size of a piece of text in a prompt."""


class ZygotePool:
    """Starts REPLs over one context; `open` makes one."""

    def __init__(
        self,
        context: Context,
        facts: ReplFacts,
        *,
        policy: SandboxPolicy,
        memory_bytes: int | None,
        cells: CellLimits,
        without: frozenset[str],
    ) -> None:
        self._context = context
        self._facts = facts
        self._policy: SandboxPolicy = policy
        self._memory_bytes = memory_bytes
        self._cells = cells
        self._watch = MemoryWatch()
        self._without = without
        self._zygote: ZygoteProcess | None = None
        self._zygote_lock = asyncio.Lock()
        self._spare: LiveWorker | None = None
        self._report: dict[str, str] = {}
        self._started: list[WorkerProcess] = []
        self._is_closed = False

    @classmethod
    async def open(
        cls,
        context: Context,
        facts: ReplFacts,
        *,
        policy: SandboxPolicy = "auto",
        memory_bytes: int | None = None,
        cells: CellLimits | None = None,
        without: frozenset[str] = frozenset(),
    ) -> "ZygotePool":
        """Decode the context and prove, with a first REPL, that this machine confines it.

        `memory_bytes` is the address space of one REPL; None: 2 GiB and six times the context.
        `without` leaves steps out (the layers of `child.confinement`, "closed_descriptors",
        "self_probe", "outside_check"): for tests that see what each one does, never for runs.

        Raises:
            SandboxUnavailable: this machine cannot confine REPLs as the policy asks.
            SandboxError: the processes could not be started.
        """
        pool = cls(
            context,
            facts,
            policy=policy,
            memory_bytes=memory_bytes,
            cells=cells or CellLimits(),
            without=without,
        )
        is_open = False
        try:
            pool._spare = await pool._start_worker()
            is_open = True
        finally:
            if not is_open:
                await pool.aclose()
        return pool

    @property
    def report(self) -> dict[str, str]:
        """Layer name -> "active", "degraded: why" or "off", as checked on the first REPL."""
        return dict(self._report)

    async def start(
        self, *, part: ContextSlice | None = None, text: str | None = None
    ) -> WorkerProcess:
        """A fresh REPL over the whole context, a part of it, or a text of its own.

        Raises:
            SandboxUnavailable: this machine cannot confine it as the policy asks.
            SandboxError: the process could not be started, or the pool is closed.
        """
        if part is not None and text is not None:
            raise ValueError("give a part or a text, not both")
        start_another: Callable[[], Awaitable[LiveWorker]]
        start_another = partial(self._start_worker, part=part, text=text)
        worker = None
        if part is None and text is None:
            worker, self._spare = self._spare, None
        if worker is None or worker.is_dead:
            worker = await start_another()
        started = WorkerProcess(worker, start_another, cells=self._cells, watch=self._watch)
        # Those that were closed meanwhile are nothing to close again.
        self._started = [one for one in self._started if not one.is_closed] + [started]
        return started

    async def aclose(self) -> None:
        """Kill every process of the pool and wait for them. Safe to call twice."""
        self._is_closed = True
        for started in self._started:
            await started.aclose()
        self._started.clear()
        if self._spare is not None:
            await self._spare.kill()
            self._spare = None
        if self._zygote is not None:
            await self._zygote.aclose()
            self._zygote = None

    async def _start_worker(
        self, *, part: ContextSlice | None = None, text: str | None = None
    ) -> LiveWorker:
        zygote = await self._living_zygote()
        own_text_bytes = None if text is None else text.__sizeof__()
        # A file for the process to fail to read before it says that it is confined. Everybody
        # may read it, so that it is the confinement that is put to the test.
        with tempfile.NamedTemporaryFile(prefix="rlm-canary-") as canary:
            os.fchmod(canary.fileno(), 0o644)
            request = ForkRequest(canary.name, part, own_text_bytes, self._memory_bytes)
            forked = await zygote.fork(request)
            checked = self._policy != "off" and "outside_check" not in self._without
            worker = await start_worker(forked, checked=checked, text=text)
        if worker.report != self._report:
            await self._accept(worker)
        return worker

    async def _accept(self, worker: LiveWorker) -> None:
        """Judge the first REPL of a template process: what it has, those after it have too."""
        refusal = judge(worker.report, self._policy).refusal(self._policy)
        if refusal is not None and not self._without:
            await worker.kill()
            raise SandboxUnavailable(refusal)
        self._report = dict(worker.report)

    async def _living_zygote(self) -> ZygoteProcess:
        async with self._zygote_lock:
            if self._is_closed:
                raise SandboxError("the pool of REPLs is closed")
            if self._zygote is not None and not self._zygote.is_alive:
                await self._zygote.aclose()
                self._zygote = None
            if self._zygote is None:
                self._zygote = await self._launch()
            return self._zygote

    async def _launch(self) -> ZygoteProcess:
        facts: dict[str, object] = {
            "policy": self._policy,
            "packages": package_folders(),
            "facts": asdict(self._facts),
            "cells": asdict(self._cells),
            "without": sorted(self._without),
        }
        table = [[d.name, d.start_char, d.end_char] for d in self._context.documents]
        with os.fdopen(os.memfd_create("documents"), "w+b") as file:
            file.write(json.dumps(table).encode("ascii"))
            file.flush()
            file.seek(0)
            return await ZygoteProcess.launch(facts, self._context.fileno(), file.fileno())
