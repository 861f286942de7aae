"""Texts a cell prints or shows, kept short: cut in the middle, the true length told."""

import io

__all__ = ["CappedText", "PlainText", "cut_middle"]


def cut_middle(text: str, cap_chars: int) -> str:
    """`text`, or its head and tail with a line between them that says how much is left out."""
    if len(text) <= cap_chars:
        return text
    half = cap_chars // 2
    return _joined(text[:half], text[-half:], len(text))


class CappedText(io.TextIOBase):
    """A stream that keeps the first and the last of what is written, and counts it all."""

    def __init__(self, cap_chars: int) -> None:
        self._half = cap_chars // 2
        self._head: list[str] = []
        self._head_chars = 0
        self._tail: list[str] = []
        self._tail_chars = 0
        self.total_chars = 0

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only is all that is needed
        """What programs ask a stream for before they write to it."""
        return "utf-8"

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Take `text`; never raises for any `str`."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes a str, not {type(text).__name__}")
        text = str.__str__(text)  # what is kept runs no code of the cell's later
        self.total_chars += len(text)
        taken = min(len(text), self._half - self._head_chars)
        if taken > 0:
            self._head.append(text[:taken])
            self._head_chars += taken
        rest = text[max(0, taken) :][-self._half :]
        if rest:
            self._tail.append(rest)
            self._tail_chars += len(rest)
            if self._tail_chars > 4 * self._half:
                self._tail = ["".join(self._tail)[-self._half :]]
                self._tail_chars = len(self._tail[0])
        return len(text)

    def text(self) -> str:
        """What is kept, the cut told where there is one."""
        head, tail = "".join(self._head), "".join(self._tail)[-self._half :]
        if self.total_chars <= len(head) + len(tail):
            return head + tail
        return _joined(head, tail, self.total_chars)


class PlainText(str):
    """A text that shows as itself, line by line, where a cell ends in it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str.__str__(self)


def _joined(head: str, tail: str, total: int) -> str:
    left_out = total - len(head) - len(tail)
    return f"{head}\n... [{left_out:,} of {total:,} characters left out] ...\n{tail}"
