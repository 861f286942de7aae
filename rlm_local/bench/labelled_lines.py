"""Labelled lines: a file of the user's, or a small sample of our own. Labels nothing."""

import csv
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rlm_local.errors import UserError

__all__ = ["LabelledLine", "labels_of", "pick", "read_lines", "read_row", "sample_lines"]

_FORMS = (
    "lines of `label<TAB>text`, TREC's `LABEL:fine text`, JSON lines or CSV with the fields "
    "`label` and `text`"
)
_TREC_LINE = re.compile(r"([A-Z]+):\w+ (.+)")


@dataclass(frozen=True, slots=True)
class LabelledLine:
    """A text of one line, and its true label."""

    text: str
    label: str


def read_lines(path: Path) -> list[LabelledLine]:
    """The labelled lines of a file, each text once, with its first label.

    Raises:
        UserError: it cannot be read, or holds fewer than two labels.
    """
    try:
        rows = list(_rows(path))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"cannot read labelled lines from {path}: {error}") from error
    lines = _distinct(rows)
    if len(labels_of(lines)) < 2:
        raise UserError(f"{path} holds no lines with two labels or more; it may hold {_FORMS}")
    return lines


def sample_lines() -> list[LabelledLine]:
    """Forty-eight short notes under four labels, written for this."""
    text = resources.files("rlm_local.bench").joinpath("sample.tsv").read_text("utf-8")
    return _distinct(read_row(line) for line in text.splitlines())


def labels_of(lines: Sequence[LabelledLine]) -> tuple[str, ...]:
    """The labels, in the order in which they come."""
    return tuple(dict.fromkeys(line.label for line in lines))


def pick(lines: Sequence[LabelledLine], n: int, *, seed: int) -> list[LabelledLine]:
    """`n` lines at random, in the mix of the file, but of each label one if there is room."""
    generator = random.Random(f"labelled lines {seed}")
    shuffled = generator.sample(lines, len(lines))
    seen: Counter[str] = Counter()
    first, rest = list[LabelledLine](), list[LabelledLine]()
    for line in shuffled:
        (rest if seen[line.label] else first).append(line)
        seen[line.label] += 1
    picked = (first + rest)[:n]
    return generator.sample(picked, len(picked))


def read_row(line: str) -> tuple[str, str]:
    """Label and text of a line that is not CSV; a line without a label has "" for it.

    Raises:
        ValueError: it looks like JSON and is none.
    """
    if line.startswith("{"):
        try:
            item = json.loads(line)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        return str(item.get("label") or ""), str(item.get("text") or item.get("input") or "")
    if "\t" in line:
        label, _, text = line.partition("\t")
        return label.strip(), text
    found = _TREC_LINE.match(line)
    return (found[1], found[2]) if found else ("", "")


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        if path.suffix.lower() == ".csv":
            for row in csv.DictReader(lines):
                yield row.get("label") or "", row.get("text") or row.get("input") or ""
            return
        for line in lines:
            yield read_row(line.rstrip("\r\n"))


def _distinct(rows: Iterable[tuple[str, str]]) -> list[LabelledLine]:
    texts: dict[str, str] = {}
    for label, text in rows:
        clean = " ".join(text.split())
        if clean and label:
            texts.setdefault(clean, label)
    return [LabelledLine(text, label) for text, label in texts.items()]
