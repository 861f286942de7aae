"""The REPL process after its fork: lock down, prove it, then run cells until the host is gone.

Operations, host to worker: `text` (a part of a context that is not in the mapped file; `last`),
`exec` (`cell`; the code is its text), `reply` (`id`). Worker to host: `ready` (`report`),
`refused`, `call` (see `subcalls`), `done`.
"""

import os
import socket
import sys
from typing import Any

from rlm_local.sandbox.child import lockdown, preload, self_probe
from rlm_local.sandbox.child.cells import CellOutcome, CellRunner
from rlm_local.sandbox.child.confinement import Confinement, NotConfined
from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.interrupts import Interrupts
from rlm_local.sandbox.child.link import HostLink
from rlm_local.sandbox.child.lockdown import LayerRefused, Surroundings
from rlm_local.sandbox.child.private_root import SCRATCH
from rlm_local.sandbox.child.records.tallies import forgive_spellings
from rlm_local.sandbox.child.subcalls import Subcalls
from rlm_local.sandbox.child.toolbox import Toolbox
from rlm_local.sandbox.child.wire import FrameError, encode_frame

__all__ = ["PROTOCOL_FD", "WorkerTask", "run_worker"]

PROTOCOL_FD = 3
_MEMORY_BASE_BYTES = 2 << 30
_MEMORY_PER_CONTEXT_BYTE = 6
_MEMORY_MIN_FREE_BYTES = 64 << 20
_NAMES_SENT = 200
_NAME_CHARS = 100


class WorkerTask:
    """What one worker is forked for: plain values, made by the zygote."""

    __slots__ = (
        "address_space_bytes", "around", "canary", "cells", "context", "context_bytes", "end",
        "environment", "facts", "has_self_probe", "mapped_start", "memory_bytes",
        "own_text_bytes", "packages", "plan", "spans", "top_names",
    )  # fmt: skip

    def __init__(
        self, plan: Confinement, around: Surroundings, environment: frozenset[str]
    ) -> None:
        self.plan = plan
        self.around = around
        self.environment = environment
        self.context = ""
        self.context_bytes = 0  # of the whole text, which a slice's process has mapped as well
        self.address_space_bytes = 0  # of the process this one was forked from
        self.spans: list[tuple[str, int, int]] = []
        self.mapped_start: int | None = 0
        self.end: int | None = None
        self.own_text_bytes = 0
        self.memory_bytes: int | None = None
        self.canary = ""
        self.facts: dict[str, int] = {}
        self.cells: dict[str, Any] = {}  # as `types.CellLimits`
        self.packages: tuple[str, ...] = ()
        self.has_self_probe = True
        self.top_names: frozenset[str] | None = None


def run_worker(task: WorkerTask) -> None:
    """Confine this process, say so, and serve cells. Returns only when it must not."""
    sock = socket.socket(fileno=PROTOCOL_FD)
    try:
        _lock_down(task)
    except LayerRefused as error:
        why = f"{error.layer}, which worked when it was tried: {error.why}"
        sock.sendall(encode_frame({"op": "refused"}, (why,)))
        return
    except (NotConfined, OSError) as error:
        sock.sendall(encode_frame({"op": "refused"}, (str(error),)))
        return
    if task.around.scratch_bytes:
        os.environ["TMPDIR"] = SCRATCH
    sys.path.extend(task.packages)
    if task.plan.sealed:
        preload.explain_missing_modules()
    interrupts = Interrupts()
    interrupts.install()
    link = HostLink(sock, interrupts)
    link.send({"op": "ready", "report": dict(task.plan.report)})
    if task.mapped_start is None:
        task.context = _receive_text(link)
    _serve(task, link, interrupts)


def _lock_down(task: WorkerTask) -> None:
    around, plan = task.around, task.plan
    around.memory_bytes = _memory_limit(task)
    around.n_threads = int(task.cells["threads"])
    around.n_descriptors = int(task.cells["descriptors"])
    lockdown.confine(plan, around)
    if not task.has_self_probe or not plan.wanted:
        return
    leaks = self_probe.find_leaks(task.canary, task.environment, task.top_names)
    if leaks:
        raise NotConfined(f"the sandbox probe failed, the process can: {'; '.join(leaks)}")


def _memory_limit(task: WorkerTask) -> int:
    size = task.context_bytes + task.own_text_bytes
    limit = task.memory_bytes
    if limit is None:
        limit = _MEMORY_BASE_BYTES + _MEMORY_PER_CONTEXT_BYTE * size
    needed = task.address_space_bytes + task.own_text_bytes + _MEMORY_MIN_FREE_BYTES
    if task.end is not None:
        needed += len(task.context)
    if limit < needed:
        raise NotConfined(
            f"cell_memory_bytes is {limit:,}, but a REPL over this context needs "
            f"at least {needed:,}"
        )
    return limit


def _receive_text(link: HostLink) -> str:
    parts: list[str] = []
    while True:
        frame = link.next_command()
        parts += frame.texts
        if frame.header.get("last"):
            return "".join(parts)


def _serve(task: WorkerTask, link: HostLink, interrupts: Interrupts) -> None:
    forgive_spellings()
    runner = CellRunner(interrupts, int(task.cells["output_chars"]))
    tools = Toolbox(
        runner.namespace,
        task.context,
        Documents.of(task.context, task.spans),
        subcalls=Subcalls(link, task.context, task.mapped_start),
        facts=task.facts,
    )
    while True:
        frame = link.next_command()
        cell: Any = frame.header["cell"]
        interrupts.install()
        outcome = runner.run(frame.texts[0], cell, tools)
        _report(link, cell, outcome, tools)


def _report(link: HostLink, cell: int, outcome: CellOutcome, tools: Toolbox) -> None:
    names, texts = ["stdout"], [outcome.stdout]
    for name, text in (
        ("result", outcome.result),
        ("error", outcome.error),
        ("final", tools.answers.final),
    ):
        if text is not None:
            names.append(name)
            texts.append(text)
    header: dict[str, object] = {
        "op": "done",
        "cell": cell,
        "texts": names,
        "stdout_chars": outcome.stdout_chars,
        "error_type": outcome.error_type and outcome.error_type[:_NAME_CHARS],
        "interrupted": outcome.interrupted,
        "vars": [name[:_NAME_CHARS] for name in list(tools.variables())[:_NAMES_SENT]],
    }
    tools.answers.final = None
    try:
        link.send(header, tuple(texts))
    except FrameError as error:
        raise SystemExit(f"the cell's result cannot be sent: {error}") from None
