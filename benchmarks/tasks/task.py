"""What a task is: a context made when it is needed, a question, and a truth that a program knows.

Contexts are made piece by piece, so that ten million tokens need no gigabytes. Knows no family of
tasks and no model.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.scorers import Reference, score

__all__ = [
    "FILE_HEADER",
    "Context",
    "ContextFile",
    "Family",
    "OptionError",
    "Request",
    "Task",
    "Written",
]

FILE_HEADER = "# file: "
"""Stands before a file's name in the text of a context of several files."""


class OptionError(ValueError):
    """An option that a family does not take, or takes with another value."""


@dataclass(frozen=True, slots=True)
class ContextFile:
    """One file of a context. `pieces` gives its text from the start each time it is called."""

    name: str
    pieces: Callable[[], Iterable[str]]

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"{self.name!r} leads out of the folder a context is written to")


@dataclass(frozen=True, slots=True)
class Written:
    """A context on disk. `path` is its one file, or the folder of its files."""

    path: Path
    n_chars: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Context:
    """The text a question is asked about. Contexts with the same key have the same bytes."""

    key: str
    files: tuple[ContextFile, ...]

    @classmethod
    def of_text(cls, key: str, pieces: Callable[[], Iterable[str]]) -> "Context":
        """A context of one text file."""
        return cls(key, (ContextFile(f"{key}.txt", pieces),))

    def text(self) -> str:
        """All text, for controls that read everything; of several files each under a header."""
        if len(self.files) == 1:
            return "".join(self.files[0].pieces())
        return "".join(
            piece
            for file in self.files
            for piece in (f"{FILE_HEADER}{file.name}\n", *file.pieces())
        )

    def write(self, folder: Path) -> Written:
        """Write the files under `folder` as UTF-8, piece by piece."""
        alone = len(self.files) == 1
        top = folder if alone else folder / self.key
        total, digest = 0, hashlib.sha256()
        for file in self.files:
            path = top / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", newline="") as out:
                for piece in file.pieces():
                    total += out.write(piece)
                    digest.update(piece.encode())
        path = top / self.files[0].name if alone else top
        return Written(path, total, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class Task:
    """One question over one context.

    Attributes:
        name: the same for the same bytes; unique among all tasks.
        kind: what is asked, for tables by kind; the family's own words.
        tokens: the length asked for, in tokens of Qwen's tokenizer.
        truth: what the scorer compares with; for several right answers or parts, several.
        scorer: a name in `scorers.SCORERS`; the score of the task.
        also: further scorers to report.
        options: what the scorer needs beside truth and question.
        guess: the best answer without reading the context, or what makes it: see `blind`.
        shortcut: a program without a model that answers from the text: the control `regex`;
            `None` where the task allows none.
        facts: what else is worth keeping, such as the items of a window.
    """

    name: str
    family: str
    kind: str
    seed: int
    tokens: int
    context: Context
    question: str
    truth: tuple[str, ...]
    scorer: str
    also: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    guess: str | Callable[[], str] = ""
    shortcut: Callable[[str], str] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> Reference:
        """What an answer is held against."""
        return Reference(self.truth, self.question, self.options)

    @property
    def blind(self) -> str:
        """The answer of the control `blind`."""
        return self.guess if isinstance(self.guess, str) else self.guess()

    def score(self, answer: str) -> float:
        """0 to 1."""
        return score(self.scorer, answer, self.reference)

    def scores(self, answer: str) -> dict[str, float]:
        """All scores of the task by the scorer's name, the task's own first."""
        return {name: score(name, answer, self.reference) for name in (self.scorer, *self.also)}

    def as_json(self) -> dict[str, Any]:
        """All but the context and the control programs; enough to ask and to score elsewhere."""
        return {
            "name": self.name,
            "family": self.family,
            "kind": self.kind,
            "seed": self.seed,
            "tokens": self.tokens,
            "context": self.context.key,
            "question": self.question,
            "truth": list(self.truth),
            "scorer": self.scorer,
            "also": list(self.also),
            "options": dict(self.options),
            "facts": dict(self.facts),
            "sha256": self.sha256,
        }

    @property
    def sha256(self) -> str:
        """Pins question, truth and scorer; the context has its own."""
        parts = [self.name, self.question, list(self.truth), self.scorer, dict(self.options)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Request:
    """What a family is asked to make: one context of a seed, and questions over it.

    Attributes:
        questions: how many at most; `None`: the family's own number.
        options: the family's own, as given on the command line with `--set NAME=VALUE`.
    """

    tokens: int
    seed: int
    data: DataFolder
    questions: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def option(self, name: str, default: str, allowed: Iterable[str] = ()) -> str:
        """The option's value.

        Raises:
            OptionError: the value is none of `allowed`.
        """
        value = self.options.get(name, default)
        allowed = tuple(allowed)
        if allowed and value not in allowed:
            raise OptionError(f"{name}={value} is not one of {', '.join(allowed)}")
        return value

    def number(self, name: str, default: int) -> int:
        """The option as a whole number above zero."""
        value = self.options.get(name, str(default))
        if not value.isascii() or not value.isdigit() or int(value) < 1:
            raise OptionError(f"{name}={value} is no whole number above zero")
        return int(value)


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of task. `needs` are names of data, `options` what `Request.options` may hold."""

    name: str
    summary: str
    make: Callable[[Request], Iterator[Task]]
    needs: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    lengths: str = "8K-10M"

    def tasks(self, request: Request) -> list[Task]:
        """The tasks of a request, at most `request.questions`.

        Raises:
            OptionError: an option that this family does not know.
            DataMissing: data that is not there, with what to do about it.
        """
        unknown = set(request.options) - set(self.options)
        if unknown:
            raise OptionError(
                f"{self.name} does not take {', '.join(sorted(unknown))}; "
                f"it takes {', '.join(self.options) or 'no options'}"
            )
        made = list(self.make(request))
        return made if request.questions is None else made[: request.questions]
