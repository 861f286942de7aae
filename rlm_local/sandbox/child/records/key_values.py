"""Lines of keys and values: `Date: Jan 06, 2023 || User: 63685 || Text: ...`, or `a=1 b="x y"`.

Which keys there are and what stands between them is found from the text. A value may hold the
separator: what follows it is no known key.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rlm_local.sandbox.child.records.lines import Lines
from rlm_local.sandbox.child.records.logs import entries_of
from rlm_local.sandbox.child.records.moments import read_moment
from rlm_local.sandbox.child.records.raw import NewRow, Raw, Row, gather, unique_names

__all__ = ["read_key_values"]

_SEPARATORS = ("||", "|", "\t", ";", " - ", ",")
_KEY = re.compile(r"\s*([A-Za-z][\w .#/()-]{0,38}?)\s*[:=](?=\s|$|[^\s:=/])")
_PAIR = re.compile(r"""(?<!\S)([A-Za-z_][\w.-]{0,38})=("(?:[^"\\]|\\.)*"|'[^']*'|\S*)(?:\s+|$)""")
_FIRST, _LAST = "", " "
_FIRST_CHARS = 40
_KEYED = re.compile(r"[=]|:\s")
_MOST_PARTS = 40
_MOST_KEYS = 24
_LEAST_SHARE = 0.4
"""Of the lines, below which they are not taken for lines of keys and values."""
_COMMON, _KNOWN = 0.6, 0.15


def read_key_values(lines: Lines, sample: Sequence[str], new: NewRow) -> Raw | None:
    """The lines as records, if enough of the sample's are of one such form."""
    least = max(2, _LEAST_SHARE * len(sample))
    best: tuple[float, str, list[str], list[str]] | None = None
    for separator in _SEPARATORS:
        with_it = [line for line in sample if separator in line]
        if len(with_it) < least:
            continue
        n_lines, keys, common = _keys_of(with_it, partial(_keys, separator=separator))
        if n_lines >= least and len(common) >= 2:
            score = n_lines * len(common)
            if best is None or score > best[0]:
                best = (score, separator, keys, common)
    if best is not None:
        _, separator, keys, common = best
        if _LAST in keys and _LAST not in common:  # as often as not, then part of a value
            keys.remove(_LAST)
        names = _names(keys, [line.split(separator)[0].strip() for line in sample])
        return _read_separated(lines, separator, names, set(common), new)
    n_lines, keys, common = _keys_of(sample, _paired_keys)
    if n_lines >= max(2, 0.6 * len(sample)) and len(common) >= 2:
        return _read_pairs(lines, sample, keys, set(common), new)
    return None


def _keys(line: str, separator: str) -> list[str]:
    """The keys of a line in order; `_FIRST`, `_LAST` for a part at its ends that has none."""
    parts = line.split(separator, _MOST_PARTS)
    found = [_KEY.match(part) for part in parts]
    keys = [key.group(1) for key in found if key]
    if not found[0]:
        first = parts[0].strip()
        if len(keys) < 2 or not first or len(first) > _FIRST_CHARS or _KEYED.search(first):
            return []
        keys.insert(0, _FIRST)
    if not found[-1] and all(found[1:-1]) and len(found) > 2:
        keys.append(_LAST)
    return keys


def _paired_keys(line: str) -> list[str]:
    """The keys of a line that is pairs for the most part."""
    found = list(_PAIR.finditer(line))
    n_chars = sum(pair.end() - pair.start() for pair in found)
    return [pair.group(1) for pair in found] if n_chars > 0.5 * len(line) else []


def _keys_of(
    lines: Sequence[str], keys_in: Callable[[str], list[str]]
) -> tuple[int, list[str], list[str]]:
    """How many lines begin alike, the keys known in them in order, and the common ones of these."""
    found = [keys for line in lines if len(keys := list(dict.fromkeys(keys_in(line)))) >= 2]
    if not found:
        return 0, [], []
    first, _ = Counter(keys[0] for keys in found).most_common(1)[0]
    alike = [keys for keys in found if keys[0] == first]
    counts = Counter(key for keys in alike for key in keys)
    places = dict.fromkeys(counts, 0)
    for keys in alike:
        for place, key in enumerate(keys):
            places[key] += place
    known = [key for key, n in counts.most_common(_MOST_KEYS) if n >= _KNOWN * len(alike)]
    known.sort(key=lambda key: places[key] / counts[key])
    return len(alike), known, [key for key in known if counts[key] >= _COMMON * len(alike)]


