"""Worked examples for labels: those a cell gives, or new ones that the worker invents.

Examples teach a small model what is meant by each label. It may invent texts for the labels; it
must not be asked to describe them: its descriptions mislead it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TypeAlias

from rlm_local.sandbox.child.asking import Worker
from rlm_local.sandbox.child.documents import as_text

__all__ = ["Example", "given_examples", "invented_examples", "shortened"]

Example: TypeAlias = tuple[str, str]
"""A text and its label."""

_MOST_PER_LABEL = 4
_EXAMPLE_CHARS = 400
_SAMPLES = 12
"""Items shown to whoever invents: among six there is often none of a rarer label."""
_SAMPLES_APART = 6
"""Enough where they show no more than the style."""
_SAMPLE_CHARS = 160
_BULLETS = "-0123456789. "
_WORDS = r"[^ \n]+( [^ \n]+){1,24}"
"""Of an invented text. Counted in words: a count of characters takes a server's grammar compiler
thirty times as long, and holds up all that wait for a grammar meanwhile."""
_LINE_TOKENS = 64
_SPECIAL = re.compile(r"([.^$*+?()\[\]{}|\\])")


def given_examples(
    examples: Iterable[object] | Mapping[object, object], labels: Sequence[str]
) -> list[Example]:
    """Examples as a cell gave them: pairs of text and label, or a dict of texts by label.

    The labels take turns, so that none stands last alone; a few for each are enough.

    Raises:
        ValueError: one has no label of these.
    """
    by_label: dict[str, list[str]] = {label: [] for label in labels}
    for text, label in _pairs(examples, labels):
        if label not in by_label:
            raise ValueError(f"an example's label is {label!r:.60}, which is none of {labels}")
        by_label[label].append(shortened(" ".join(text.split()), _EXAMPLE_CHARS))
    return _in_turns({label: its[:_MOST_PER_LABEL] for label, its in by_label.items()})


def invented_examples(
    worker: Worker, items: Sequence[str], labels: Sequence[str], instruction: str
) -> list[Example]:
    """New texts for each label, by the worker: one, or two where there are two labels.

    They look like the items, of which it is shown some. Where there are more than two labels each
    is asked for by itself: 240 WordNet lines in 8 classes came out .85 right with such examples,
    .82 with all written in one reply. Two labels are told apart by writing both: asked for spam
    alone, a small model writes what its samples are, or refuses. What it could not write is left
    out.
    """
    if len(labels) == 2:
        return _in_turns(_written_together(worker, items, labels, instruction))
    return _in_turns(_written_apart(worker, items, labels, instruction))


def _written_together(
    worker: Worker, items: Sequence[str], labels: Sequence[str], instruction: str
) -> dict[str, list[str]]:
    by_label: dict[str, list[str]] = {label: [] for label in labels}
    wanted = list(labels) * 2
    prompt = _order(_shown(items, _SAMPLES), wanted, instruction)
    written = worker.llm_query_batched(
        [prompt], regex=_pattern(wanted), max_tokens=_LINE_TOKENS * len(wanted)
    )[0]
    lines = written.split("\n") if isinstance(written, str) else []
    for label, line in zip(wanted, lines, strict=False):
        text = line.removeprefix(f"- {_line(label)}: ").strip()
        if text and text not in by_label[label]:
            by_label[label].append(text)
    return by_label


def _written_apart(
    worker: Worker, items: Sequence[str], labels: Sequence[str], instruction: str
) -> dict[str, list[str]]:
    head = (
        f"{instruction}\nThe labels are: {', '.join(map(_line, labels))}.\n\n"
        f"Some of the texts:\n{_shown(items, _SAMPLES_APART)}\n\n"
    )
    prompts = [
        f"{head}Write 1 new texts in the style of these, about other things, each a clear case of "
        f"'{_line(label)}' and of no other label, one a line."
        for label in labels
    ]
    written = worker.llm_query_batched(prompts, regex=_WORDS, max_tokens=_LINE_TOKENS)
    return {
        label: [text.lstrip(_BULLETS)] if isinstance(text, str) and text.strip(_BULLETS) else []
        for label, text in zip(labels, written, strict=True)
    }


def shortened(text: str, n_chars: int) -> str:
    """Both ends of a text that is longer."""
    if len(text) <= n_chars:
        return text
    head = max(1, n_chars * 2 // 3)
    tail = max(1, n_chars - head - 5)
    return f"{text[:head]} ... {text[len(text) - tail :]}"


def _shown(items: Sequence[str], n: int) -> str:
    return "\n".join(f"- {_line(item)}" for item in _spread(items, n))


def _order(listed: str, labels: Sequence[str], instruction: str) -> str:
    names = ", ".join(dict.fromkeys(map(_line, labels)))
    return (
        f"Here are some texts:\n{listed}\n\n"
        f"{instruction}\nThe labels are: {names}.\n"
        "Write new texts of the same kind, clear cases of each label, one a line, "
        "as `- label: text`, for these labels in this order: "
        f"{', '.join(map(_line, labels))}."
    )


def _pattern(labels: Sequence[str]) -> str:
    return "\\n".join(f"- {_SPECIAL.sub(_escaped, _line(label))}: {_WORDS}" for label in labels)


def _escaped(special: "re.Match[str]") -> str:
    return f"\\{special.group()}"


def _pairs(
    examples: Iterable[object] | Mapping[object, object], labels: Sequence[str]
) -> Iterable[Example]:
    if isinstance(examples, Mapping):
        for label, texts in examples.items():
            for text in [texts] if isinstance(texts, str) else _listed(texts):
                yield as_text(text), str(label).strip()
        return
    for example in examples:
        pair = _listed(example)
        if isinstance(example, str) or len(pair) != 2:
            raise ValueError(f"an example is a pair (text, label), not {example!r:.80}")
        first, second = as_text(pair[0]), as_text(pair[1])
        swapped = first.strip() in labels and second.strip() not in labels
        yield (second, first.strip()) if swapped else (first, second.strip())


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, Iterable) else [value]


def _in_turns(by_label: Mapping[str, Sequence[str]]) -> list[Example]:
    rounds = zip_longest(*([(text, label) for text in its] for label, its in by_label.items()))
    return [example for one in rounds for example in one if example is not None]


def _spread(items: Sequence[str], n: int) -> list[str]:
    if len(items) <= n:
        return list(items)
    return [items[at * (len(items) - 1) // (n - 1)] for at in range(n)]


def _line(text: str) -> str:
    return shortened(" ".join(text.split()), _SAMPLE_CHARS)
