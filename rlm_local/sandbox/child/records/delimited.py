"""Rows of cells: CSV, TSV, and tables with `;` or `|`, quoted cells and a line of names.

Lines before the first row and after the last are header and footer; a line between them with one
cell alone goes to the footer.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rlm_local.sandbox.child.records.lines import Lines
from rlm_local.sandbox.child.records.moments import read_moment
from rlm_local.sandbox.child.records.raw import NewRow, Raw, unique_names

__all__ = ["read_delimited"]

_DELIMITERS = ("\t", ",", ";", "|")
_LEAST_SHARE = 0.8
"""Of the lines from the first row to the last."""
_LEAST_OF_ALL = 0.5
_MOST_CELLS = 200
_NAME_CHARS = 40
_LONGEST_CELL = 1 << 40
_LONG_CELL_CHARS, _MOST_LINES_IN_A_CELL = 4_000, 200
_RULE = frozenset("-:=+ ")
_Cells = list[str]


class _LooseQuote(Exception):
    """A quote that begins a cell and never ends it, or not within reason."""


def read_delimited(lines: Lines, sample: Sequence[str], new: NewRow) -> Raw | None:
    """The lines as a table, if the sample's have cells in like number."""
    csv.field_size_limit(_LONGEST_CELL)
    best: tuple[int, str, int] | None = None
    try:
        for delimiter in _DELIMITERS:
            found = _form_of(sample, delimiter)
            if found and (best is None or found[0] > best[0]):
                best = found
        if best is None:
            return None
        _, delimiter, n_cells = best
        try:
            return _Table(delimiter, n_cells, new).read(lines, has_quotes=True)
        except _LooseQuote:
            return _Table(delimiter, n_cells, new).read(lines, has_quotes=False)
    except csv.Error:  # a carriage return inside a line
        return None


def _form_of(sample: Sequence[str], delimiter: str) -> tuple[int, str, int] | None:
    """Cells in all, the delimiter, cells in a row."""
    rows = list(_cells(sample, delimiter, has_quotes=True))
    counts = Counter(len(row) for row in rows if len(row) > 1)
    if not counts:
        return None
    n_cells, n_rows = counts.most_common(1)[0]
    fitting = [number for number, row in enumerate(rows) if len(row) == n_cells]
    within = fitting[-1] - fitting[0] + 1
    if n_rows < max(3, _LEAST_SHARE * within, _LEAST_OF_ALL * len(rows)) or n_cells > _MOST_CELLS:
        return None
    if delimiter in ",;" and not _is_table([row for row in rows if len(row) == n_cells]):
        return None
    return n_rows * n_cells, delimiter, n_cells


def _is_table(rows: list[_Cells]) -> bool:
    """Not sentences that happen to have as many commas, each with a blank behind it."""
    n_blank = sum(cell[:1] == " " for row in rows for cell in row[1:])
    if n_blank < 0.5 * sum(len(row) - 1 for row in rows):
        return True
    return _are_names(rows[0], rows[1:]) and all(len(name) <= 20 for name in rows[0])


class _Table:
    def __init__(self, delimiter: str, n_cells: int, new: NewRow) -> None:
        self._delimiter = delimiter
        self._n_cells = n_cells
        self._new = new
        self._raw = Raw("rows of a table", [], [])

    def read(self, lines: Lines, *, has_quotes: bool) -> Raw | None:
        first, last = self._ends(lines)
        raw = self._raw
        raw.header = [line for line in lines.between(0, first) if line.strip()]
        waiting: list[_Cells] = []
        between = (f"{line}\n" for line in lines.between(first, last))
        for cells in _cells(between, self._delimiter, has_quotes=has_quotes):
            if raw.names:
                self._add(cells)
                continue
            waiting.append(cells)
            if len(waiting) == 3:
                self._begin(waiting)
        if not raw.names and waiting:
            self._begin(waiting)
        raw.footer += [line for line in lines.between(last, len(lines.text)) if line.strip()]
        return raw if raw.rows else None

    def _ends(self, lines: Lines) -> tuple[int, int]:
        """Where the first line begins that has as many cells as a row, and where the last ends."""
        start = 0
        for line in lines:
            if self._fits(line):
                break
            start += len(line) + 1
        for at, line in lines.backwards():
            if at <= start or self._fits(line):
                return start, min(at + len(line) + 1, len(lines.text))
        return 0, len(lines.text)

    def _fits(self, line: str) -> bool:
        if '"' not in line:
            return line.strip("|").count(self._delimiter) == self._n_cells - 1
        rows = list(_cells([line], self._delimiter, has_quotes=True))
        return len(rows) == 1 and len(rows[0]) == self._n_cells

    def _begin(self, waiting: list[_Cells]) -> None:
        has_names = _are_names(waiting[0], waiting[1:])
        names = waiting[0] if has_names else []
        self._raw.names += unique_names([*names, *[""] * (self._n_cells - len(names))])
        for cells in waiting[has_names:]:
            self._add(cells)

    def _add(self, cells: _Cells) -> None:
        names = self._raw.names
        if len(cells) <= 1 < len(names):
            self._raw.footer += filter(str.strip, cells)
            return
        if len(cells) > len(names):
            rest = self._delimiter.join(cells[len(names) - 1 :])
            cells = [*cells[: len(names) - 1], rest]
        values = [cell.strip() for cell in cells]
        if any(values) and not all(map(_RULE.issuperset, values)):
            self._raw.rows.append(self._new(zip(names, values, strict=False)))


def _are_names(cells: _Cells, rows: list[_Cells]) -> bool:
    """Whether the first row names the columns: short words, none a number or a date."""
    words = [cell.strip() for cell in cells]
    if len(set(words)) < len(words) or not all(words):
        return False
    if any(len(word) > _NAME_CHARS or _is_figure(word) for word in words):
        return False
    below = [cell.strip() for row in rows for cell in row]
    is_longer = max(map(len, below), default=0) > 2 * max(map(len, words))
    are_plain = all(
        word.replace(" ", "_").isidentifier() and word == word.lower() for word in words
    )
    return any(map(_is_figure, below)) or is_longer or are_plain


def _is_figure(cell: str) -> bool:
    bare = cell.lstrip("+-$€£").rstrip("%").replace(",", "").replace(".", "")
    return bare.isdigit() or (cell[-1:].isdigit() and read_moment(cell) is not None)


def _cells(lines: Iterable[str], delimiter: str, *, has_quotes: bool) -> Iterator[_Cells]:
    """The cells of each row.

    Raises:
        _LooseQuote: a cell holds more lines than any would.
    """
    if delimiter == "|":  # as Markdown has them, with a bar at both ends
        lines = (line.strip().strip("|") for line in lines)
    reader = (
        csv.reader(lines, delimiter=delimiter)
        if has_quotes
        else csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    )
    for cells in reader:
        for cell in cells:
            if len(cell) > _LONG_CELL_CHARS and cell.count("\n") > _MOST_LINES_IN_A_CELL:
                raise _LooseQuote
        if cells:
            yield cells
