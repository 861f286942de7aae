"""Lines that are items by themselves: messages, definitions, entries of a list; one field, `text`.

Not prose: neither lines broken at a width, nor paragraphs.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from rlm_local.sandbox.child.records.lines import Lines
from rlm_local.sandbox.child.records.raw import NewRow, Raw, Row, gather

__all__ = ["looks_wrapped", "read_plain_lines"]

_LEAST_LINES = 4
_ONE_EACH = re.compile(
    r"\bone(?: \w+)? (?:per|a|on each|on every|to a) line\b|\b(?:each|every) line\b", re.I
)
_MARK = re.compile(r"\s*(?:[-*•+]|\(?\d{1,9}[.):]|#\d{1,9}[.:)]?)\s+")
_PREAMBLE = re.compile(
    r"\blines? (?:contains?|below|above|hold)|\b(?:following|preceding|above|below)\b", re.I
)
_CLOSING = re.compile(r"\s*(?:Recall\b|Note:|Remember\b|The (?:preceding|above) )")
_OF_THE_LINES = re.compile(r".*?\b(?:preceding|above)\b.*?\blines?\b", re.I)
_LONGEST_MEAN = 400
_MOST_BLANK = 0.2
_ALIKE = 0.7


def read_plain_lines(lines: Lines, sample: Sequence[str], new: NewRow) -> Raw | None:
    """The lines as records, where they are items; a marked list or lines called one each."""
    if len(sample) < _LEAST_LINES:
        return None
    n_marked = sum(_MARK.match(line) is not None for line in sample)
    if n_marked >= _ALIKE * len(sample):
        return _read_marked(lines, new)
    whole = lines.text.split("\n")
    first, last = _frame(whole)
    header = [line for line in whole[:first] if line.strip()]
    body = whole[first:last]
    is_said = any(_ONE_EACH.search(line[:2000]) for line in header)
    filled = [line for line in body if line.strip()]
    if len(filled) < _LEAST_LINES:
        return None
    if not is_said:
        mean_chars = sum(map(len, filled)) / len(filled)
        n_blank = len(body) - len(filled)
        if mean_chars > _LONGEST_MEAN or n_blank > _MOST_BLANK * len(body) or looks_wrapped(sample):
            return None
    rows = [new((("text", line.strip()),)) for line in filled]
    footer = [line for line in whole[last:] if line.strip()]
    return Raw("lines", ["text"], rows, header, footer, text_name="text", is_guess=not is_said)


def _read_marked(lines: Lines, new: NewRow) -> Raw:
    def read(line: str) -> Row | None:
        found = _MARK.match(line)
        if found is None:
            return None
        mark = found.group(0).strip().strip("().:#")
        text = ("text", line[found.end() :].strip())
        return new((("number", mark), text) if mark.isdigit() else (text,))

    raw = gather(
        Raw("items of a list", ["number", "text"], [], text_name="text"),
        lines,
        read,
        runs_on="text",
    )
    if not any("number" in row for row in raw.rows):
        raw.names.remove("number")
    return raw


def _frame(lines: Sequence[str]) -> tuple[int, int]:
    """Where the items begin and end: a paragraph that speaks of the lines stands apart."""
    first, last = 0, len(lines)
    blanks = [i for i, line in enumerate(lines[:40]) if not line.strip()]
    for blank in blanks:
        if blank > first and _PREAMBLE.search(lines[first][:2000]):
            first = blank + 1
        elif first:
            # what was said of the lines may go on for another paragraph
            if blank - first <= 2 and blank + 1 < len(lines):
                first = blank + 1
            else:
                break
    while last > max(first, len(lines) - 40):
        if not lines[last - 1].strip():
            last -= 1
            continue
        break
    for number in range(max(first, last - 40), last):
        if _begins_footer(lines, number, last):
            return first, number
    return first, last


def _begins_footer(lines: Sequence[str], number: int, last: int) -> bool:
    """Whether a closing note begins, and not an item with such a word in front."""
    if not _CLOSING.match(lines[number]):
        return False
    if _OF_THE_LINES.match(lines[number][:300]):
        return True
    is_apart = number > 0 and not lines[number - 1].strip()
    return is_apart and not any(
        before.strip() and line.strip() for before, line in pairwise(lines[number:last])
    )


def looks_wrapped(sample: Sequence[str]) -> bool:
    """Whether lines seem to be broken at a width, as of prose."""
    lengths = sorted(len(line) for line in sample)
    wide = lengths[int(0.9 * (len(lengths) - 1))]
    if not 40 <= wide <= 140:
        return False
    n_wide = sum(length > 0.75 * wide for length in lengths)
    n_on = sum(
        line[:1].islower() and before.rstrip()[-1:] not in ".!?:;\"'"
        for before, line in pairwise(sample)
    )
    return n_wide > 0.55 * len(sample) and n_on > 0.2 * len(sample)
