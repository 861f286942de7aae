"""What a turn costs beside the model: parsing, the cell, the budget, history and trace.

    python -m benchmarks.turn_overhead [--turns 30] [--chars 40000000]

Against the instant server of this folder the server's own clock measures: from a reply that left
it to the next root request that reached it. With `--base-url` any OpenAI-shaped server does, and
the trace measures: the run's time without the time its model calls took.
"""

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.instant import InstantEndpoint, cell
from benchmarks.instant_server import Exchange, Rule
from benchmarks.report import Measure, Report, Value, median, print_report
from benchmarks.texts import plain_english
from benchmarks.traces import read_events, waiting_s
from rlm_local import RLM, Answer, Limits

__all__ = ["gaps_s", "main"]

_QUESTION = "Benchmark question: print what the cells say."
_LIMIT_S = 0.010


def gaps_s(log: Sequence[Exchange]) -> list[float]:
    """Time between a reply and the next request, for every turn but the first."""
    ordered = sorted(log, key=lambda exchange: exchange.arrived_s)
    return [after.arrived_s - before.answered_s for before, after in itertools.pairwise(ordered)]


def _script(turns: int) -> list[Rule]:
    looks = [
        cell(f"n = {n}\nprint(n, len(context), context[n * 99 : n * 99 + 60])")
        for n in range(turns)
    ]
    return [Rule("", [*looks, cell("FINAL(str(n))")])]


def _per_turn(answer: Answer) -> list[Measure]:
    if answer.trace is None:
        return []
    spent_s = answer.seconds - waiting_s(read_events(Path(answer.trace)))
    per_turn_s = spent_s / max(1, answer.turns)
    return [
        Measure(
            "run without its model calls, per turn", per_turn_s * 1e3, "ms", "limit", _LIMIT_S * 1e3
        )
    ]


def _over(base_url: str, text: Path, arguments: argparse.Namespace) -> Answer:
    with RLM(
        base_url=base_url,
        api_key=arguments.api_key,
        root=arguments.root,
        worker=arguments.worker,
        limits=Limits(max_turns=arguments.turns + 5),
    ) as rlm:
        return rlm.complete(text, _QUESTION)


def measure(arguments: argparse.Namespace, text: Path) -> Report:
    """One long run; the title says against what."""
    title = f"Engine time per turn over {arguments.chars:,} characters"
    if arguments.base_url:
        answer = _over(arguments.base_url, text, arguments)
        return Report(f"{title}, {arguments.base_url}", tuple(_per_turn(answer)), _row(answer))
    with InstantEndpoint() as server:
        server.set_rules(_script(arguments.turns))
        answer = _over(server.base_url, text, arguments)
        gaps = gaps_s(server.log())
    if answer.stop_reason != "answered":
        raise SystemExit(f"the scripted run ended otherwise: {answer}")
    limit_ms = _LIMIT_S * 1e3
    measures = [
        Measure("between two root requests, median", median(gaps) * 1e3, "ms", "limit", limit_ms),
        Measure("the same, mean", sum(gaps) / len(gaps) * 1e3, "ms", "limit", limit_ms),
        Measure("the same, largest", max(gaps) * 1e3, "ms", "limit", limit_ms),
    ]
    return Report(f"{title}, instant server", (*measures, *_per_turn(answer)), _row(answer))


def _row(answer: Answer) -> tuple[dict[str, Value], ...]:
    return ({"stop": answer.stop_reason, "turns": answer.turns, "seconds": answer.seconds},)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--chars", type=int, default=40_000_000)
    parser.add_argument("--base-url", help="any OpenAI-shaped server; default: an instant one")
    parser.add_argument("--api-key", default="none")
    parser.add_argument("--root", default="root", help="name of the root model there")
    parser.add_argument("--worker", default="worker", help="name of the worker model there")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        with text.open("w", encoding="utf-8") as out:
            plain_english(out, arguments.chars)
        print_report(measure(arguments, text), as_json=arguments.json)


if __name__ == "__main__":
    main()
