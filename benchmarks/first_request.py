"""How long a large text delays the first root request, what a child run costs, and the memory.

    python -m benchmarks.first_request [--chars 40000000] [--peer-python VENV/bin/python]

The text lies in a file; the server is instant, so what is measured is ours: from `complete()` to
the arrival of the first root request, from a cell's `rlm_query` to the child's first request, and
the largest sum of PSS of all our processes during the run. Asks for no full-text index.
"""

import argparse
import itertools
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.instant import InstantEndpoint, cell
from benchmarks.instant_server import Exchange, Rule
from benchmarks.peers.scripted import run_peer
from benchmarks.report import Measure, Report, Value, median, print_report
from benchmarks.texts import plain_english
from rlm_local import RLM

__all__ = ["Observation", "child_starts_s", "first_root_s", "main"]

_QUESTION = "Benchmark question: how does the text begin?"
_CHILD_QUESTION = "What is the first word of this part?"
_MIB = 2**20
_LIMIT_PER_TEXT = 2
_LIMIT_EXTRA_BYTES = 400 * 10**6
_FIRST_LIMIT_S = ((40_000_000, 0.5), (500_000_000, 5.0))
"""Up to so many characters, so many seconds."""

_CHILD_LIMIT_S = 0.05


@dataclass(frozen=True, slots=True)
class Observation:
    """One run: seconds to the first request, to each child's first request, and peak memory."""

    first_s: float
    children_s: tuple[float, ...]
    pss_bytes: int


def rules(n_children: int) -> list[Rule]:
    """A root that looks, starts children over the whole text and finishes; children that finish."""
    main = [
        cell("print(context[:200])"),
        cell(
            f"for number in range({n_children}):\n"
            f"    print(number, rlm_query({_CHILD_QUESTION!r} + f' ({{number}})'))"
        ),
        cell("FINAL('done: ' + context[:40])"),
    ]
    child = cell("print(context[:80])\nFINAL(context[:20])")
    return [Rule(_QUESTION, main), Rule("", [child])]


def first_root_s(called_s: float, log: Sequence[Exchange]) -> float:
    """From the call to the arrival of the first root request."""
    return min(exchange.arrived_s for exchange in log) - called_s


def child_starts_s(log: Sequence[Exchange]) -> tuple[float, ...]:
    """For each child: from the reply before it to its own first request.

    An upper bound of a start: it also holds parsing that reply and running its cell.
    """
    ordered = sorted(log, key=lambda exchange: exchange.arrived_s)
    return tuple(
        after.arrived_s - before.answered_s
        for before, after in itertools.pairwise(ordered)
        if after.rule == 1
    )


class PssWatch:
    """Keeps the largest sum of PSS of this process and its children, the server left out."""

    def __init__(self, leave_out: int, every_s: float = 0.1) -> None:
        self.peak_bytes = 0
        self._leave_out = leave_out
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PssWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:  # once at least, also when the run is over sooner than the first wait
            self.peak_bytes = max(self.peak_bytes, self._sum_bytes())
            if self._stop.wait(self._every_s):
                return

    def _sum_bytes(self) -> int:
        me = psutil.Process()
        processes = [me, *me.children(recursive=True)]
        return sum(_pss_bytes(process) for process in processes if process.pid != self._leave_out)


def _pss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)  # never less than PSS
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0


def observe(rlm: RLM, server: InstantEndpoint, text: Path, n_children: int) -> Observation:
    """One run over the text."""
    server.set_rules(rules(n_children))
    with PssWatch(server.pid) as watch:
        called_s = time.monotonic()
        answer = rlm.complete(text, _QUESTION)
    if not answer.text.startswith("done: "):
        raise SystemExit(f"the scripted run ended otherwise: {answer}")
    log = server.log()
    return Observation(first_root_s(called_s, log), child_starts_s(log), watch.peak_bytes)


def _measures(seen: Sequence[Observation], n_bytes: int, peer_s: float | None) -> list[Measure]:
    first_s = median([one.first_s for one in seen])
    limit_s = next((limit for chars, limit in _FIRST_LIMIT_S if n_bytes <= chars), n_bytes / 1e8)
    children_s = [seconds for one in seen for seconds in one.children_s]
    pss_mib = max(one.pss_bytes for one in seen) / _MIB
    allowed_mib = (_LIMIT_PER_TEXT * n_bytes + _LIMIT_EXTRA_BYTES) / _MIB
    measures = [
        Measure("complete() to first root request, median", first_s, "s", "limit", limit_s),
        Measure("the same, largest", max(one.first_s for one in seen), "s", "limit", limit_s),
        Measure("start of a child run, median", median(children_s), "s", "limit", _CHILD_LIMIT_S),
        Measure("the same, largest", max(children_s), "s", "limit", _CHILD_LIMIT_S),
        Measure("summed PSS, largest", pss_mib, "MiB", "2 x text + 400 MB", allowed_mib),
        Measure("the same", pss_mib, "MiB", "text", n_bytes / _MIB),
    ]
    if peer_s is not None:
        measures.append(
            Measure("complete() to first root request", first_s, "s", "official harness", peer_s)
        )
    return measures


def _peer_s(python: Path, server: InstantEndpoint, text: Path) -> float:
    script = [
        cell("print(context[:200])"),
        cell("answer['content'] = 'done'\nanswer['ready'] = True"),
    ]
    run = run_peer(python, server, [Rule("", script)], context=text, question=_QUESTION)
    return first_root_s(run.called_s, run.log)


def measure(arguments: argparse.Namespace, folder: Path) -> Report:
    """Write the text, run over it, compare."""
    text = folder / "text.txt"
    with text.open("w", encoding="utf-8") as out:
        plain_english(out, arguments.chars)
    with (
        InstantEndpoint() as server,
        RLM(base_url=server.base_url, api_key="none", root="root", worker="worker") as rlm,
    ):
        seen = [observe(rlm, server, text, arguments.children) for _ in range(arguments.repeats)]
        peer = arguments.peer_python
        peer_s = median([_peer_s(peer, server, text) for _ in seen]) if peer else None
    rows: list[dict[str, Value]] = [
        {
            "run": number,
            "first request s": one.first_s,
            "child starts s": " ".join(f"{seconds:.3f}" for seconds in one.children_s),
            "PSS MiB": one.pss_bytes / _MIB,
        }
        for number, one in enumerate(seen, 1)
    ]
    return Report(
        f"First root request over a file of {arguments.chars:,} ASCII characters",
        tuple(_measures(seen, arguments.chars, peer_s)),
        tuple(rows),
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chars", type=int, default=40_000_000, help="500000000 for row f")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--children", type=int, default=5, help="child runs in each run")
    parser.add_argument("--peer-python", type=Path, help="Python of a venv that has rlms==0.1.3")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        print_report(measure(arguments, Path(folder)), as_json=arguments.json)


if __name__ == "__main__":
    main()
