"""How well a worker labels lines: each recipe of prompt, on the same fresh lines.

    python -m benchmarks.worker_labels --url http://127.0.0.1:8000/v1 --model worker --data FOLDER

FOLDER holds the SMS Spam Collection and WordNet's nouns, as `benchmarks.tasks` reads them. The
REPL's own `Classifier` asks, over the server; accuracy comes with its 95 % interval (Wilson).
Recipes: no examples, examples the worker invents, real ones (drawn apart from the lines asked
about); each with two labels also with what the words of all lines add (`agreed_labels`).
"""

import argparse
import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.report import Measure, Report, Value, print_report
from benchmarks.tasks.data import DataFolder, DataMissing
from benchmarks.tasks.labelled import SOURCES
from rlm_local.capacity import FixedServer
from rlm_local.errors import ModelError
from rlm_local.interfaces import Model
from rlm_local.sandbox.child.asking import Scored
from rlm_local.sandbox.child.classification import Classifier
from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.serving.openai_model import Endpoint, OpenAIModel
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.types import Choices, Message, ModelRequest, Regex, Sampling

__all__ = [
    "QUESTIONS",
    "RECIPES",
    "Lines",
    "ModelWorker",
    "interval",
    "lines_of",
    "main",
    "measure",
]

QUESTIONS = {
    "sms": "Each text message can be classified as spam or ham (i.e., not spam).",
    "wordnet": "What kind of thing does the dictionary definition describe?",
}
BARS = {"sms": 0.90, "wordnet": 0.85}
RECIPES = ("plain", "invented", "real")
_REAL_PER_LABEL = {2: 2}
_REAL_CHARS = (30, 140)
_Z = 1.96
_PROMPT_CHARS = 8000


@dataclass(frozen=True, slots=True)
class Lines:
    """Labelled lines of one source: those asked about, and others for examples."""

    source: str
    mix: str
    labels: tuple[str, ...]
    asked: tuple[tuple[str, str], ...]
    examples: tuple[tuple[str, str], ...]


def lines_of(data: DataFolder, source: str, n: int, *, mix: str, seed: int) -> Lines:
    """Fresh lines by seed.

    Args:
        data: where the source lies.
        source: `sms` or `wordnet`, or another of `benchmarks.tasks.labelled`.
        n: lines asked about.
        mix: `even`; `natural`, as often as the source has each label; or shares as `5:1`.
        seed: other seeds draw other lines.
    """
    by_label = SOURCES[source].read(data).by_label
    generator = random.Random(f"labels {source} {seed}")
    pools = {label: generator.sample(texts, len(texts)) for label, texts in by_label.items()}
    shares = _shares(mix, {label: len(texts) for label, texts in by_label.items()})
    low, high = _REAL_CHARS
    examples = []
    for label, pool in pools.items():
        fit = [text for text in pool if low <= len(text) <= high] or pool
        for text in fit[: _REAL_PER_LABEL.get(len(pools), 1)]:
            pool.remove(text)
            examples.append((text, label))
    counts = _counts(shares, n)
    asked = [(text, label) for label, pool in pools.items() for text in pool[: counts[label]]]
    generator.shuffle(asked)
    return Lines(source, mix, tuple(pools), tuple(asked), tuple(examples))


def _shares(mix: str, sizes: dict[str, int]) -> dict[str, float]:
    if mix == "natural":
        return {label: float(size) for label, size in sizes.items()}
    if mix == "even":
        return dict.fromkeys(sizes, 1.0)
    parts = [float(part) for part in mix.split(":")]
    if len(parts) != len(sizes):
        raise ValueError(f"mix {mix} has {len(parts)} shares for {len(sizes)} labels")
    return dict(zip(sizes, parts, strict=True))


