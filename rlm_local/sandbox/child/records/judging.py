"""Fields that no text holds: a language model judges each record, all in one batch, when read.

Equal texts are asked about once. What could not be judged is None. Asks nobody itself: a
`Labeller` does.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rlm_local.sandbox.child.failures import SubcallFailure

__all__ = ["Judged", "JudgedField", "Labeller", "judged"]

_LIST = re.compile(r"[,|;]| or ")


class Labeller(Protocol):
    """Labels texts; implemented by `classification.Classifier`."""

    def classify(
        self,
        items: Sequence[str],
        labels: Sequence[str],
        *,
        instruction: str | None = None,
        examples: Sequence[tuple[str, str]] | None = None,
    ) -> list[object]:
        """One of the labels for each item, in order, or a `SubcallFailure`."""
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """What a derived field is to be: one of `labels`, as `about` asks, from the field `of`."""

    labels: tuple[object, ...]
    about: str | None = None
    examples: tuple[tuple[str, str], ...] | None = None
    of: str | None = None

    def __repr__(self) -> str:
        about = f", about={self.about!r}" if self.about else ""
        return f"judged({list(self.labels)}{about})"


def judged(
    labels: Iterable[object] | str,
    about: str | None = None,
    examples: Iterable[tuple[str, str]] | Mapping[str, str] | None = None,
    of: str | None = None,
) -> Judged:
    """What a derived field is to be, for `fields.NAME = ...`.

    Args:
        labels: two or more, or one text of them: "yes/no".
        about: what is asked of each record, best in the words of the question.
        examples: texts with their labels.
        of: the field that holds the text to judge; the main text where not given.

    Raises:
        ValueError: fewer than two labels.
    """
    given = _listed(labels) if isinstance(labels, str) else labels
    bare = [label.strip() if isinstance(label, str) else label for label in given]
    names = tuple(dict.fromkeys(label for label in bare if str(label).strip()))
    if len(names) < 2:
        raise ValueError(
            f"judged needs two labels or more, not {list(names)}; for a question that is answered "
            "by yes or no write judged(['yes', 'no'], about='...?')"
        )
    pairs = examples.items() if isinstance(examples, Mapping) else examples
    shown = None if pairs is None else tuple((str(text), str(label)) for text, label in pairs)
    return Judged(names, None if about is None else str(about), shown, of)


def _listed(labels: str) -> list[str]:
    """The labels of one text; a slash parts them where nothing else does: "Sci/Tech, Sports"."""
    text = " ".join(labels.split())
    return _LIST.split(text) if _LIST.search(text) else text.split("/")


class JudgedField:
    """A derived field and the labels that were given so far, by text."""

    def __init__(self, name: str, asked: Judged) -> None:
        self.name = name
        self.asked = asked
        self.is_filled = False
        self._by_text: dict[str, object] = {}

    def label(self, texts: Iterable[str], labeller: Labeller) -> None:
        """Have all texts labelled that are not, and print what came of it.

        Raises:
            RuntimeError: the host refuses, such as for want of budget, or every item failed;
                nothing is filled, and the next to read the field asks again.
        """
        wanted = list(texts)
        missing = [text for text in dict.fromkeys(wanted) if text not in self._by_text]
        names = [str(label) for label in self.asked.labels]
        if missing:
            replies = labeller.classify(
                missing, names, instruction=self.asked.about, examples=self.asked.examples
            )
            known = dict(zip(names, self.asked.labels, strict=True))
            failure = ""
            for text, reply in zip(missing, replies, strict=True):
                self._by_text[text] = known.get(reply) if isinstance(reply, str) else None
                if isinstance(reply, SubcallFailure):
                    failure = failure or reply.reason
            if all(self._by_text[text] is None for text in missing):
                self._by_text.clear()
                raise RuntimeError(f"{self.name}: no record could be judged: {failure or replies}")
            self._tell(wanted, failure)
        self.is_filled = True

    def value_of(self, text: str, labeller: Labeller) -> object:
        """The label of one text, asked for if it is a new one."""
        if text not in self._by_text:
            self.label([text], labeller)
        return self._by_text[text]

    def _tell(self, texts: list[str], failure: str) -> None:
        counts = Counter(self._by_text[text] for text in texts)
        shown = ", ".join(f"{label} {counts[label]:,}" for label in self.asked.labels)
        why = f" ({failure[:200]})" if failure else ""
        print(
            f"[note] {self.name}: {len(texts):,} records judged: {shown}; "
            f"{counts[None]:,} failed{why}"
        )
