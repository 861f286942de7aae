"""What the syntax trees of Python documents say: definitions, bases, defaults, calls.

A document is parsed when a question needs it, once; what does not parse holds nothing. Names are
taken as they are written: no imports are followed, no types are known.
"""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rlm_local.sandbox.child.documents import Document, Documents

__all__ = ["CodeIndex", "Definition"]

_SUFFIXES = (".py", ".pyi", ".pyw")
_MOST_CHARS = 4_000_000
_MOST_SIGNATURE_CHARS = 200
_LOOKS_LIKE_CODE = re.compile(r"^(?:async )?(?:def|class) \w+", re.MULTILINE)
_BROKEN = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What the parser raises on text that it cannot take."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Defined = _Function | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, a method or a class of one document.

    Attributes:
        path: the document's name.
        line: from 1, of the `def` or `class`.
        qualified: with the classes and functions it stands in, such as `Class.method`.
        kind: `function`, `method`, `class`, `nested function` or `module`.
        owner: what it stands in, qualified; empty at the top of the document.
        bases: a class's bases, by the last part of their names.
        parameters: names in order.
        defaults: parameters that have one, with the default as source.
        calls: names called inside, the last part of dotted ones, each with its first line. Calls
            in functions inside a function count for the outermost.
        signature: its first line.
    """

    path: str
    line: int
    name: str
    qualified: str
    kind: str
    owner: str
    signature: str
    bases: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    defaults: dict[str, str] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)


class CodeIndex:
    """The definitions of the documents that are Python."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._parsed: dict[int, tuple[Definition, ...] | None] = {}
        self.unread: list[str] = []
        """Documents that hold what was asked for and do not parse."""

    def definitions(self, name: str) -> list[Definition]:
        """All that is called `name`, or `Class.method`; the outermost first."""
        last = name.rsplit(".", 1)[-1]
        pattern = re.compile(rf"\b(?:def|class)[ \t]+{re.escape(last)}\b")
        found = [
            one
            for one in self._holding(last, pattern)
            if one.name == last and f".{one.qualified}".endswith(f".{name}")
        ]
        return sorted(found, key=lambda one: one.kind == "nested function")

    def callers(self, name: str) -> list[Definition]:
        """The functions and methods whose bodies call `name`, itself not; modules as such last."""
        last = name.rsplit(".", 1)[-1]
        pattern = re.compile(rf"\b{re.escape(last)}[ \t]*\(")
        found = [
            one
            for one in self._holding(last, pattern)
            if last in one.calls and not _is_same(one, name)
        ]
        return sorted(found, key=lambda one: one.kind == "module")

    def subclasses(self, name: str) -> list[Definition]:
        """The classes that name it among their bases."""
        last = name.rsplit(".", 1)[-1]
        # Never past the next `class`, or each of many would search the whole reach of it again.
        header = r"\bclass\s(?:(?!\bclass\s)[^:]){0,2000}?"
        pattern = re.compile(rf"{header}\b{re.escape(last)}\b")
        return [one for one in self._holding(last, pattern) if last in one.bases]

    def members(self, owner: Definition) -> list[Definition]:
        """What is defined right inside a class."""
        everything = self._definitions_of(self._number_of(owner.path))
        return [one for one in everything if one.owner == owner.qualified]

    def similar(self, name: str) -> list[str]:
        """Names of functions and classes that hold `name`, or are held by it; a few."""
        last = re.escape(name.rsplit(".", 1)[-1])
        pattern = re.compile(rf"\b(?:def|class)[ \t]+(\w*{last}\w*)", re.IGNORECASE)
        found: dict[str, None] = {}
        for _, document in self._python():
            found.update(dict.fromkeys(match[1] for match in pattern.finditer(document.text)))
            if len(found) >= 5:
                break
        return list(found)[:5]

    @property
    def has_code(self) -> bool:
        """Whether any document is Python."""
        return next(self._python(), None) is not None

    def _python(self) -> Iterator[tuple[int, Document]]:
        alone = len(self._documents) == 1
        for number, document in enumerate(self._documents):
            if document.name.endswith(_SUFFIXES) or (
                alone and _LOOKS_LIKE_CODE.search(document.text)
            ):
                yield number, document

    def _holding(self, name: str, pattern: re.Pattern[str]) -> Iterator[Definition]:
        """The definitions of the documents in which the pattern, which needs `name`, is found."""
        self.unread = []
        for number, document in self._python():
            # By `in` first, which is many times faster than the pattern.
            if name in document and pattern.search(document.text):
                yield from self._definitions_of(number)

    def _number_of(self, path: str) -> int:
        return next(n for n, document in enumerate(self._documents) if document.name == path)

    def _definitions_of(self, number: int) -> tuple[Definition, ...]:
        document = self._documents[number]
        if number not in self._parsed:
            self._parsed[number] = _read(document.name, document.text)
        known = self._parsed[number]
        if known is None:
            self.unread.append(document.name)
        return known or ()


