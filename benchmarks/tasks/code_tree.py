"""A source tree of Python: its files from a folder or an archive, and what its syntax trees say.

Asks nothing: see `code_questions`.
"""

import ast
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks.tasks.data import DataMissing, members

__all__ = ["Definition", "SourceFile", "Tree", "choose_files", "read_files", "read_tree"]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A module that parses. `path` is relative to the tree."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, a method or a class.

    Attributes:
        qualified: `Class.method` or `function`, without the module.
        owner: the class a method stands in, "" elsewhere.
        bases: a class's bases by their last names.
        defaults: arguments with a default, as the source writes it.
        calls: names called inside, the last part of dotted ones.
    """

    path: str
    name: str
    qualified: str
    kind: str
    owner: str
    bases: tuple[str, ...]
    defaults: tuple[tuple[str, str], ...]
    calls: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tree:
    """All definitions of some files."""

    files: tuple[SourceFile, ...]
    definitions: tuple[Definition, ...]

    def named_once(self, kind: str) -> list[Definition]:
        """Definitions of a kind whose name no other definition has."""
        seen = Counter(one.name for one in self.definitions)
        return [one for one in self.definitions if one.kind == kind and seen[one.name] == 1]


@lru_cache(maxsize=2)
def read_files(path: Path) -> tuple[SourceFile, ...]:
    """The tree's Python files that parse, by path; a folder, a wheel or an archive.

    Raises:
        DataMissing: there is none.
    """
    found = sorted(_python_files(path))
    files = tuple(SourceFile(name, text) for name, text in found if text.strip() and _parses(text))
    if not files:
        raise DataMissing(f"{path} holds no Python file")
    return files


def _python_files(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_dir():
        for file in path.rglob("*.py"):
            text = _decoded(file.read_bytes())
            if text is not None:
                yield file.relative_to(path).as_posix(), text
        return
    for name, raw in members(path, ".py"):
        text = _decoded(raw)
        if text is not None:
            yield name, text


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def choose_files(
    files: Sequence[SourceFile], n_chars: int, generator: random.Random
) -> list[SourceFile]:
    """Files in a random order until they hold about `n_chars`, then sorted by path.

    What is too long for the room left is passed over, so that the sum comes near.
    """
    chosen, size = [], 0
    for file in generator.sample(files, len(files)):
        if size + len(file.text) <= n_chars * 1.01:
            chosen.append(file)
            size += len(file.text)
    return sorted(chosen, key=lambda file: file.path)


def read_tree(files: Sequence[SourceFile]) -> Tree:
    """Parse the files."""
    definitions = [one for file in files for one in _definitions(file)]
    return Tree(tuple(files), tuple(definitions))


def _definitions(file: SourceFile) -> Iterator[Definition]:
    """Functions and classes of the module, and methods of its classes; nothing deeper."""
    for node in ast.parse(file.text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _function(file, node, "")
        elif isinstance(node, ast.ClassDef):
            bases = tuple(name for base in node.bases if (name := _last_name(base)))
            yield Definition(file.path, node.name, node.name, "class", "", bases, (), frozenset())
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield _function(file, inner, node.name)


def _function(
    file: SourceFile, node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str
) -> Definition:
    return Definition(
        file.path,
        node.name,
        f"{owner}.{node.name}" if owner else node.name,
        "method" if owner else "function",
        owner,
        (),
        tuple(_defaults(node.args)),
        frozenset(
            name
            for inner in ast.walk(node)
            if isinstance(inner, ast.Call) and (name := _last_name(inner.func))
        ),
    )


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, str]]:
    placed = [*arguments.posonlyargs, *arguments.args]
    with_default = placed[len(placed) - len(arguments.defaults) :]
    for argument, value in zip(with_default, arguments.defaults, strict=True):
        yield argument.arg, ast.unparse(value)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            yield argument.arg, ast.unparse(default)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
