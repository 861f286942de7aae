"""Log lines: a time first, then perhaps a level, a component, and the message.

Also syslog's (`Jan  6 12:00:01 host sshd[311]: ...`) and the common log format of web servers.
Lines below an entry that have no time of their own belong to it.
"""

import re
from collections.abc import Sequence

from rlm_local.sandbox.child.records.lines import Lines
from rlm_local.sandbox.child.records.raw import NewRow, Raw, Row, gather

__all__ = ["read_log"]

_LEAST_SHARE = 0.25
_OFTEN = 0.5
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_DAY = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|"
    r"\d{1,2}[-/ ][A-Z][a-z]{2}[-/ ]\d{4})"
)
_TIMES = (
    re.compile(rf"[\[(<]?({_DAY}[T :,]{{1,2}}{_CLOCK}{_ZONE})[\])>]?(?:[:,|]| -)?(?:\s+|$)"),
    re.compile(rf"([A-Z][a-z]{{2}} {{1,2}}\d{{1,2}} {_CLOCK})\s+"),
    re.compile(rf"[\[(<]?({_CLOCK})[\])>]?(?:[:,|]| -)?\s+"),
    re.compile(rf"[\[(<]?({_DAY})[\])>]?(?:[:,|]| -)?\s+"),
)
_LEVEL = re.compile(
    r"[\[(<|]?\s?(TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERR|ERROR|FATAL|CRIT|CRITICAL|"
    r"SEVERE|ALERT|EMERG|EMERGENCY|trace|debug|info|notice|warn|warning|err|error|fatal|crit|"
    r"critical|Info|Warning|Error|Debug|Fatal)\s?(?:[\])>|:]|\s-)?(?:\s+|$)"
)
_COMPONENT = re.compile(r"(?:\[([\w .:$/#@-]{1,60})\]:?|([\w.$/@()-]{1,60}(?:\[\d+\])?):)(?:\s+|$)")
_HOST = re.compile(r"([\w.-]{1,60})\s+(?=[\w./-]{1,60}(?:\[\d+\])?:\s)")
_REQUEST = re.compile(
    rf"(\S{{1,255}}) (\S{{1,255}}) (\S{{1,255}}) "
    rf"\[(\d{{1,2}}/[A-Z][a-z]{{2}}/\d{{4}}:{_CLOCK} ?[+-]?\d*)\] "
    r'"((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)(?:\s+(.*))?'
)
_REQUEST_NAMES = ("client", "identity", "user", "time", "request", "status", "bytes", "rest")


def read_log(lines: Lines, sample: Sequence[str], new: NewRow) -> Raw | None:
    """The lines as entries, if most of the sample's begin with a time."""
    if sum(_REQUEST.fullmatch(line) is not None for line in sample) >= _OFTEN * len(sample):
        return _read_requests(lines, new)
    for number, time in enumerate(_TIMES):
        rests = [line[found.end() :] for line in sample if (found := time.match(line))]
        share = _LEAST_SHARE if number < 2 else _OFTEN  # a date and a clock say more than one
        if len(rests) >= max(3, share * len(sample)):
            return _read_entries(lines, time, rests, number == 1, new)
    return None


def _read_requests(lines: Lines, new: NewRow) -> Raw:
    def read(line: str) -> Row | None:
        found = _REQUEST.fullmatch(line.rstrip())
        if found is None:
            return None
        values = zip(_REQUEST_NAMES, found.groups(), strict=True)
        return new((name, value) for name, value in values if value is not None)

    raw = Raw("requests of a web server's log", list(_REQUEST_NAMES), [], text_name="request")
    gather(raw, lines, read)
    if not any("rest" in row for row in raw.rows):
        raw.names.remove("rest")
    return raw


def _read_entries(
    lines: Lines, time: re.Pattern[str], rests: list[str], is_syslog: bool, new: NewRow
) -> Raw:
    """`rests`: what stands behind the times of a sample."""
    steps: list[tuple[str, re.Pattern[str]]] = []
    wanted = [("host", _HOST)] if is_syslog else []
    for name, pattern in (*wanted, ("level", _LEVEL), ("component", _COMPONENT), ("level", _LEVEL)):
        if any(name == known for known, _ in steps):
            continue
        ends = [found.end() if (found := pattern.match(rest)) else 0 for rest in rests]
        if sum(end > 0 for end in ends) >= _OFTEN * len(rests):
            steps.append((name, pattern))
            rests = [rest[end:] for rest, end in zip(rests, ends, strict=True)]

    known: dict[str, str] = {}  # equal names once: they would take more than the messages

    def read(line: str) -> Row | None:
        found = time.match(line)
        if found is None:
            return None
        values: list[tuple[str, object]] = [("time", found.group(1))]
        at = found.end()
        for name, pattern in steps:
            if part := pattern.match(line, at):
                word = next(filter(None, part.groups()))
                values.append((name, known.setdefault(word, word)))
                at = part.end()
        values.append(("text", line[at:].rstrip()))
        return new(values)

    names = ["time", *(name for name, _ in steps), "text"]
    return gather(Raw("entries of a log", names, [], text_name="text"), lines, read, runs_on="text")
