"""Rows of cells: CSV, TSV, and tables with `;` or `|`, quoted cells and a line of names.

Lines before the first row and after the last are header and footer; a line between them with one
cell alone goes to the footer.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from rlm_local.sandbox.child.records.headings import are_names, is_total
from rlm_local.sandbox.child.records.lines import Lines
from rlm_local.sandbox.child.records.raw import NewRow, Raw, unique_names

__all__ = ["read_delimited"]

_DELIMITERS = ("\t", ",", ";", "|")
_LEAST_SHARE = 0.8
"""Of the lines from the first row to the last."""
_LEAST_OF_ALL = 0.5
_MOST_CELLS = 200
_LONGEST_CELL = 1 << 40
_LONG_CELL_CHARS, _MOST_LINES_IN_A_CELL = 4_000, 200
_RULE = re.compile(r"[:+]?(?:-{2,}|={2,})[-=+:]*")
_SHORT_RULE = re.compile(r":?-+:?")
_ROWS_BELOW_NAMES = 50
_INDEX = "index"
_LEAST_SWALLOWED, _SURELY_SWALLOWED = 2, 12
_Cells = list[str]


class _Form(NamedTuple):
    """How rows are written.

    Attributes:
        n_cells: of a row; 0 where that is not known.
        skips_blanks: whether quotes begin a cell behind a blank too.
        is_ragged: whether empty cells at the end of a row may be left off.
    """

    delimiter: str
    n_cells: int = 0
    skips_blanks: bool = False
    is_ragged: bool = False


class _LooseQuote(Exception):
    """A quote that begins a cell and never ends it, or not within reason."""


def read_delimited(lines: Lines, sample: Sequence[str], new: NewRow) -> Raw | None:
    """The lines as a table, if the sample's have cells in like number."""
    csv.field_size_limit(_LONGEST_CELL)
    best: tuple[int, _Form] | None = None
    try:
        for delimiter in _DELIMITERS:
            for skips_blanks in (False, True):
                found = _form_of(sample, _Form(delimiter, skips_blanks=skips_blanks))
                if found and (best is None or found[0] > best[0]):
                    best = found
        if best is None:
            return None
        form = best[1]
        try:
            return _Table(form, new).read(lines, has_quotes=True)
        except _LooseQuote:
            return _Table(form, new).read(lines, has_quotes=False)
    except csv.Error:  # a carriage return inside a line
        return None


def _form_of(sample: Sequence[str], form: _Form) -> tuple[int, _Form] | None:
    """How many cells there are in all, and the form with the number of cells in a row."""
    delimiter = form.delimiter
    if form.skips_blanks and not any(f'{delimiter} "' in line for line in sample):
        return None
    rows = list(_cells(sample, form, has_quotes=True))
    counts = Counter(len(row) for row in rows if len(row) > 1)
    if not counts:
        return None
    n_cells, n_rows = counts.most_common(1)[0]
    if delimiter == "\t" and (n_names := len(rows[0])) >= n_cells and are_names(rows[0], rows[1:]):
        form = form._replace(is_ragged=True)
        n_cells, n_rows = n_names, sum(1 < len(row) <= n_names for row in rows)
    form = form._replace(n_cells=n_cells)
    fitting = [number for number, row in enumerate(rows) if _has_cells(row, form)]
    within = fitting[-1] - fitting[0] + 1
    if n_rows < max(3, _LEAST_SHARE * within, _LEAST_OF_ALL * len(rows)) or n_cells > _MOST_CELLS:
        return None
    if delimiter in ",;" and not _is_table([row for row in rows if len(row) == n_cells]):
        return None
    return n_rows * n_cells, form


def _has_cells(row: _Cells, form: _Form) -> bool:
    return len(row) == form.n_cells or (form.is_ragged and 1 < len(row) < form.n_cells)


def _is_table(rows: list[_Cells]) -> bool:
    """Not sentences that happen to have as many commas, each with a blank behind it."""
    n_blank = sum(cell[:1] == " " for row in rows for cell in row[1:])
    if n_blank < 0.5 * sum(len(row) - 1 for row in rows):
        return True
    return are_names(rows[0], rows[1:]) and all(len(name) <= 20 for name in rows[0])


