"""What finding gives: texts that know where they stand, in a list that prints one a line."""

__all__ = ["Hit", "Hits"]

_SHOWN_CHARS = 300


class Hit(str):
    """A matched line or passage: a text with `.text`, `.document`, `.line`, `.start`, `.score`.

    `start` is an offset in `context`; `line` counts from 1 within its document and is 0 for
    passages of a search; `score` is 0.0 for matched lines.
    """

    document: str
    line: int
    start: int
    score: float
    shown: str
    """What printing shows of it."""

    def __new__(
        cls, text: str, *, document: str, start: int, line: int = 0, score: float = 0.0
    ) -> "Hit":
        """A hit is made of its text."""
        hit = super().__new__(cls, text)
        hit.document, hit.start, hit.line, hit.score = document, start, line, score
        hit.shown = str(text)[:_SHOWN_CHARS]
        return hit

    def shown_as(self, excerpt: str) -> "Hit":
        """The same hit, printed as `excerpt`."""
        self.shown = excerpt
        return self

    @property
    def text(self) -> str:
        """The text alone."""
        return str.__str__(self)

    def __getitem__(self, key: object) -> str:
        if isinstance(key, str):
            if key not in {"text", "document", "line", "start", "score"}:
                raise KeyError(f"a hit has text, document, line, start and score, not {key!r}")
            # one of the five fields above, each a str or a number
            return getattr(self, key)  # type: ignore[no-any-return]
        # an index or a slice, or str raises the TypeError that cells expect
        return super().__getitem__(key)  # type: ignore[index]

    def __repr__(self) -> str:
        place = f"{self.document}:{self.line}" if self.line else f"{self.document}@{self.start}"
        return f"[{place}] {self.shown}"


class Hits(list[Hit]):
    """Hits in order; `note` says what else there is, such as more than were asked for."""

    def __init__(self, hits: list[Hit], note: str) -> None:
        super().__init__(hits)
        self.note = note

    def __str__(self) -> str:
        return "\n".join([*map(repr, self), f"({self.note})"])

    __repr__ = __str__
