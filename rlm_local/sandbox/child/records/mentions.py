"""Whether a cell reads one of some names before it has given it a value of its own.

In doubt it does: a name that is there and not read costs time, one that is missing the cell.
"""

import ast
import re
from collections.abc import Iterable

__all__ = ["reads_any"]

_BY_NAME = frozenset({"eval", "exec", "globals", "locals", "vars"})


def reads_any(names: frozenset[str], code: str) -> bool:
    """Whether any of the names is read; where the cell does not parse, whether it is written."""
    if not any(name in code for name in names):  # most cells; takes no time
        return False
    written = {word for word in re.findall(r"\w+", code) if word in names}
    if not written:
        return False
    try:
        reader = _Reader(frozenset(written))
        reader.visit(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return reader.found


class _Reader(ast.NodeVisitor):
    def __init__(self, names: frozenset[str]) -> None:
        self.found = False
        self._names = names
        self._stored: frozenset[str] = frozenset()

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._stored |= {node.id}
        elif node.id in _BY_NAME or (node.id in self._names and node.id not in self._stored):
            self.found = True

    def visit_Assign(self, node: ast.Assign) -> None:
        self._all([node.value, *node.targets])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._all([node.value] if node.value else [])
        if node.value:  # alone, a type gives no value
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.visit_Name(ast.Name(node.target.id, ast.Load()))
        self._all([node.value, node.target])

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._all([node.value, node.target])

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self._apart([node.target, *node.body])
        self._apart(node.orelse)

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._apart(node.body)
        self._apart(node.orelse)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        stored = self._apart(node.body) & self._apart(node.orelse)
        self._stored |= stored

    def visit_Try(self, node: ast.Try) -> None:
        self._apart([*node.body, *node.orelse])
        for handler in node.handlers:
            self._apart([handler])
        self._all(node.finalbody)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:
            self._apart([case])

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._all(node.decorator_list)
        self._function(node.args, node.body)
        self._stored |= {node.name}

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815  # names that `ast` gives

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node.args, [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._apart([*node.decorator_list, *node.bases, *node.keywords, *node.body])

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._comprehend(node.generators, [node.elt])

    visit_SetComp = visit_GeneratorExp = visit_ListComp  # noqa: N815

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehend(node.generators, [node.key, node.value])

    def _comprehend(self, loops: list[ast.comprehension], made: list[ast.expr]) -> None:
        parts = [part for loop in loops for part in (loop.iter, loop.target, *loop.ifs)]
        self._apart([*parts, *made])

    def _function(self, args: ast.arguments, body: Iterable[ast.AST]) -> None:
        self._all([*args.defaults, *filter(None, args.kw_defaults)])
        before = self._stored
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        self._stored |= {arg.arg for arg in every if arg}
        self._all(body)
        self._stored = before

    def _all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _apart(self, nodes: Iterable[ast.AST]) -> frozenset[str]:
        """Visit what may not run, or has names of its own; what it stored."""
        before = self._stored
        self._all(nodes)
        stored, self._stored = self._stored, before
        return stored
