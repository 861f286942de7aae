"""How much of what was sent before comes from vLLM's prefix cache, on second and later root turns.

    python -m benchmarks.prefix_cache --stack cpu-small

Asks several needles of one context, several in one question, so that the root takes more than one
turn, and reads the cached tokens of every root reply from the trace. History is append-only:
all tokens of the request before should be there again, up to the last partly filled block.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.needle import make_needle
from benchmarks.report import Measure, Report, Value, print_report
from benchmarks.targets import add_target_flags, bench_folder, open_target
from benchmarks.texts import Corpus, corpus_from_files, fetch_corpus
from benchmarks.traces import CachedTurn, cached_turns, read_events
from rlm_local.session.settings import Settings

__all__ = ["main", "share"]

_LIMIT = 0.9


def share(turns: Sequence[CachedTurn]) -> float:
    """Of all tokens that had been sent before, the part that was cached."""
    sent = sum(turn.sent_before_tokens for turn in turns)
    cached = sum(min(turn.cached_tokens, turn.sent_before_tokens) for turn in turns)
    return cached / sent if sent else 0.0


def _question(seeds: Sequence[int]) -> str:
    keys = [make_needle(seed).key for seed in seeds]
    return (
        f"What are the special magic numbers for {', '.join(keys[:-1])} and {keys[-1]} mentioned "
        "in the provided text? Look at the text before you answer."
    )


def _write_text(path: Path, corpus: Corpus, seeds: Sequence[int], n_chars: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        for seed in seeds:
            for passage in corpus.shuffled(seed, n_chars // len(seeds)):
                out.write(passage)
            out.write(f"\n{make_needle(seed).sentence}\n\n")


def measure(arguments: argparse.Namespace, corpus: Corpus, folder: Path) -> Report:
    """Ask the questions, collect the turns."""
    text = folder / "text.txt"
    seeds = range(2 * arguments.questions)
    _write_text(text, corpus, seeds, arguments.chars)
    turns: list[CachedTurn] = []
    rows: list[dict[str, Value]] = []
    with open_target(arguments, Settings(mode="rlm", seed=0)) as rlm:
        for number in range(arguments.questions):
            asked = seeds[2 * number : 2 * number + 2]
            answer = rlm.complete(text, _question(asked))
            if answer.trace is None:
                raise SystemExit("the run left no trace to read the cache's share from")
            mine = cached_turns(read_events(Path(answer.trace)))
            turns += mine
            rows += [_row(number, turn) for turn in mine]
    if not turns:
        raise SystemExit("every run ended in its first turn; ask more with --questions N")
    return Report(
        f"Prefix cache on second and later root turns, {len(turns)} turns",
        (Measure("cached part of what was sent before", share(turns), "", "at least", _LIMIT),),
        tuple(rows),
    )


def _row(number: int, turn: CachedTurn) -> dict[str, Value]:
    return {
        "question": number + 1,
        "turn": turn.turn,
        "prompt tokens": turn.prompt_tokens,
        "sent before": turn.sent_before_tokens,
        "cached": turn.cached_tokens,
        "share": turn.share,
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_target_flags(parser)
    parser.add_argument("--questions", type=int, default=5)
    parser.add_argument("--chars", type=int, default=400_000)
    parser.add_argument("--text", type=Path, nargs="+", help="UTF-8 files instead of RULER's text")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    corpus = corpus_from_files(arguments.text) if arguments.text else fetch_corpus(bench_folder())
    with tempfile.TemporaryDirectory() as folder:
        print_report(measure(arguments, corpus, Path(folder)), as_json=arguments.json)


if __name__ == "__main__":
    main()
