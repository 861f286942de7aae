"""Markdown: one record a section, its title, level and text."""

import re
from typing import NamedTuple

from rlm_local.sandbox.child.records.lines import Lines
from rlm_local.sandbox.child.records.raw import NewRow, Raw

__all__ = ["read_sections"]

_TITLE = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_SETTING = re.compile(r"\s*(?:- )?[\w.\"'-]{1,60}\s*[:=]|\s*[\[\]{}\"']|\s*- ")
_LEAST = 3
_MOST_TITLES = 0.6
_FENCES = ("```", "~~~")


def read_sections(lines: Lines, new: NewRow) -> Raw | None:
    """The sections below titles; what stands before the first is the header."""
    titles, n_lines = _titles(lines)
    if len(titles) < _LEAST or len(titles) > _MOST_TITLES * n_lines or _are_comments(titles, lines):
        return None
    text = lines.text
    header = [line for line in lines.between(0, titles[0].start) if line.strip()]
    raw = Raw("sections", ["title", "level", "text"], [], header, text_name="text")
    ends = [*(title.start for title in titles[1:]), len(text)]
    for title, end in zip(titles, ends, strict=True):
        body = ("text", text[title.end : end].strip())
        raw.rows.append(new((("title", title.words), ("level", title.level), body)))
    return raw


class _Title(NamedTuple):
    start: int
    end: int
    level: int
    words: str


def _are_comments(titles: list[_Title], lines: Lines) -> bool:
    """Whether what looks like titles are the comments of a file of settings."""
    if any(title.level > 1 for title in titles):
        return False
    others = [line for line in lines.sample() if not line.startswith("#")]
    return sum(_SETTING.match(line) is not None for line in others) > 0.5 * len(others)


def _titles(lines: Lines) -> tuple[list[_Title], int]:
    """The titles, none inside a fence that is closed, and how many lines are not blank."""
    found: list[_Title] = []
    within: list[_Title] = []
    fence = ""
    start = n_lines = 0
    for line in lines:
        end = start + len(line)
        n_lines += not (not line or line.isspace())
        if line.startswith(_FENCES):
            if not fence:
                fence, within = line[:3], []
            elif line.startswith(fence):
                fence = ""
        elif line.startswith("#") and (title := _TITLE.fullmatch(line.rstrip())):
            words = title.group(2).rstrip("#").rstrip() or title.group(2)
            (within if fence else found).append(_Title(start, end, len(title.group(1)), words))
        start = end + 1
    if fence:  # never closed: it fenced nothing
        found += within
    return found, n_lines
