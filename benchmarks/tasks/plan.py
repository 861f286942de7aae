"""Plans: which tasks are asked, how many of each, and what has to come out. Read from YAML.

Asks nothing; see `planned`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.needle import tokens_from_text
from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.registry import family_named
from benchmarks.tasks.task import OptionError, Request, Task

__all__ = ["PLANS", "AskRow", "LabelRow", "Plan", "Scale", "Window", "read_plan", "windows"]

PLANS = Path(__file__).with_name("plans")
_SMALL_PART = 5
_SMALL_TOKENS = 1_000_000

Share = Annotated[float, Field(ge=0, le=1)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str


class AskRow(_Row):
    """Questions of some families. The comment in a plan says what its keys mean."""

    families: tuple[str, ...] = Field(min_length=1)
    take_turns: bool = False
    lengths: tuple[str, ...] = Field(min_length=1)
    contexts: int = Field(gt=0)
    questions: tuple[int, ...] = Field(min_length=1)
    options: dict[str, str] = {}
    each: Literal["row", "length", "family"] = "row"
    bar: Share
    uncovered_bar: Share | None = None
    controls: tuple[str, ...] = ()
    above_controls: bool = False


class LabelRow(_Row):
    """Lines of a labelled source, labelled by the worker."""

    source: str
    lines: int = Field(gt=0)
    bar: Share


class Plan(BaseModel):
    """All rows of a plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    rows: tuple[AskRow, ...] = ()
    labels: tuple[LabelRow, ...] = ()
    wrong_without_evidence: int | None = None
    """How many wrong answers may have been given before anything was printed."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of a plan is asked.

    Attributes:
        seed: the first seed of its contexts.
        small: a fifth of it, and nothing over 1M tokens.
        samples: at most so many questions for a figure.
    """

    seed: int
    small: bool = False
    samples: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """One context of a row, and how many questions over it. `group` is what its figure is of."""

    group: str
    family: str
    tokens: int
    seed: int
    questions: int

    def tasks(self, row: AskRow, data: DataFolder) -> list[Task]:
        """The questions."""
        request = Request(self.tokens, self.seed, data, self.questions, row.options)
        return family_named(self.family).tasks(request)


def read_plan(name: str) -> Plan:
    """A plan of the folder `plans`, or a file.

    Raises:
        OptionError: there is none, or it is not written as it should be.
    """
    path = Path(name) if name.endswith(".yaml") else PLANS / f"{name}.yaml"
    try:
        return Plan.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except FileNotFoundError:
        known = ", ".join(sorted(one.stem for one in PLANS.glob("*.yaml")))
        raise OptionError(f"there is no plan {name}; there is {known}") from None
    except (ValidationError, yaml.YAMLError) as error:
        raise OptionError(f"{path}: {' '.join(str(error).split())}") from error


def windows(row: AskRow, scale: Scale) -> list[Window]:
    """The contexts of a row, those of one figure spread as evenly as `scale` allows."""
    made = list(_all_windows(row, scale))
    if scale.samples is None:
        return made
    kept: list[Window] = []
    for group in dict.fromkeys(one.group for one in made):
        its = [one for one in made if one.group == group]
        kept += _sampled(its, scale.samples)
    return kept


def _all_windows(row: AskRow, scale: Scale) -> Iterator[Window]:
    questions = cycle(row.questions)
    contexts = max(1, row.contexts // _SMALL_PART) if scale.small else row.contexts
    for length in row.lengths:
        tokens = tokens_from_text(length)
        if scale.small and tokens > _SMALL_TOKENS:
            continue
        for number in range(contexts):
            turn = number % len(row.families)
            families = row.families[turn : turn + 1] if row.take_turns else row.families
            n_questions = next(questions)
            if scale.small and contexts == row.contexts:
                n_questions = max(1, n_questions // _SMALL_PART)
            for family in families:
                group = {"row": "", "length": length, "family": family}[row.each]
                yield Window(group, family, tokens, scale.seed + number, n_questions)


def _sampled(its: Sequence[Window], samples: int) -> Iterator[Window]:
    """The first windows where there are enough, else fewer questions over each."""
    left = samples
    for number, one in enumerate(its):
        share = -(-left // (len(its) - number))
        n_questions = min(one.questions, share)
        if n_questions:
            yield Window(one.group, one.family, one.tokens, one.seed, n_questions)
        left -= n_questions
