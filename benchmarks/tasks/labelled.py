"""Texts with a label each, read from public data or from a user's own file.

A source says in OOLONG's words what its lines are and which labels they have. Makes no windows:
see `windows`.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks.tasks.data import DataFolder, DataMissing, member_text, open_text
from rlm_local.bench.labelled_lines import read_row

__all__ = ["SOURCES", "LabelledTexts", "Source", "read_labelled"]


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts by label; every label has at least one, none holds a line break or the separator."""

    name: str
    by_label: dict[str, tuple[str, ...]]

    @property
    def labels(self) -> tuple[str, ...]:
        """In the source's order."""
        return tuple(self.by_label)


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of labelled text.

    Attributes:
        data: the name of the data in `data.RESOURCES`.
        lines: what the lines are, for the preamble; `{n}` and `{labels}` are filled in.
        item: what one line is called, in the plural, for OOLONG-Pairs.
        chars_per_token: of Qwen's tokenizer over a window, measured.
    """

    name: str
    data: str
    lines: str
    item: str
    chars_per_token: float

    def read(self, data: DataFolder) -> LabelledTexts:
        """The texts, from the data's path."""
        return read_labelled(self.name, data.find(self.data))


_CATEGORIES = "can be described as one of {n} categories: {labels}."
SOURCES = {
    source.name: source
    for source in (
        Source(
            "wordnet",
            "wordnet",
            "dictionary definitions, one per line. Each definition describes a thing that "
            + _CATEGORIES,
            "definitions",
            2.98,
        ),
        Source(
            "sms",
            "sms",
            "text messages, one per line. Each text message can be classified as spam or ham "
            "(i.e., not spam).",
            "messages",
            2.65,
        ),
        Source(
            "debian",
            "debian",
            "descriptions of software packages, one per line. Each package belongs to a section "
            "that " + _CATEGORIES,
            "descriptions",
            2.77,
        ),
        Source(
            "trec",
            "trec",
            "general-knowledge questions, one per line. Each question has an answer that "
            + _CATEGORIES,
            "questions",
            2.9,
        ),
        Source(
            "file",
            "labelled",
            "texts, one per line. Each text " + _CATEGORIES,
            "texts",
            3.0,
        ),
    )
}

_LEXICOGRAPHER_FILES = {
    "18": "person",
    "05": "animal",
    "20": "plant",
    "13": "food",
    "08": "body",
    "06": "artifact",
    "15": "location",
    "27": "substance",
}
_SECTIONS = {
    **dict.fromkeys(("games",), "games"),
    **dict.fromkeys(("libs", "libdevel", "oldlibs"), "libraries"),
    **dict.fromkeys(("doc",), "documentation"),
    **dict.fromkeys(("net", "web", "mail", "comm", "httpd", "news"), "network"),
    **dict.fromkeys(("science", "math", "electronics", "hamradio"), "science"),
    **dict.fromkeys(("sound", "video", "graphics"), "sound and graphics"),
}
_TREC = {
    "NUM": "numeric value",
    "ENTY": "entity",
    "LOC": "location",
    "DESC": "description and abstract concept",
    "ABBR": "abbreviation",
    "HUM": "human being",
}


@lru_cache(maxsize=8)
def read_labelled(name: str, path: Path) -> LabelledTexts:
    """Read a source's texts; each text once, with its first label.

    Raises:
        DataMissing: the file holds fewer than two labels, so it is not what it should be.
    """
    readers = {"wordnet": _wordnet, "debian": _debian, "trec": _trec}
    texts: dict[str, str] = {}
    for label, text in readers.get(name, _any_file)(path):
        clean = " ".join(text.split()).replace("||", "|")
        if clean and label:
            texts.setdefault(clean, label)
    by_label: dict[str, list[str]] = {label: [] for label in _order_of_labels(name)}
    for text, label in texts.items():
        by_label.setdefault(label, []).append(text)
    found = {label: tuple(its) for label, its in by_label.items() if its}
    if len(found) < 2:
        raise DataMissing(f"{path} holds no lines with two labels or more, as {name} needs")
    return LabelledTexts(name, found)


def _order_of_labels(name: str) -> tuple[str, ...]:
    orders = {
        "wordnet": _LEXICOGRAPHER_FILES.values(),
        "debian": dict.fromkeys(_SECTIONS.values()),
        "trec": _TREC.values(),
        "sms": ("ham", "spam"),
    }
    return tuple(orders.get(name, ()))


def _wordnet(path: Path) -> Iterator[tuple[str, str]]:
    """Definitions without the words they define and without examples of use."""
    if path.suffix == ".tgz":
        lines: Iterator[str] = iter(member_text(path, "/data.noun").splitlines())
    else:
        lines = _lines(path)
    for line in lines:
        fields = line.split(" ", 2)
        label = _LEXICOGRAPHER_FILES.get(fields[1]) if len(fields) == 3 else None
        if label and " | " in line:
            gloss = line.split(" | ", 1)[1].split('; "')[0].strip()
            yield label, gloss


def _debian(path: Path) -> Iterator[tuple[str, str]]:
    """One-line descriptions by section; debug symbols and language packs are left out."""
    section = description = ""
    for line in (*_lines(path), ""):
        if line.startswith("Section: "):
            section = line[9:].strip().rsplit("/", 1)[-1]
        elif line.startswith(("Description: ", "Description-en: ")):
            description = line.split(": ", 1)[1]
        elif not line.strip():
            if section in _SECTIONS and description:
                yield _SECTIONS[section], description
            section = description = ""


def _trec(path: Path) -> Iterator[tuple[str, str]]:
    for line in _lines(path, "latin-1"):
        found = re.match(r"([A-Z]+):\w+ (.+)", line)
        if found and found[1] in _TREC:
            yield _TREC[found[1]], found[2]


def _any_file(path: Path) -> Iterator[tuple[str, str]]:
    """`label<TAB>text`, TREC's form, JSON lines, or CSV with a header line."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                yield row.get("label") or "", row.get("text") or row.get("input") or ""
        return
    for line in _lines(path):
        label, text = read_row(line)
        yield _TREC.get(label, label), text


def _lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    with open_text(path, encoding) as lines:
        for line in lines:
            yield line.rstrip("\n")
