"""Questions about a real source tree whose answers its syntax trees hold.

Four kinds: the file that defines a function, the class that overrides a method of another, the
default of an argument, and the one function that calls another. Only what has exactly one answer
within the files of the context is asked. The scorer is strict: see `scorers.code_answer`.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.tasks.code_tree import Definition, Tree, choose_files, read_files, read_tree
from benchmarks.tasks.task import FILE_HEADER, Context, ContextFile, Family, Request, Task

__all__ = ["FAMILIES", "KINDS", "CodeQuestion", "code_questions"]

KINDS = ("definition", "override", "default", "caller")
_CHARS_PER_TOKEN = 4.7
_QUESTIONS = 20
_SHORTEST_NAME = 6
_LONGEST_VALUE = 40
_PLAIN = frozenset(("None", "True", "False", "()", "[]", "{}", "''", '""', "0", "1"))
"""Defaults that would be guessed."""


@dataclass(frozen=True, slots=True)
class CodeQuestion:
    """A question, its answers, and a pattern that a program without a parser would look for."""

    kind: str
    text: str
    answers: tuple[str, ...]
    search: Callable[[str], str]


def code_questions(tree: Tree, generator: random.Random) -> Iterator[CodeQuestion]:
    """All kinds in turn, as many as the tree holds."""
    makers = (_definitions(tree), _overrides(tree), _defaults(tree), _callers(tree))
    lists = [generator.sample(found, len(found)) for found in map(list, makers)]
    for turn in range(max(map(len, lists), default=0)):
        for found in lists:
            if turn < len(found):
                yield found[turn]


def _definitions(tree: Tree) -> Iterator[CodeQuestion]:
    for one in tree.named_once("function"):
        if len(one.name) >= _SHORTEST_NAME:
            yield CodeQuestion(
                "definition",
                f"Which file defines the function `{one.name}`? Give your final answer in the form "
                "'Answer: path', with the path as it stands in the tree.",
                (one.path,),
                partial(_file_of, rf"^def {one.name}\("),
            )


def _overrides(tree: Tree) -> Iterator[CodeQuestion]:
    """Methods that exactly one direct subclass of a class overrides."""
    methods = defaultdict(set)
    for one in tree.definitions:
        if one.kind == "method":
            methods[one.path, one.owner].add(one.name)
    below = defaultdict(list)
    for one in tree.definitions:
        for base in one.bases:
            below[base].append(one)
    for one in tree.named_once("class"):
        children = below[one.name]
        own = methods[one.path, one.name]
        counts = Counter(name for its in children for name in methods[its.path, its.name] & own)
        for name in sorted(counts):
            if counts[name] == 1 and len(children) > 1 and not name.startswith("__"):
                (child,) = (its for its in children if name in methods[its.path, its.name])
                yield _override(one.name, name, child.name)


def _override(base: str, name: str, child: str) -> CodeQuestion:
    return CodeQuestion(
        "override",
        f"Which direct subclass of the class `{base}` overrides its method `{name}`? Give your "
        "final answer in the form 'Answer: name', with the name of the class.",
        (child,),
        lambda text: _first(rf"^class (\w+)\([^)]*\b{base}\b", text),
    )


def _defaults(tree: Tree) -> Iterator[CodeQuestion]:
    for one in tree.named_once("function"):
        for argument, value in one.defaults:
            if value not in _PLAIN and len(value) <= _LONGEST_VALUE:
                yield _default(one, argument, value)


def _default(one: Definition, argument: str, value: str) -> CodeQuestion:
    return CodeQuestion(
        "default",
        f"What is the default value of the argument `{argument}` of the function `{one.name}`? "
        "Give your final answer in the form 'Answer: value', as the source writes it.",
        (value,),
        lambda text: _first(
            rf"def {one.name}\([^)]*\b{argument}(?:: [^=,]+)?\s*=\s*([^,)\n]+)", text
        ),
    )


def _callers(tree: Tree) -> Iterator[CodeQuestion]:
    """Functions that one other function or method of the tree calls by name, and no other."""
    callers = defaultdict(set)
    for one in tree.definitions:
        for name in one.calls:
            callers[name].add((one.path, one.qualified))
    known = Counter(one.qualified for one in tree.definitions)
    for one in tree.named_once("function"):
        its = callers[one.name] - {(one.path, one.qualified)}
        if len(its) == 1 and len(one.name) >= _SHORTEST_NAME:
            ((_, caller),) = its
            if known[caller] == 1 and caller != one.name:
                yield _caller(one.name, caller)


def _caller(name: str, caller: str) -> CodeQuestion:
    return CodeQuestion(
        "caller",
        f"Exactly one function or method calls the function `{name}`. Which one? Give your final "
        "answer in the form 'Answer: name', where a method is written as Class.method.",
        (caller,),
        lambda text: _enclosing(rf"(?<!def )\b{name}\(", text),
    )


def _file_of(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        return ""
    start = text.rfind(FILE_HEADER, 0, found.start())
    return "Answer: " + text[start + len(FILE_HEADER) : text.find("\n", start)]


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return f"Answer: {found[1].strip()}" if found else ""


def _enclosing(pattern: str, text: str) -> str:
    """The last `def` and `class` above the first place where the pattern stands."""
    found = re.search(pattern, text)
    if not found:
        return ""
    above = text[max(0, found.start() - 50_000) : found.start()]
    defs = list(re.finditer(r"^( *)(?:async )?def (\w+)", above, re.MULTILINE))
    if not defs:
        return ""
    owners = re.findall(r"^class (\w+)", above[: defs[-1].start()], re.MULTILINE)
    inside = defs[-1][1] and owners
    return f"Answer: {owners[-1]}.{defs[-1][2]}" if inside else f"Answer: {defs[-1][2]}"


def _make(request: Request) -> Iterator[Task]:
    kinds = request.option("kind", "all", ("all", *KINDS))
    generator = random.Random(f"code {request.tokens} {request.seed}")
    everything = read_files(request.data.find("code"))
    files = choose_files(everything, round(request.tokens * _CHARS_PER_TOKEN), generator)
    tree = read_tree(files)
    key = f"code-{request.tokens}-{request.seed}"
    context = Context(key, tuple(_as_context_file(file.path, file.text) for file in files))
    asked = [one for one in code_questions(tree, generator) if kinds in {"all", one.kind}]
    for number, question in enumerate(asked[: request.questions or _QUESTIONS]):
        yield Task(
            name=f"{key}-{kinds}-{number}",
            family="code",
            kind=f"code.{question.kind}",
            seed=request.seed,
            tokens=request.tokens,
            context=context,
            question=question.text,
            truth=question.answers,
            scorer="code_answer",
            shortcut=question.search,
            facts={"files": len(files)},
        )


def _as_context_file(path: str, text: str) -> ContextFile:
    return ContextFile(path, lambda: (text,))


FAMILIES = (
    Family(
        "code",
        "definition, override, default value and caller in a source tree",
        _make,
        needs=("code",),
        options={"kind": f"all (default), {', '.join(KINDS)}"},
        lengths="8K to the whole tree",
    ),
)
