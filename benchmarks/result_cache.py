"""The same prompts a second time, from the result cache and by resuming a run killed half-way.

    python -m benchmarks.result_cache [--prompts 500]
    python -m benchmarks.result_cache --worker-url http://127.0.0.1:8000/v1

Runs `rlm-local ask` as a process, three times over: into an empty cache, from the full one, and
killed by `kill -9` once half of its sub-calls are done, then resumed from its trace without any
cache. The root is scripted; the worker is the server at `--worker-url` (its model is called
"worker"), or answers after a latency. Each time is the batch's own, from its start to its last
reply as the trace has them; of the resumed run, to the last reply that stood in the old trace.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.front import Front, Worker
from benchmarks.instant import cell
from benchmarks.report import Measure, Report, Value, median, print_report
from rlm_local.config import HOME_VARIABLE
from rlm_local.events import Event, SubcallDone, SubcallsStarted
from rlm_local.results.disk_cache import DiskCache
from rlm_local.trace.jsonl import read_trace

__all__ = ["lookup_s", "main", "served_s"]

_QUESTION = "Benchmark question: label every item."
_CONTEXT = "A short text; what counts are the prompts. " * 50
_LABELS = ["location", "number", "person", "entity", "abbreviation", "description"]
_INSTRUCTION = (
    "You label questions by the kind of answer they ask for. Kinds: location (a place), number "
    "(a count, date or measure), person (a name or a group of people), entity (a thing, animal "
    "or work), abbreviation (what letters stand for), description (a definition, manner or "
    "reason). Reply with the one kind that fits best and nothing else. Question: "
)
_BAR = 50.0
_POLL_S = 0.02
_LOOKUP_REPEATS = 20


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where `rlm-local ask` runs: its home folder, and the models it asks."""

    folder: Path
    front: Front
    arguments: argparse.Namespace

    def start(self, trace: Path, *options: str) -> "subprocess.Popen[str]":
        text = self.folder / "text.txt"
        text.write_text(_CONTEXT, encoding="utf-8")
        command = [
            *(sys.executable, "-m", "rlm_local", "ask", "--context", str(text), "--json"),
            *("--base-url", self.front.base_url, "--root", "root", "--worker", "worker"),
            *("--trace", str(trace), "--max-subcalls", "1000000", *options),
        ]
        environment = {**os.environ, HOME_VARIABLE: str(self.folder / "home")}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def run(self, trace: Path, *options: str) -> float:
        """Seconds of a whole `ask`."""
        started_s = time.monotonic()
        process = self.start(trace, *options)
        stdout, _ = process.communicate()
        answer = json.loads(stdout or "{}")
        if answer.get("answer") != str(self.arguments.prompts):
            raise SystemExit(f"the scripted run ended otherwise: {answer}")
        return time.monotonic() - started_s


def served_s(
    events: Sequence[Event], origin: str | None = None, n_first: int | None = None
) -> float:
    """From the start of the first batch to the last reply of an origin, or to the n-th of all."""
    started = next(event.time_s for event in events if isinstance(event, SubcallsStarted))
    done = [
        event.time_s
        for event in events
        if isinstance(event, SubcallDone) and origin in (None, event.origin)
    ]
    return sorted(done)[: n_first or len(done)][-1] - started


def lookup_s(folder: Path, n_keys: int) -> float:
    """Median time of one look for so many keys in a cache that has them all."""
    keys = [n.to_bytes(32, "big") for n in range(n_keys)]

    async def look() -> list[float]:
        times = []
        with DiskCache(folder, warn=print) as cache:
            for key in keys:
                cache.put(key, "description")
            await cache.get(keys)
            for _ in range(_LOOKUP_REPEATS):
                started_s = time.perf_counter()
                found = await cache.get(keys)
                times.append(time.perf_counter() - started_s)
                assert len(found) == n_keys
        return times

    return median(asyncio.run(look()))


def _script(prompts: int) -> list[str]:
    send = (
        f"asked = [{_INSTRUCTION!r} + f'Item {{n}}: what is thing number {{n * 7919 % 1000}} of '\n"
        f"    f'list {{n}} called, and where is it?' for n in range({prompts})]\n"
        f"replies = llm_query_batched(asked, choices={_LABELS!r})\n"
        "print(sum(1 for reply in replies if reply))"
    )
    return [cell("print(context[:80])"), cell(send), cell("FINAL(str(len(replies)))")]