class _Table:
    def __init__(self, form: _Form, new: NewRow) -> None:
        self._form = form
        self._delimiter = form.delimiter
        self._n_cells = form.n_cells
        self._new = new
        self._raw = Raw("rows of a table", [], [])

    def read(self, lines: Lines, *, has_quotes: bool) -> Raw | None:
        first, last = self._ends(lines, has_quotes=has_quotes)
        raw = self._raw
        raw.header = [line for line in lines.between(0, first) if line.strip()]
        waiting: list[_Cells] = []
        between = (f"{line}\n" for line in lines.between(first, last))
        for cells in _cells(between, self._form, has_quotes=has_quotes):
            if raw.names:
                self._add(cells)
                continue
            waiting.append(cells)
            if len(waiting) > _ROWS_BELOW_NAMES:
                self._begin(waiting)
        if not raw.names and waiting:
            self._begin(waiting)
        if len(raw.rows) > 1 and is_total(totals := [str(one) for one in raw.rows[-1].values()]):
            raw.rows.pop()
            raw.footer.append(self._delimiter.join(totals))
        raw.footer += [line for line in lines.between(last, len(lines.text)) if line.strip()]
        return raw if raw.rows else None

    def _ends(self, lines: Lines, *, has_quotes: bool) -> tuple[int, int]:
        """Where the first line begins that has as many cells as a row, and where the last ends."""
        start = 0
        for line in lines:
            if self._fits(line) or (has_quotes and self._row_end(lines, start)):
                break
            start += len(line) + 1
        back = lines.backwards()
        for at, line in back:
            if at <= start or self._fits(line):
                end = min(at + len(line) + 1, len(lines.text))
                before = chain([(at, line)], islice(back, _MOST_LINES_IN_A_CELL))
                return start, self._whole_rows(lines, before, end) if has_quotes else end
        return 0, len(lines.text)

    def _whole_rows(self, lines: Lines, before: Iterable[tuple[int, str]], end: int) -> int:
        """Where the rows end that begin or go on at the end; `before` are lines above, upwards."""
        begun = next((at for at, line in before if line.count('"') % 2), end)
        end = max(end, self._row_end(lines, begun))
        while longer := self._row_end(lines, end):
            end = longer
        return end

    def _row_end(self, lines: Lines, start: int) -> int:
        """Where a row ends that begins here and goes on for lines, in quotes; 0 if none does."""
        parts: list[str] = []
        n_quotes, end = 0, start
        for line in lines.between(start, len(lines.text)):
            parts.append(f"{line}\n")
            n_quotes += line.count('"')
            end += len(line) + 1
            if n_quotes % 2 == 0 or len(parts) >= _MOST_LINES_IN_A_CELL:
                break
        if n_quotes % 2 or len(parts) < 2:
            return 0
        rows = list(_cells(parts, self._form, has_quotes=True))
        is_row = len(rows) == 1 and len(rows[0]) == self._n_cells
        return min(end, len(lines.text)) if is_row else 0

    def _fits(self, line: str) -> bool:
        if '"' not in line:
            bare = _unframed(line, self._n_cells) if self._delimiter == "|" else line
            n_cells = bare.count(self._delimiter) + 1
            return n_cells == self._n_cells or (
                self._form.is_ragged and 1 < n_cells < self._n_cells
            )
        rows = list(_cells([line], self._form, has_quotes=True))
        return len(rows) == 1 and _has_cells(rows[0], self._form)

    def _begin(self, waiting: list[_Cells]) -> None:
        has_names = are_names(waiting[0], waiting[1:])
        names = list(waiting[0]) if has_names else []
        if names and not names[0].strip():  # as of a data frame that was written with its index
            names[0] = _INDEX
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
        if any(values) and not self._is_rule(values):
            self._raw.rows.append(self._new(zip(names, values, strict=False)))

    def _is_rule(self, values: _Cells) -> bool:
        """Whether it is a line drawn below the names; one dash a cell only in Markdown."""
        filled = [value for value in values if value]
        if all(map(_RULE.fullmatch, filled)):
            return True
        is_below_names = self._delimiter == "|" and not self._raw.rows
        return is_below_names and all(map(_SHORT_RULE.fullmatch, filled))


def _unframed(line: str, n_cells: int) -> str:
    """Without the bars at both ends that Markdown has; a bar of an empty cell stays."""
    bare = line.strip()
    is_framed = len(bare) > 1 and bare[0] == bare[-1] == "|"
    if is_framed and (not n_cells or bare.count("|") == n_cells + 1):
        return bare[1:-1] + line[len(line.rstrip("\n")) :]
    return line


def _swallows_rows(cells: _Cells, taken: _Cells, delimiter: str, n_cells: int) -> bool:
    """Whether a cell in quotes holds whole rows: its quotes are two that never close.

    `taken` are the lines the cells are from.
    """
    for cell in cells:
        if "\n" in cell and delimiter in cell:
            inner = cell.split("\n")[1:-1]
            n_rows = sum(line.count(delimiter) == n_cells - 1 for line in inner)
            least = _LEAST_SWALLOWED if _has_open_quote(taken, delimiter) else _SURELY_SWALLOWED
            if delimiter == "\t" or (n_rows >= least and n_rows == len(inner)):
                return True
    return False


def _has_open_quote(taken: _Cells, delimiter: str) -> bool:
    """Whether a quote that would end a cell stands before more of it."""
    try:
        list(csv.reader(taken, delimiter=delimiter, strict=True))
    except csv.Error:
        return True
    return False


def _cells(lines: Iterable[str], form: _Form, *, has_quotes: bool) -> Iterator[_Cells]:
    """The cells of each row.

    Raises:
        _LooseQuote: a cell holds more lines than any would.
    """
    delimiter, n_cells = form.delimiter, form.n_cells
    if delimiter == "|":  # as Markdown has them, with a bar at both ends
        lines = (_unframed(line, n_cells) for line in lines)
    if not has_quotes:
        yield from filter(None, csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))
        return
    for cells, taken in _quoted_rows(lines, form):
        if n_cells and len(taken) > 1 and _swallows_rows(cells, taken, delimiter, n_cells):
            for line in taken:
                is_loose = line.count('"') % 2 == 1
                yield from _cells([line], form, has_quotes=not is_loose)
        elif cells:
            yield cells


def _quoted_rows(lines: Iterable[str], form: _Form) -> Iterator[tuple[_Cells, list[str]]]:
    """The cells of each row, and the lines they are from."""
    taken: list[str] = []

    def take() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    rows = csv.reader(take(), delimiter=form.delimiter, skipinitialspace=form.skips_blanks)
    for cells in rows:
        for cell in cells:
            if len(cell) > _LONG_CELL_CHARS and cell.count("\n") > _MOST_LINES_IN_A_CELL:
                raise _LooseQuote
        yield cells, taken
        taken.clear()
