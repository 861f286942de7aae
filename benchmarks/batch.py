"""How close `llm_query_batched` comes to what the server can do.

    python -m benchmarks.batch [--prompts 1000] [--latency-ms 50] [--capacity 256]

Against the instant server of this folder, which makes every worker reply wait and serves only so
many at once, the server's own clock measures: from the root's reply that holds the batch to the
root's next request. With `--base-url` any OpenAI-shaped server does (its root has to write the
cell), and the trace measures: from the start of the batch to its last item.
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.instant import InstantEndpoint, cell
from benchmarks.instant_server import Exchange, Rule
from benchmarks.peers.scripted import run_peer
from benchmarks.report import Measure, Report, Value, median, print_report
from benchmarks.traces import batches_s, read_events
from rlm_local import RLM, Answer, Limits
from rlm_local.session.settings import Settings

__all__ = ["batch_s", "least_s", "main", "most_at_once"]

_QUESTION = "Benchmark question: send the batch."
_CONTEXT = "A short text; what counts are the prompts. " * 50
_ROOT_RULE = 0
# The text is short, and short texts would go straight to the root.
_SETTINGS = Settings(mode="rlm", limits=Limits(max_subcalls=None))


def least_s(prompts: int, capacity: int, latency_s: float) -> float:
    """The best any client can do: full rounds of the server, nothing in between."""
    return math.ceil(prompts / capacity) * latency_s


def batch_s(log: Sequence[Exchange]) -> float:
    """From the root's reply before the batch to the root's request after it."""
    workers = [exchange for exchange in log if exchange.rule != _ROOT_RULE]
    roots = [exchange for exchange in log if exchange.rule == _ROOT_RULE]
    first_s, last_s = (pick(w.arrived_s for w in workers) for pick in (min, max))
    before = max(root.answered_s for root in roots if root.answered_s <= first_s)
    after = [root.arrived_s for root in roots if root.arrived_s >= last_s]
    return min(after, default=max(w.answered_s for w in workers)) - before


def most_at_once(log: Sequence[Exchange]) -> int:
    """The largest number of worker requests that were at the server together."""
    workers = [exchange for exchange in log if exchange.rule != _ROOT_RULE]
    steps = sorted([(w.arrived_s, 1) for w in workers] + [(w.answered_s, -1) for w in workers])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def _rules(arguments: argparse.Namespace, finish: str) -> list[Rule]:
    send = (
        f"prompts = [f'Item {{n}}: say ok.' for n in range({arguments.prompts})]\n"
        "replies = llm_query_batched(prompts)\n"
        "print(len(replies), sum(1 for reply in replies if reply == 'ok'))"
    )
    root = Rule(_QUESTION, [cell("print(context[:80])"), cell(send), cell(finish)])
    worker = Rule("", ["ok"], arguments.latency_ms / 1e3, arguments.capacity)
    return [root, worker]


def _complete(rlm: RLM) -> Answer:
    return rlm.complete(_CONTEXT, _QUESTION)


def _instant(arguments: argparse.Namespace) -> Report:
    best_s = least_s(arguments.prompts, arguments.capacity, arguments.latency_ms / 1e3)
    rows: list[dict[str, Value]] = []
    with InstantEndpoint() as server:
        with RLM(
            base_url=server.base_url,
            api_key="none",
            root="root",
            worker="worker",
            settings=_SETTINGS,
        ) as rlm:
            for number in range(arguments.repeats):
                server.set_rules(_rules(arguments, "FINAL(str(len(replies)))"))
                answer = _complete(rlm)
                log = server.log()
                if answer.text != str(arguments.prompts):
                    raise SystemExit(f"the scripted run ended otherwise: {answer}")
                rows.append(_row("ours", number, log))
        if arguments.peer_python:
            rows += [_peer_row(arguments, server, number) for number in range(arguments.repeats)]
    ours_s = median([float(row["batch s"] or 0) for row in rows if row["harness"] == "ours"])
    peer_s = median([float(row["batch s"] or 0) for row in rows if row["harness"] != "ours"])
    measures = [
        Measure("batch, median", ours_s, "s", "least the server allows", best_s),
        Measure("batch, median", ours_s, "s", "limit", 0.8 * best_s / 0.2),
    ]
    if arguments.peer_python:
        measures.append(Measure("batch, median", ours_s, "s", "official harness", peer_s))
    title = (
        f"llm_query_batched of {arguments.prompts:,} prompts, server latency "
        f"{arguments.latency_ms} ms, capacity {arguments.capacity}"
    )
    return Report(title, tuple(measures), tuple(rows))


def _row(harness: str, number: int, log: Sequence[Exchange]) -> dict[str, Value]:
    return {
        "harness": harness,
        "run": number + 1,
        "batch s": batch_s(log),
        "most at once": most_at_once(log),
        "worker requests": sum(exchange.rule != _ROOT_RULE for exchange in log),
    }


def _peer_row(
    arguments: argparse.Namespace, server: InstantEndpoint, number: int
) -> dict[str, Value]:
    rules = _rules(arguments, "answer['content'] = 'done'\nanswer['ready'] = True")
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text(_CONTEXT, encoding="utf-8")
        run = run_peer(arguments.peer_python, server, rules, context=text, question=_QUESTION)
    return _row("rlms", number, run.log)


def _elsewhere(arguments: argparse.Namespace) -> Report:
    with RLM(
        base_url=arguments.base_url,
        api_key=arguments.api_key,
        root=arguments.root,
        worker=arguments.worker,
        settings=_SETTINGS,
    ) as rlm:
        answer = _complete(rlm)
    batches = batches_s(read_events(Path(answer.trace))) if answer.trace else []
    if not batches:
        raise SystemExit(f"the server's root sent no batch: {answer}")
    best_s = least_s(arguments.prompts, arguments.capacity, arguments.latency_ms / 1e3)
    return Report(
        f"llm_query_batched at {arguments.base_url}",
        (Measure("longest batch", max(batches), "s", "least the server allows", best_s),),
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--capacity", type=int, default=256, help="requests served at once")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-python", type=Path, help="Python of a venv that has rlms==0.1.3")
    parser.add_argument("--base-url", help="any OpenAI-shaped server; default: an instant one")
    parser.add_argument("--api-key", default="none")
    parser.add_argument("--root", default="root", help="name of the root model there")
    parser.add_argument("--worker", default="worker", help="name of the worker model there")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    report = _elsewhere(arguments) if arguments.base_url else _instant(arguments)
    print_report(report, as_json=arguments.json)


if __name__ == "__main__":
    main()
