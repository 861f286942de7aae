"""The lines of a long text, cut one at a time, and a sample of them."""

from collections.abc import Iterator

__all__ = ["Lines"]

_SAMPLE_LINES = 150
_SAMPLE_CHARS = 1 << 18
_SMALL_CHARS = 1 << 16


class Lines:
    """Iterates over lines without their ends; holds nothing but the text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __iter__(self) -> Iterator[str]:
        return self.between(0, len(self.text))

    def between(self, start: int, end: int) -> Iterator[str]:
        """The lines of a part, which begins and ends where lines do."""
        text, find = self.text, self.text.find
        while start < end:
            stop = find("\n", start, end)
            if stop < 0:
                stop = end
            yield text[start:stop]
            start = stop + 1

    def backwards(self) -> Iterator[tuple[int, str]]:
        """Each line and where it begins, the last one first."""
        end = len(self.text)
        while end >= 0:
            start = self.text.rfind("\n", 0, end) + 1
            yield start, self.text[start:end]
            end = start - 1

    def sample(self) -> list[str]:
        """Lines that are not blank: all of a small text, else of its beginning, middle and end."""
        text = self.text
        if len(text) <= _SMALL_CHARS:
            return _filled(text.split("\n"))
        half = len(text) // 2
        middle = text[half : half + _SAMPLE_CHARS].split("\n")[1:]
        last = text[max(half, len(text) - _SAMPLE_CHARS) :].split("\n")[1:]
        return [
            *_filled(text[:_SAMPLE_CHARS].split("\n"))[:_SAMPLE_LINES],
            *_filled(middle[:-1])[:_SAMPLE_LINES],
            *_filled(last)[-_SAMPLE_LINES:],
        ]


def _filled(lines: list[str]) -> list[str]:
    return [line.rstrip("\r") for line in lines if line and not line.isspace()]
