"""What the tests of records share: texts of each format, and a labeller that needs no model."""

from collections.abc import Callable, Sequence

from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.sandbox.child.records.formats import read_records
from rlm_local.sandbox.child.records.namespace import RecordNames
from rlm_local.sandbox.child.records.raw import Raw

__all__ = ["FakeLabeller", "names_of", "read", "reviews"]


class FakeLabeller:
    """Implements `judging.Labeller` with a function; keeps what it was asked."""

    def __init__(self, label: Callable[[str], str | None] = lambda text: None) -> None:
        self.asked: list[tuple[list[str], list[str], str | None]] = []
        self.examples: list[Sequence[tuple[str, str]] | None] = []
        self.refusal = ""
        self._label = label

    def classify(
        self,
        items: Sequence[str],
        labels: Sequence[str],
        *,
        instruction: str | None = None,
        examples: Sequence[tuple[str, str]] | None = None,
    ) -> list[object]:
        self.asked.append((list(items), list(labels), instruction))
        self.examples.append(examples)
        if self.refusal:
            raise RuntimeError(self.refusal)
        found = [self._label(item) for item in items]
        return [SubcallFailure("no luck") if label is None else label for label in found]


def names_of(
    text: str,
    *,
    documents: Sequence[tuple[str, int, int]] = (),
    labeller: FakeLabeller | None = None,
    look_up: Callable[[str], str] | None = None,
) -> RecordNames:
    """The names over a text."""
    return RecordNames(
        text,
        Documents.of(text, documents),
        labeller=labeller or FakeLabeller(),
        look_up=look_up,
    )


def read(text: str) -> Raw:
    """The text taken apart, its values as written."""
    return read_records(text, Documents.of(text, ()), dict)


def reviews(n: int = 6) -> str:
    """Lines of keys and values between a preamble and a closing note, as of a review site."""
    lines = [
        f"Date: {['Jan', 'Feb', 'Mar'][i % 3]} {i % 28 + 1:02d}, {2020 + i % 3} || "
        f"User: {40117 + i % 4} || Review: {'lovely' if i % 2 else 'dull'} teapot {i}"
        for i in range(n)
    ]
    about = "lines hold reviews, one per line. Each review can be described as one of 3 kinds: "
    about += "'glowing', 'mixed', 'harsh'."
    return "\n".join([f"The following {n} {about}", "", "Count well.", "", *lines,
                      f"Recall: the preceding {n} {about}", ""])  # fmt: skip
