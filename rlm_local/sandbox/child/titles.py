"""The titled pieces of a context: documents, and pieces under headings such as `Document 12:`.

Found in one pass over the text, when they are first asked for. Ranks nothing: see `links`.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from rlm_local.sandbox.child.documents import Documents

__all__ = ["Piece", "TitledPieces"]

_MARK = (
    r"(?:Document|Passage|Article|Paragraph|Text|Story|Review|Email|Message)"
    r" {0,2}[#\[(]?\d{1,9}[\])]?(?=[:.(\n]| {0,2}[(:])"
)
_HEADING = re.compile(rf'\n(?={_MARK}|(?:Title|Subject): {{0,2}}\S|\{{ {{0,2}}")')
_FIRST_HEADING = re.compile(rf'(?={_MARK}|(?:Title|Subject): {{0,2}}\S|\{{ {{0,2}}")')
_NUMBERED = re.compile(
    rf"({_MARK})[:.]? {{0,4}}(?:\((?:Title: {{0,2}})?([^()\n]{{1,120}}"
    r"(?:\([^()\n]{0,60}\))?)\))?:? {0,4}"
)
_NAMED = re.compile(r"(?:Title|Subject): {0,2}([^\n]{1,120})")
_ROW_TITLE = re.compile(r'"(?:title|name|subject|heading)" ?: ?("(?:[^"\\\n]|\\.){1,160}")')
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)$")
_WORD = re.compile(r"\w+")
_CODE = (
    ".py", ".pyi", ".js", ".ts", ".tsx", ".jsx", ".java", ".c", ".h", ".cc", ".cpp", ".hpp", ".go",
    ".rs", ".rb", ".php", ".sh", ".css", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".sql", ".csv",
)  # fmt: skip
_HEAD_CHARS = 400
_TITLE_CHARS = 100
_SURE_TITLE_CHARS = 40
_TITLE_WORDS = 9
_READ_FOR_TITLES_CHARS = 6_000
_SHORTEST_ALONE = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the context, by characters. `title` is empty where it has none."""

    start: int
    end: int
    title: str = field(default="", compare=False)
    name: str = field(default="", compare=False)
    """How it is called when it is shown: its document, its number, its title."""


