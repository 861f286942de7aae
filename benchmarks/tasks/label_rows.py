"""Rows of a plan about the worker's labels: one line a sub-call, as `classify` asks it.

The same trial as `rlm-local bench worker`, over public data; one outcome a line.
"""

import argparse

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.labelled import SOURCES
from benchmarks.tasks.outcomes import Outcome
from benchmarks.tasks.plan import LabelRow
from rlm_local.bench.labelled_lines import LabelledLine, pick
from rlm_local.bench.target import Target
from rlm_local.bench.worker_trial import try_worker
from rlm_local.session.results import CacheSettings
from rlm_local.session.settings import Settings

__all__ = ["FAMILY", "label_outcomes"]

FAMILY = "worker labels"
_INSTRUCTIONS = {
    "wordnet": "What kind of thing does the definition describe?",
    "sms": "Is the text message spam or ham (that is, not spam)?",
    "debian": "Which section does the software package belong to?",
}
_DEFAULT = "Which label fits the text best?"


def label_outcomes(
    row: LabelRow, n_lines: int, seed: int, data: DataFolder, arguments: argparse.Namespace
) -> list[Outcome]:
    """Have the worker label `n_lines` of the row's source; each label gets its share."""
    texts = SOURCES[row.source].read(data)
    lines = [LabelledLine(text, label) for label, its in texts.by_label.items() for text in its]
    chosen = pick(lines, n_lines, seed=seed)
    result = try_worker(
        _target(arguments),
        chosen,
        instruction=_INSTRUCTIONS.get(row.source, _DEFAULT),
        settings=Settings(seed=0, cache=CacheSettings("off")),
    )
    return [
        Outcome(
            name=f"{FAMILY}-{row.source}-{seed}-{number}",
            family=FAMILY,
            kind=row.name,
            seed=seed,
            tokens=0,
            context=f"{FAMILY}-{row.source}-{seed}-{number}",
            arm="rlm",
            score=float(true == said),
            scores={"label": float(true == said)},
            blind=0.0,
            answer=said or "",
            truth=[true],
            question=chosen[number].text,
            seconds=result.seconds / len(chosen),
            error="" if said else "the sub-call failed",
            facts={"subcalls": result.subcalls},
        )
        for number, (true, said) in enumerate(result.given)
    ]


def _target(arguments: argparse.Namespace) -> Target:
    if not arguments.base_url:
        return Target(arguments.stack)
    worker = arguments.worker or arguments.root
    return Target(arguments.stack, arguments.base_url, worker, worker, arguments.api_key)