def _events(trace: Path) -> list[Event]:
    if not trace.exists():
        return []
    with read_trace(trace) as reader:
        return list(reader)


def _done(events: Sequence[Event]) -> dict[str, SubcallDone]:
    return {
        event.prompt: event for event in events if isinstance(event, SubcallDone) and event.reply
    }


def _kill_half_way(stage: _Stage, trace: Path) -> None:
    process = stage.start(trace, "--mode", "rlm", "--no-cache", _QUESTION)
    while len(_done(_events(trace))) < stage.arguments.prompts // 2:
        if process.poll() is not None:
            raise SystemExit("the run was over before it could be killed; take more prompts")
        time.sleep(_POLL_S)
    process.kill()
    process.communicate()


def _cached(stage: _Stage) -> tuple[list[Measure], list[dict[str, Value]]]:
    front, rows, times = stage.front, [], []
    for name in ("empty cache", "full cache"):
        trace = stage.folder / f"{name}.jsonl"
        front.sent.clear()
        whole_s = stage.run(trace, "--mode", "rlm", "--cache", _QUESTION)
        times.append(served_s(_events(trace)))
        rows.append(_row(name, times[-1], whole_s, front, 0))
    first_s, second_s = times
    measures = [
        Measure("batch, empty cache / full cache", first_s / second_s, "x", "at least", _BAR),
        Measure("batch, full cache", second_s, "s", "empty cache", first_s),
    ]
    return measures, rows


def _resumed(stage: _Stage) -> tuple[list[Measure], list[dict[str, Value]]]:
    front, first, second = (
        stage.front,
        stage.folder / "killed.jsonl",
        stage.folder / "resumed.jsonl",
    )
    front.sent.clear()
    _kill_half_way(stage, first)
    before = _events(first)
    finished = _done(before)
    half_s = served_s(before)
    killed = _row("killed half-way", half_s, None, front, 0)
    front.sent.clear()
    whole_s = stage.run(second, "--no-cache", "--resume", str(first))
    again = sum(1 for prompt in finished if prompt in front.sent)
    after = _events(second)
    replayed_s = served_s(after, "trace")
    rows = [killed, _row("resumed: finished half", replayed_s, whole_s, front, again)]
    measures = [
        Measure("finished half, first time / resumed", half_s / replayed_s, "x", "at least", _BAR),
        Measure("finished prompts sent again", float(again), "", "at most", 0.0),
    ]
    return measures, rows


def _row(
    name: str, batch_s: float, whole_s: float | None, front: Front, again: int
) -> dict[str, Value]:
    return {
        "run": name,
        "batch s": batch_s,
        "whole ask s": whole_s,
        "worker requests": sum(front.sent.values()),
        "finished sent again": again,
    }


def measure(arguments: argparse.Namespace, folder: Path) -> Report:
    """All runs, one after the other."""
    worker = Worker(
        arguments.worker_url, arguments.latency_ms / 1e3, arguments.capacity, _LABELS[0]
    )
    found_s = lookup_s(folder / "lookups", arguments.prompts)
    with Front(worker, _QUESTION, _script(arguments.prompts)) as front:
        stage = _Stage(folder, front, arguments)
        cached, cached_rows = _cached(stage)
        resumed, resumed_rows = _resumed(stage)
    look = Measure(f"one look for {arguments.prompts:,} keys", found_s, "s", "limit", 0.05)
    conditions: Mapping[str, Any] = {"worker": arguments.worker_url or "scripted, with a latency"}
    return Report(
        f"{arguments.prompts:,} sub-calls a second time",
        (*cached, *resumed, look),
        (*cached_rows, *resumed_rows),
        dict(conditions),
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--worker-url", help="a server whose model is called worker; default: none")
    parser.add_argument("--latency-ms", type=float, default=200.0, help="without one")
    parser.add_argument("--capacity", type=int, default=16, help="served at once without one")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        print_report(measure(arguments, Path(folder)), as_json=arguments.json)


if __name__ == "__main__":
    main()
