"""Finds the files of a folder, in an order that is the same every time.

Rules:

- Entries of a folder come sorted by name, files and folders mixed, depth first.
- `.gitignore` files are respected, in the named folder and below it. Those above it are not
  asked: naming a folder is asking for it.
- `.git` and `__pycache__` are never entered. Other hidden or generated folders (`.venv`,
  `node_modules`) are read unless a `.gitignore` or an exclude pattern says otherwise.
- Symlinks are not followed: what one inside the folder points to is met in its own place, and
  what lies outside was not asked for. So there are no loops, and no text comes twice.
- Pipes, sockets and devices are skipped unopened.

Opens nothing but folders and `.gitignore` files.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from rlm_local.context.sources import ReadOptions, Skipped, describe_special
from rlm_local.errors import ContextError

__all__ = ["FolderWalk", "FoundFile", "check_patterns"]

_NEVER_ENTERED = frozenset({".git", "__pycache__"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file; `name` is its path relative to the folder, with slashes."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class _IgnoreRules:
    """One `.gitignore`: its patterns are about names after the first `prefix_chars`."""

    prefix_chars: int
    spec: GitIgnoreSpec


@dataclass(frozen=True, slots=True)
class _Level:
    entries: Iterator["os.DirEntry[str]"]
    rules: tuple[_IgnoreRules, ...]


class FolderWalk:
    """The files of one folder. Iterate once; `n_ignored` is whole after that."""

    def __init__(self, folder: Path, options: ReadOptions) -> None:
        """Prepare the walk.

        Raises:
            ContextError: a pattern of the options is no `.gitignore` pattern.
        """
        self.n_ignored = 0
        """Entries left out by `.gitignore` or the patterns; a folder counts once."""
        self._folder = os.fspath(folder)
        self._include = check_patterns(options.include)
        self._exclude = check_patterns(options.exclude)
        self._skipped: list[Skipped] = []

    def __iter__(self) -> Iterator[FoundFile | Skipped]:
        """Walk.

        Raises:
            ContextError: the folder itself cannot be listed.
        """
        try:
            levels = [self._enter(self._folder, "", ())]
        except OSError as error:
            raise ContextError(
                f"cannot read folder {self._folder}: {error.strerror or error}"
            ) from error
        while levels:
            entry = next(levels[-1].entries, None)
            if entry is None:
                levels.pop()
                continue
            name = entry.path[len(self._folder) :].lstrip("/")
            rules = levels[-1].rules
            try:
                if entry.is_dir(follow_symlinks=False):
                    if self._is_wanted(f"{name}/", entry.name, rules):
                        levels.append(self._enter(entry.path, f"{name}/", rules))
                elif self._is_wanted(name, entry.name, rules):
                    yield self._look_at(entry, name)
            except OSError as error:
                yield Skipped(entry.path, f"unreadable: {error.strerror or error}")

    def _enter(self, path: str, name: str, rules: tuple[_IgnoreRules, ...]) -> _Level:
        with os.scandir(path) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        if any(entry.name == ".gitignore" for entry in entries):
            spec = _read_gitignore(f"{path}/.gitignore")
            if spec is not None:
                rules = (*rules, _IgnoreRules(len(name), spec))
        return _Level(iter(entries), rules)

    def _look_at(self, entry: "os.DirEntry[str]", name: str) -> FoundFile | Skipped:
        if entry.is_symlink():
            return Skipped(entry.path, _describe_symlink(entry.path, self._folder))
        if entry.is_file(follow_symlinks=False):
            return FoundFile(entry.path, name)
        return Skipped(entry.path, describe_special(entry.stat(follow_symlinks=False).st_mode))

    def _is_wanted(self, name: str, last_name: str, rules: tuple[_IgnoreRules, ...]) -> bool:
        """Whether an entry is let in; the name of a folder ends in a slash."""
        if last_name in _NEVER_ENTERED:
            return False
        wanted = not (
            (rules and _is_ignored(name, rules))
            or (self._exclude and self._exclude.match_file(name))
            or (self._include and name[-1] != "/" and not self._include.match_file(name))
        )
        self.n_ignored += not wanted
        return wanted


def check_patterns(patterns: tuple[str, ...]) -> GitIgnoreSpec | None:
    """The patterns compiled; None when there are none.

    Raises:
        ContextError: one of them is no `.gitignore` pattern.
    """
    if not patterns:
        return None
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise ContextError(f"not a file pattern among {', '.join(patterns)}: {error}") from error


def _is_ignored(name: str, rules: tuple[_IgnoreRules, ...]) -> bool:
    """What git would say: the deepest file that has a matching pattern decides."""
    for rule in reversed(rules):
        verdict = rule.spec.check_file(name[rule.prefix_chars :]).include
        if verdict is not None:
            return verdict
    return False


def _read_gitignore(path: str) -> GitIgnoreSpec | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:  # a folder or pipe of that name, say; git passes these over too
        return None
    return _compile_valid(lines)


def _compile_valid(lines: Iterable[str]) -> GitIgnoreSpec:
    """Compile the lines that are patterns; like git, pass over those that are not."""
    kept = list(lines)
    try:
        return GitIgnoreSpec.from_lines(kept)
    except ValueError:
        return GitIgnoreSpec.from_lines(line for line in kept if _is_pattern(line))


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _describe_symlink(path: str, folder: str) -> str:
    target = os.path.realpath(path)
    home = os.path.realpath(folder)
    if os.path.commonpath((home, target)) != home:
        return "symlink out of the folder"
    return "symlink" if os.path.lexists(target) else "broken symlink"
