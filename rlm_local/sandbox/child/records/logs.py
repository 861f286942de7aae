"""Log lines: a time first, then perhaps a level, a component, and the message.

Also syslog's (`Jan  6 12:00:01 host sshd[311]: ...`), Python's without a time, and the common log
format of web servers. Lines below an entry that have no time of their own belong to it.
"""

import re
from collections.abc import Sequence

from rlm_local.sandbox.child.records.lines import Lines
from rlm_local.sandbox.child.records.moments import ZONE
from rlm_local.sandbox.child.records.raw import NewRow, Raw, Row, gather

__all__ = ["Entries", "entries_of", "read_log"]

_LEAST_SHARE = 0.25
_OFTEN = 0.5
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
_ZONE = rf"(?: ?{ZONE})?"
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
_LEVELS = (
    "TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERR|ERROR|FATAL|CRIT|CRITICAL|"
    "SEVERE|ALERT|EMERG|EMERGENCY|trace|debug|info|notice|warn|warning|err|error|fatal|crit|"
    "critical|Info|Warning|Error|Debug|Fatal"
)
_LEVEL = re.compile(rf"[\[(<|]?\s?({_LEVELS})\s?(?:[\])>|:]|\s-)?(?:\s+|$)")
_COMPONENT = re.compile(
    r"(?:\[([\w .:$/#@-]{1,60})\]:?|([\w.$/@()-]{1,60}(?:\[\d+\])?):)(?:\s+|$)"
    rf"|([\w.$/@-]{{1,60}}) - (?=(?:{_LEVELS}) - )|([\w$]+(?:\.[\w$]+)+) - "
)
_PYTHON = re.compile(r"(CRITICAL|ERROR|WARNING|INFO|DEBUG):([\w.-]{1,60}):(.*)")
_NEW_SYSLOG = re.compile(
    rf"<\d{{1,3}}>\d (\d{{4}}-\d\d-\d\dT{_CLOCK}{_ZONE}) (\S+) (\S+) (\S+) (\S+)"
    r" (?:- |(?:\[(?:[^\]\\]|\\.)*\])+ ?)?(.*)"
)
_NEW_SYSLOG_NAMES = ("time", "host", "component", "process", "message_id", "text")
_HOST = re.compile(r"([\w.-]{1,60})\s+(?=[\w./-]{1,60}(?:\[\d+\])?:\s)")
_REQUEST = re.compile(
    rf"(\S{{1,255}}) (\S{{1,255}}) (\S{{1,255}}) "
    rf"\[(\d{{1,2}}/[A-Z][a-z]{{2}}/\d{{4}}:{_CLOCK} ?[+-]?\d*)\] "
    r'"((?:(\S+) ((?:[^"\\\s]|\\.)*)(?: [^"\s]*)?|(?:[^"\\]|\\.)*))" (\d{3}) (\d+|-)'
    r'(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?(?:\s+(.*))?'
)
_SELDOM_EQUAL = frozenset({"time", "text", "request", "rest"})
_REQUEST_NAMES = (
    "client", "identity", "user", "time", "request", "method", "path", "status", "bytes",
    "referrer", "agent", "rest",
)  # fmt: skip


def read_log(lines: Lines, sample: Sequence[str], new: NewRow) -> Raw | None:
    """The lines as entries, if most of the sample's begin with a time."""
    for kind, pattern, names, text_name in (
        ("requests of a web server's log", _REQUEST, _REQUEST_NAMES, "request"),
        ("entries of a log", _NEW_SYSLOG, _NEW_SYSLOG_NAMES, "text"),
        ("entries of a log", _PYTHON, ("level", "component", "text"), "text"),
    ):
        if sum(pattern.fullmatch(line) is not None for line in sample) >= _OFTEN * len(sample):
            raw = Raw(kind, list(names), [], text_name=text_name)
            return _read_whole_lines(lines, pattern, raw, new)
    entries = entries_of(sample)
    if entries is None:
        return None

    def read(line: str) -> Row | None:
        found = entries.read(line)
        return new(found) if found else None

    raw = Raw("entries of a log", entries.names, [], text_name="text")
    return gather(raw, lines, read, runs_on="text")


def _read_whole_lines(lines: Lines, pattern: re.Pattern[str], raw: Raw, new: NewRow) -> Raw:
    """Each line a row of the pattern's groups."""
    names = tuple(raw.names)
    known: dict[str, str] = {}  # equal words once
    is_shared = [name not in _SELDOM_EQUAL for name in names]

    def read(line: str) -> Row | None:
        found = pattern.fullmatch(line.rstrip())
        if found is None:
            return None
        values = zip(names, found.groups(), is_shared, strict=True)
        return new(
            (name, known.setdefault(it, it) if shared else it)
            for name, it, shared in values
            if it is not None
        )

    runs_on = raw.text_name if "level" in names else None
    gather(raw, lines, read, runs_on=runs_on)
    used = {name for row in raw.rows for name in row}
    raw.names[:] = [name for name in raw.names if name in used]
    return raw


class Entries:
    """Reads what stands at the beginning of entries. `names` are its fields, the last "text"."""

    def __init__(self, time: re.Pattern[str], steps: list[tuple[str, re.Pattern[str]]]) -> None:
        self.names = ["time", *(name for name, _ in steps), "text"]
        self._time = time
        self._steps = steps
        self._known: dict[str, str] = {}
        """Equal names once: they would take more than the messages."""

    def read(self, line: str) -> list[tuple[str, object]]:
        """The values of an entry's first line; none where it does not begin with a time."""
        found = self._time.match(line)
        if found is None:
            return []
        values: list[tuple[str, object]] = [("time", found.group(1))]
        at = found.end()
        for name, pattern in self._steps:
            if part := pattern.match(line, at):
                word = next(filter(None, part.groups()))
                values.append((name, self._known.setdefault(word, word)))
                at = part.end()
        values.append(("text", line[at:].rstrip()))
        return values


def entries_of(sample: Sequence[str]) -> Entries | None:
    """How entries begin, if enough of the sample's lines begin with a time."""
    for number, time in enumerate(_TIMES):
        rests = [line[found.end() :] for line in sample if (found := time.match(line))]
        share = _LEAST_SHARE if number < 2 else _OFTEN  # a date and a clock say more than one
        if len(rests) >= max(3, share * len(sample)):
            return Entries(time, _steps(rests, may_have_host=number < 2))
    return None


def _steps(rests: list[str], *, may_have_host: bool) -> list[tuple[str, re.Pattern[str]]]:
    """What stands behind the times, in order; `rests` are of a sample."""
    steps: list[tuple[str, re.Pattern[str]]] = []
    host = [("host", _HOST)] if may_have_host else []
    for name, pattern in (
        ("level", _LEVEL), *host, ("level", _LEVEL), ("component", _COMPONENT), ("level", _LEVEL),
    ):  # fmt: skip
        known = [one for one, _ in steps]
        if name in known or (name == "host" and known):
            continue
        ends = [found.end() if (found := pattern.match(rest)) else 0 for rest in rests]
        if sum(end > 0 for end in ends) >= _OFTEN * len(rests):
            steps.append((name, pattern))
            rests = [rest[end:] for rest, end in zip(rests, ends, strict=True)]
    return steps
