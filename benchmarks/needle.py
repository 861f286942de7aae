"""One sentence in a haystack of natural text, at several lengths, with real models.

    python -m benchmarks.needle --stack cpu-small --lengths 8K,128K,1M,10M --seeds 10

Needle and question are RULER's `niah_single`, the text is RULER's (see `texts`). A seed fixes the
order of the passages, the sentence and its place. An answer is right when it holds the number,
RULER's rule. Times are of `RLM.complete` with the models up: reading the file is in, starting a
server is not; to compare modes on the same servers run `rlm-local up` first.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from benchmarks.report import Measure, Report, Value, median, print_report
from benchmarks.targets import add_target_flags, bench_folder, open_target
from benchmarks.texts import Corpus, corpus_from_files, fetch_corpus
from rlm_local import RLM
from rlm_local.session.settings import Settings

__all__ = ["Needle", "main", "make_needle", "tokens_from_text", "write_haystack"]

_CHARS_PER_TOKEN = 4.2
"""A little more than Qwen's tokenizer needs for this text (4.12): N tokens are at least N."""
_LIMIT_S = 20.0
_GROWTH_LIMIT = 2.0
_ADJECTIVES = """
amber brave calm dusty eager faint gentle hollow icy jolly keen lively mellow noble odd plain quiet
rapid sunny tidy urban vivid warm young zesty
"""
_NOUNS = """
anchor bridge candle desert engine forest garden harbor island jacket kettle lantern meadow needle
orchard pebble quarry river saddle temple umbrella valley window yard zipper
"""


@dataclass(frozen=True, slots=True)
class Needle:
    """The hidden sentence: its key and the number to find."""

    key: str
    value: str

    @property
    def sentence(self) -> str:
        """RULER's needle."""
        return f"One of the special magic numbers for {self.key} is: {self.value}."

    @property
    def question(self) -> str:
        """RULER's question for a single needle."""
        return f"What is the special magic number for {self.key} mentioned in the provided text?"

    def is_answered_by(self, text: str) -> bool:
        """RULER's `string_match_all` for one needle."""
        return self.value in text


@dataclass(frozen=True, slots=True)
class _Outcome:
    length: str
    seed: int
    right: bool
    seconds: float
    row: dict[str, Value]


def make_needle(seed: int) -> Needle:
    """The seed's sentence."""
    generator = random.Random(f"needle {seed}")
    key = f"{generator.choice(_ADJECTIVES.split())}-{generator.choice(_NOUNS.split())}"
    return Needle(key, str(generator.randint(1_000_000, 9_999_999)))


def write_haystack(out: TextIO, corpus: Corpus, needle: Needle, *, seed: int, n_chars: int) -> int:
    """Write `n_chars` of the corpus with the needle at a random place; returns that character.

    The place is the end of a passage, so that no sentence is cut in two.
    """
    place = random.Random(f"place {seed}").randrange(n_chars)
    written, hidden_at = 0, -1
    for passage in corpus.shuffled(seed, n_chars):
        written += out.write(passage)
        if hidden_at < 0 and written >= place:
            hidden_at = written
            out.write(f"{needle.sentence}\n\n")
    return hidden_at


def tokens_from_text(text: str) -> int:
    """`8K` -> 8000, `1M` -> 1000000."""
    factors = {"K": 1_000, "M": 1_000_000}
    number, factor = text.strip().upper(), 1
    if number[-1:] in factors:
        factor, number = factors[number[-1]], number[:-1]
    try:
        tokens = int(float(number) * factor)
    except ValueError:
        tokens = 0
    if tokens < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no length; write it as 8K, 128K, 1M or 10M")
    return tokens


def _ask(rlm: RLM, corpus: Corpus, folder: Path, *, length: str, seed: int) -> _Outcome:
    needle = make_needle(seed)
    n_chars = int(tokens_from_text(length) * _CHARS_PER_TOKEN)
    text = folder / f"haystack-{length}-{seed}.txt"
    with text.open("w", encoding="utf-8") as out:
        place = write_haystack(out, corpus, needle, seed=seed, n_chars=n_chars)
    started_s = time.monotonic()
    answer = rlm.complete(text, needle.question)
    seconds = time.monotonic() - started_s
    text.unlink()
    right = needle.is_answered_by(answer.text)
    usage = answer.usage.root + answer.usage.worker
    row: dict[str, Value] = {
        "length": length,
        "seed": seed,
        "tokens": answer.context.tokens.tokens,
        "place": f"{place / n_chars:.0%}",
        "right": right,
        "seconds": seconds,
        "mode": answer.mode,
        "turns": answer.turns,
        "sub-calls": answer.subcalls,
        "tokens in": usage.prompt_tokens,
        "cached": usage.cached_tokens,
        "out": usage.completion_tokens,
        "answer": answer.text[:40],
    }
    return _Outcome(length, seed, right, seconds, row)


def _measures(lengths: Sequence[str], outcomes: Sequence[_Outcome]) -> list[Measure]:
    times = {
        length: median([one.seconds for one in outcomes if one.length == length])
        for length in lengths
    }
    measures = []
    for length in lengths:
        here = [one for one in outcomes if one.length == length]
        right = sum(one.right for one in here)
        measures += [
            Measure(f"right at {length}", right, "", "questions", len(here)),
            Measure(f"median at {length}", times[length], "s", "limit", _LIMIT_S),
        ]
    for length in lengths[1:]:
        name = f"median at {length}"
        measures.append(Measure(name, times[length], "s", f"at {lengths[0]}", times[lengths[0]]))
    return measures


def measure(arguments: argparse.Namespace, corpus: Corpus) -> Report:
    """Ask every seed at every length.

    Lengths go round inside seeds and each seed starts with another one, so that neither drift nor
    a question still in the server's prefix cache favours one length.
    """
    lengths = arguments.lengths.split(",")
    asked_chars = int(max(map(tokens_from_text, lengths)) * _CHARS_PER_TOKEN)
    notes = []
    if asked_chars > corpus.n_chars:
        notes.append(
            f"the text has {corpus.n_chars:,} characters; for the longest haystack it is gone "
            f"through {asked_chars / corpus.n_chars:.2f} times, each time in another order"
        )
    outcomes = []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_target(arguments, Settings(mode=arguments.mode, seed=0)) as rlm,
    ):
        warm_up = _ask(rlm, corpus, Path(folder), length=lengths[0], seed=-1)
        notes.append(f"a first question, not counted, took {warm_up.seconds:.1f} s")
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            turn = seed % len(lengths)
            for length in [*lengths[turn:], *lengths[:turn]]:
                outcomes.append(_ask(rlm, corpus, Path(folder), length=length, seed=seed))
                if not arguments.json:
                    print(" ".join(f"{k}={v}" for k, v in outcomes[-1].row.items()), flush=True)
    return Report(
        f"One needle in natural text, mode {arguments.mode}",
        tuple(_measures(lengths, outcomes)),
        tuple(one.row for one in outcomes),
        {"growth allowed": _GROWTH_LIMIT, "passages": len(corpus.passages)},
        tuple(notes),
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_target_flags(parser)
    parser.add_argument("--lengths", default="8K,128K,1M,10M", help="in tokens, shortest first")
    parser.add_argument("--seeds", type=int, default=10, help="questions at each length")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--mode", choices=("auto", "rlm", "direct"), default="auto")
    parser.add_argument("--text", type=Path, nargs="+", help="UTF-8 files instead of RULER's text")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    corpus = corpus_from_files(arguments.text) if arguments.text else fetch_corpus(bench_folder())
    print_report(measure(arguments, corpus), as_json=arguments.json)


if __name__ == "__main__":
    main()