def _counts(shares: dict[str, float], n: int) -> Counter[str]:
    """Whole numbers that add up to `n`: the largest remainders are rounded up."""
    total = sum(shares.values())
    exact = {label: share / total * n for label, share in shares.items()}
    counts = Counter({label: int(count) for label, count in exact.items()})
    by_rest = sorted(exact, key=lambda label: counts[label] - exact[label])
    counts.update(by_rest[: n - counts.total()])
    return counts


def interval(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not n:
        return 0.0, 1.0
    share, z2 = right / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass
class ModelWorker:
    """What a REPL's operators ask, over a model of this process' loop; asks nothing twice.

    Attributes:
        tells_scores: whether replies come with log-probabilities; without, no words are weighed.
        seconds: spent asking for labels.
        n_asked: labels asked for in that time.
    """

    model: Model
    loop: asyncio.AbstractEventLoop
    in_flight: int
    tells_scores: bool = True
    seconds: float = 0.0
    n_asked: int = 0
    _known: dict[object, object] = field(default_factory=dict)

    def llm_query_batched(
        self,
        prompts: Iterable[object],
        *,
        type: object = None,  # noqa: A002  # the worker's own name for it
        choices: Iterable[object] | None = None,
        regex: object = None,
        schema: object = None,
        max_tokens: int | None = None,
    ) -> list[object]:
        """Texts held to a pattern: all that inventing examples needs."""
        constraint = None if regex is None else Regex(str(regex))
        requests = [
            ModelRequest((Message("user", str(one)),), Sampling(max_tokens or 256), constraint)
            for one in prompts
        ]
        return [
            reply.value if isinstance(reply, Scored) else reply for reply in self._asked(requests)
        ]

    def choose_batched(
        self,
        prompts: Sequence[str],
        choices: Sequence[str],
        *,
        system: str | None = None,
        shots: Sequence[tuple[str, str]] = (),
    ) -> list[object]:
        """Choices, with their scores where `tells_scores`."""
        before = [Message("system", system)] if system else []
        for asked, replied in shots:
            before += [Message("user", asked), Message("assistant", replied)]
        constraint = Choices(tuple(choices))
        requests = [
            ModelRequest(
                (*before, Message("user", one)), Sampling(32), constraint, wants_scores=True
            )
            for one in prompts
        ]
        n_known, started = len(self._known), time.perf_counter()
        replies = self._asked(requests)
        self.n_asked += len(self._known) - n_known
        self.seconds += time.perf_counter() - started
        if self.tells_scores:
            return replies
        return [Scored(it.value, {}) if isinstance(it, Scored) else it for it in replies]

    def _asked(self, requests: Sequence[ModelRequest]) -> list[object]:
        return asyncio.run_coroutine_threadsafe(self._gather(requests), self.loop).result()

    async def _gather(self, requests: Sequence[ModelRequest]) -> list[object]:
        free = asyncio.Semaphore(self.in_flight)

        async def one(request: ModelRequest) -> object:
            key = (request.messages, request.constraint)
            if key not in self._known:
                async with free:
                    try:
                        reply = await self.model.complete(request)
                    except ModelError as error:
                        return SubcallFailure(str(error))
                self._known[key] = Scored(reply.text, dict(reply.scores))
            return self._known[key]

        return list(await asyncio.gather(*map(one, requests)))


async def measure(
    model: Model, lines: Lines, *, recipes: Sequence[str], in_flight: int
) -> list[dict[str, Value]]:
    """One row a recipe; where there are two labels, one more with words weighed."""
    worker = ModelWorker(model, asyncio.get_running_loop(), in_flight)
    rows: list[dict[str, Value]] = []
    for recipe in recipes:
        classifier = Classifier(worker, _PROMPT_CHARS)
        worker.seconds, worker.n_asked = 0.0, 0
        for weighed in (False, True) if len(lines.labels) == 2 else (False,):
            worker.tells_scores = weighed or len(lines.labels) > 2
            found = await asyncio.to_thread(_labelled, classifier, lines, recipe)
            name = f"{recipe}, words" if weighed else recipe
            rows.append(_row(lines, name, found) | {"items/s": _rate(worker)})
    return rows


def _labelled(classifier: Classifier, lines: Lines, recipe: str) -> list[object]:
    examples = {"plain": (), "real": lines.examples}.get(recipe)
    return classifier.classify(
        [text for text, _ in lines.asked],
        lines.labels,
        instruction=QUESTIONS.get(lines.source),
        examples=examples,
    )


def _rate(worker: ModelWorker) -> float:
    return worker.n_asked / worker.seconds if worker.seconds else 0.0


def _row(lines: Lines, recipe: str, found: Sequence[object]) -> dict[str, Value]:
    right = [label == said for (_, label), said in zip(lines.asked, found, strict=True)]
    low, high = interval(sum(right), len(right))
    per_label = []
    for label in lines.labels:
        its = [is_right for (_, true), is_right in zip(lines.asked, right, strict=True)
               if true == label]  # fmt: skip
        per_label.append(f"{label} {sum(its)}/{len(its)}")
    return {
        "source": lines.source,
        "mix": lines.mix,
        "recipe": recipe,
        "n": len(right),
        "accuracy": sum(right) / len(right),
        "95 %": f"{low:.2f}-{high:.2f}",
        "failed": sum(isinstance(said, SubcallFailure) for said in found),
        "right by label": ", ".join(per_label),
    }


def report_of(rows: Sequence[dict[str, Value]], conditions: dict[str, Value]) -> Report:
    """The rows, and those of what a user without examples gets against the bars."""
    measures = []
    for row in rows:
        bar = BARS.get(str(row["source"]))
        last = "invented, words" if row["source"] == "sms" else "invented"
        if bar is not None and row["recipe"] == last:
            name = f"{row['source']} {row['mix']}: {last}"
            measures.append(Measure(name, float(row["accuracy"] or 0), "", "bar", bar))
    return Report("Labels by a worker", tuple(measures), tuple(rows), conditions)


async def _run(options: argparse.Namespace) -> Report:
    model = OpenAIModel(
        Endpoint(options.url, options.key, options.model), digest="", context_tokens=8192,
        server=FixedServer(options.url, options.in_flight), tokens=RatioTokenCounter(),
        dialect=options.dialect,
    )  # fmt: skip
    data = DataFolder(options.data)
    rows: list[dict[str, Value]] = []
    try:
        for asked in options.source or ["sms/even", "sms/5:1", "wordnet/even"]:
            source, _, mix = asked.partition("/")
            for seed in options.seed or [1]:
                lines = lines_of(data, source, options.items, mix=mix or "even", seed=seed)
                measured = await measure(
                    model, lines, recipes=options.recipe or RECIPES, in_flight=options.in_flight
                )
                rows += [{"seed": seed} | row for row in measured]
    finally:
        await model.aclose()
    return report_of(rows, {"model": options.model, "in flight": options.in_flight})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--url", required=True, help="of an OpenAI-shaped endpoint, /v1 included")
    parser.add_argument("--model", required=True, help="the name it serves")
    parser.add_argument("--key", help="of the endpoint")
    parser.add_argument("--dialect", choices=("vllm", "openai"), default="vllm")
    parser.add_argument("--data", type=Path, required=True, help="folder with the texts")
    parser.add_argument("--items", type=int, default=80, help="lines of each window")
    parser.add_argument("--seed", type=int, action="append", help="1 where none is given")
    parser.add_argument(
        "--recipe", choices=RECIPES, action="append", help="all where none is given"
    )
    parser.add_argument("--source", action="append", help="sms/even, sms/5:1, wordnet/natural ...")
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        report = asyncio.run(_run(options))
    except (DataMissing, ValueError, KeyError) as error:
        raise SystemExit(f"worker_labels: {error}") from error
    print_report(report, as_json=options.json)


if __name__ == "__main__":
    main()