def _read(path: str, text: str) -> tuple[Definition, ...] | None:
    """All that is defined; `None` when it does not parse."""
    if len(text) > _MOST_CHARS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes and the like in somebody's code
            tree = ast.parse(text)
        return tuple(_Reader(path, text.split("\n")).read(tree))
    except _BROKEN:
        return None


class _Reader:
    def __init__(self, path: str, lines: Sequence[str]) -> None:
        self._path = path
        self._lines = lines

    def read(self, tree: ast.Module) -> Iterator[Definition]:
        """All definitions; the module itself as the last one, where it calls anything."""
        waiting: list[tuple[Sequence[ast.stmt], str, str]] = [(tree.body, "", "module")]
        while waiting:
            body, owner, inside = waiting.pop()
            for node in _definitions_in(body):
                one = self._definition(node, owner, inside)
                yield one
                is_class = one.kind == "class" and inside != "function"
                waiting.append((node.body, one.qualified, "class" if is_class else "function"))
        calls = _calls(_outside_definitions(tree.body))
        if calls:
            name = "<module>"
            yield Definition(self._path, 1, name, name, "module", "", "the module", calls=calls)

    def _definition(self, node: _Defined, owner: str, inside: str) -> Definition:
        qualified = f"{owner}.{node.name}" if owner else node.name
        signature = self._lines[node.lineno - 1].strip()[:_MOST_SIGNATURE_CHARS]
        if isinstance(node, ast.ClassDef):
            bases = tuple(name for base in node.bases if (name := _last_name(base)))
            calls = {} if inside == "function" else _calls(_outside_definitions(node.body))
            return Definition(
                self._path, node.lineno, node.name, qualified, "class", owner, signature,
                bases=bases, calls=calls,
            )  # fmt: skip
        kinds = {"class": "method", "module": "function", "function": "nested function"}
        return Definition(
            self._path, node.lineno, node.name, qualified, kinds[inside], owner, signature,
            parameters=tuple(_parameters(node.args)),
            defaults=dict(_defaults(node.args)),
            calls={} if inside == "function" else _calls(ast.walk(node)),
        )  # fmt: skip


def _definitions_in(body: Sequence[ast.stmt]) -> Iterator[_Defined]:
    """The functions and classes of a body, also those in its `if`, `try`, `with` and loops."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, _Defined):
            yield node
            continue
        for name in ("finalbody", "orelse", "handlers", "body"):
            waiting.extend(reversed(getattr(node, name, ())))


def _outside_definitions(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All nodes of a body that stand in no function and no class of it."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, _Defined):
            yield node
            waiting.extend(ast.iter_child_nodes(node))


def _calls(nodes: Iterable[ast.AST]) -> dict[str, int]:
    calls: dict[str, int] = {}
    for node in nodes:
        if isinstance(node, ast.Call) and (name := _last_name(node.func)):
            calls[name] = min(calls.get(name, node.lineno), node.lineno)
    return calls


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    for one in (*arguments.posonlyargs, *arguments.args):
        yield one.arg
    if arguments.vararg:
        yield f"*{arguments.vararg.arg}"
    for one in arguments.kwonlyargs:
        yield one.arg
    if arguments.kwarg:
        yield f"**{arguments.kwarg.arg}"


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, str]]:
    placed = [*arguments.posonlyargs, *arguments.args]
    with_default = placed[len(placed) - len(arguments.defaults) :]
    for argument, value in zip(with_default, arguments.defaults, strict=True):
        yield argument.arg, ast.unparse(value)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            yield argument.arg, ast.unparse(default)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_same(one: Definition, name: str) -> bool:
    return one.qualified == name or (one.kind == "function" and one.name == name)