class TitledPieces:
    """The pieces of one text that have a heading of their own, or are documents."""

    def __init__(self, text: str, documents: Documents) -> None:
        self._text = text
        self._documents = documents
        self._has_documents = len(documents) > 1

    def at(self, offset: int) -> Piece | None:
        """The piece a character belongs to."""
        number = bisect_right(self._starts, offset) - 1
        if number < 0:
            return None
        piece = self._piece(number)
        return piece if offset < piece.end else None

    def within(self, start: int, end: int) -> list[Piece]:
        """The pieces that a part of the text belongs to, in order."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        last = bisect_right(self._starts, max(end - 1, start))
        return [p for n in range(first, last) if (p := self._piece(n)).end > start]

    def text(self, piece: Piece) -> str:
        """What stands in it; a row of JSON as its title and its longest text."""
        text = self._text[piece.start : piece.end].strip()
        return _row_text(text) if text.startswith("{") else text

    def mentioned_in(self, text: str) -> list[Piece]:
        """The pieces whose titles stand in `text`, longest titles first where they overlap."""
        by_key = self._by_key
        words = [match[0] for match in _WORD.finditer(text, 0, _READ_FOR_TITLES_CHARS)]
        lowered = [word.lower() for word in words]
        found: dict[int, None] = {}
        at = 0
        while at < len(words):
            length, number = self._title_at(words, lowered, at) if by_key else (1, None)
            if number is not None:
                found.setdefault(number)
            at += length
        return [self._piece(number) for number in found]

    def _title_at(self, words: list[str], lowered: list[str], at: int) -> tuple[int, int | None]:
        if words[at][0].isupper() or words[at][0].isdigit():
            for length in range(min(_TITLE_WORDS, len(words) - at), 0, -1):
                number = self._by_key.get(" ".join(lowered[at : at + length]))
                if number is not None and (length > 1 or len(words[at]) >= _SHORTEST_ALONE):
                    return length, number
        return 1, None

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def has_titles(self) -> bool:
        """Whether any piece has a title."""
        return bool(self._by_key)

    @cached_property
    def _starts(self) -> list[int]:
        starts = {match.end() for match in _HEADING.finditer(self._text)}
        if _FIRST_HEADING.match(self._text):
            starts.add(0)
        if len(starts) == 1 and not self._has_documents:
            return []  # one heading makes no collection
        if self._has_documents:
            starts.update(document.start for document in self._documents)
        return sorted(starts)

    @cached_property
    def _titles(self) -> list[str]:
        return [self._read_title(number) for number in range(len(self._starts))]

    @cached_property
    def _by_key(self) -> dict[str, int]:
        keys: dict[str, int] = {}
        for number, title in enumerate(self._titles):
            key = _key(title)
            if key:
                keys.setdefault(key, number)
        for number, title in enumerate(self._titles):
            for other in self._other_names(number, title):
                if key := _key(other):
                    keys.setdefault(key, number)
        return keys

    def _other_names(self, number: int, title: str) -> Iterator[str]:
        if title.endswith(")"):
            yield _IN_BRACKETS.sub("", title)
        if self._has_documents:
            document = self._documents.at(self._starts[number])
            if document.start == self._starts[number] and not document.name.endswith(_CODE):
                yield _file_title(document.name)

    def _piece(self, number: int) -> Piece:
        start = self._starts[number]
        is_last = number + 1 == len(self._starts)
        end = len(self._text) if is_last else self._starts[number + 1]
        name = ""
        if self._has_documents:
            document = self._documents.at(start)
            name, end = document.name, min(end, document.end)
        title = self._titles[number]
        return Piece(start, end, title, self._shown_name(start, title, name))

    def _shown_name(self, start: int, title: str, document: str) -> str:
        if document:
            return f"{document}: {title}" if title else document
        numbered = _NUMBERED.match(self._text, start)
        if numbered:
            return f"{numbered[1]} ({title})" if title else numbered[1]
        return title or "context"

    def _read_title(self, number: int) -> str:
        start = self._starts[number]
        end = start + _HEAD_CHARS
        if number + 1 < len(self._starts):
            end = min(end, self._starts[number + 1])
        head = self._text[start:end]
        if head.startswith("{"):
            row = _ROW_TITLE.search(head)
            return _unquoted(row[1]) if row else ""
        if named := _NAMED.match(head):
            return named[1].strip()
        if numbered := _NUMBERED.match(head):
            return (numbered[2] or _first_line(head[numbered.end() :])).strip()
        if self._has_documents and self._documents.at(start).name.endswith(_CODE):
            return ""
        return _first_line(head)


def _first_line(head: str) -> str:
    """The first line, where it looks like a title: short, and text after it."""
    line, _, after = head.strip().partition("\n")
    line = line.strip("#=* \t")
    is_short = 0 < len(line) <= _TITLE_CHARS
    is_sentence = line.endswith((".", "!", ";", ",", ":")) and len(line) > _SURE_TITLE_CHARS
    return line if is_short and after.strip() and not is_sentence else ""


def _file_title(name: str) -> str:
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return re.sub(r"[-_\s]+", " ", re.sub(r"^\d+[-_. ]+", "", stem)).strip()


def _key(title: str) -> str:
    return " ".join(_WORD.findall(title.lower()))


def _unquoted(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip('"')
    # One line, and nothing that UTF-8 cannot hold: a title may be written to be more than one.
    return (
        " ".join(value.encode("utf-8", "replace").decode().split())
        if isinstance(value, str)
        else ""
    )


def _row_text(row: str) -> str:
    try:
        values = json.loads(row)
    except (ValueError, RecursionError):
        return row
    if not isinstance(values, dict):
        return row
    texts = [value.strip() for value in values.values() if isinstance(value, str)]
    title = next((str(values[n]) for n in ("title", "name", "subject") if values.get(n)), "")
    longest = max(texts, key=len, default="")
    return f"{title}\n{longest}" if title and longest and title != longest else longest or row