def _names(keys: list[str], firsts: list[str]) -> dict[str, str]:
    """Names of fields for keys; `firsts` are the first parts of lines."""
    moments = [moment for first in firsts if (moment := read_moment(first)) and moment.is_day]
    is_time = sum(len(moment.parts) > 3 for moment in moments) > len(moments) / 2
    first_name = "name"
    if len(moments) > len(firsts) / 2:
        first_name = "time" if is_time else "date"
    elif sum(first.isdigit() for first in firsts) > len(firsts) / 2:
        first_name = "id"
    words = [{_FIRST: first_name, _LAST: "text"}.get(key, key) for key in keys]
    return dict(zip(keys, unique_names(words), strict=True))


def _read_separated(
    lines: Lines, separator: str, names: dict[str, str], common: set[str], new: NewRow
) -> Raw:
    columns = list(names.values())
    ends = (_FIRST, _LAST)
    usual = [("", 0) if key in ends else (f"{key}:", len(key) + 1) for key in names]

    def read(line: str) -> Row | None:
        if separator not in line:
            return None
        parts = line.split(separator, len(names) - 1)
        if len(parts) == len(names):
            values = []
            for part, (prefix, n_chars) in zip(parts, usual, strict=True):
                part = part.strip()
                if not part.startswith(prefix):
                    break
                values.append(part[n_chars:].lstrip())
            else:
                return new(zip(columns, values, strict=True))
        pieces = _pieces(line, separator, names, common)
        return new((name, separator.join(its).strip()) for name, its in pieces.items()) or None

    text_name = columns[-1]
    raw = Raw("lines of keys and values", columns, [], text_name=text_name)
    return gather(raw, lines, read, runs_on=text_name)


def _pieces(
    line: str, separator: str, names: dict[str, str], common: set[str]
) -> dict[str, list[str]]:
    """The parts of each value of a line that lacks keys, or has them in another order."""
    pieces: dict[str, list[str]] = {}
    last: list[str] | None = None
    n_common = 0
    for part in line.split(separator):
        found = _KEY.match(part)
        name = names.get(found.group(1)) if found else None
        if found and name and name not in pieces:
            last = pieces[name] = [part[found.end() :]]
            n_common += found.group(1) in common
        elif last is not None:
            last.append(part)
        elif _FIRST in names and not found:
            last = pieces[names[_FIRST]] = [part]
        else:
            return {}
    return pieces if n_common >= 2 else {}


def _read_pairs(
    lines: Lines, sample: Sequence[str], keys: list[str], common: set[str], new: NewRow
) -> Raw:
    names = dict(zip(keys, unique_names(keys), strict=True))
    rest = "rest"
    while rest in names.values():
        rest += "_"
    entries = entries_of([_split_pairs(line, {})[1] for line in sample])
    if entries and not names.keys().isdisjoint(entries.names):
        entries = None
    before = entries.names[:-1] if entries else []
    raw = Raw("lines of keys and values", [*before, *names.values(), rest], [])

    def read(line: str) -> Row | None:
        values, left = _split_pairs(line, names)
        if sum(names[key] in values for key in common) < 2:
            return None
        if entries and (found := entries.read(left)):
            left = str(found.pop()[1])
            values = {**dict(found), **values}
        if left:
            values[rest] = left
        return new(values.items())

    gather(raw, lines, read)
    if not any(rest in row for row in raw.rows):
        raw.names.remove(rest)
    return raw


def _split_pairs(line: str, names: Mapping[str, str]) -> tuple[dict[str, object], str]:
    """The values of known keys, and the rest of the line; where none is known, all but pairs."""
    values: dict[str, object] = {}
    others, at = [], 0
    for found in _PAIR.finditer(line):
        others.append(line[at : found.start()])
        at = found.end()
        key, value = found.groups()
        name = names.get(key)
        if name is not None and name not in values:
            values[name] = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        elif names:
            others.append(found.group(0))
    others.append(line[at:])
    return values, " ".join(" ".join(others).split())
