"""Reads Python that a model wrote: does it parse, what does it name, what does it finish with.

Runs nothing and never raises.
"""

import ast
import re
import warnings
from collections.abc import Iterator

__all__ = [
    "assigned_names",
    "called_names",
    "final_literals",
    "looks_like_code",
    "normal_form",
    "syntax_error",
    "tree_of",
]

_STATEMENTS = (
    ast.Call, ast.Assign, ast.AugAssign, ast.Import, ast.ImportFrom, ast.For, ast.While, ast.If,
    ast.FunctionDef, ast.AsyncFunctionDef, ast.With, ast.Try, ast.ClassDef, ast.Await,
)  # fmt: skip
_FINISHERS = frozenset({"FINAL", "final"})


def tree_of(code: str) -> ast.Module | None:
    """The syntax tree, or None where the code does not parse."""
    tree = _parse(code)
    return tree if isinstance(tree, ast.Module) else None


def syntax_error(code: str) -> str | None:
    """Why the code does not parse, in one line; None if it does."""
    tree = _parse(code)
    return None if isinstance(tree, ast.Module) else tree


def looks_like_code(text: str) -> bool:
    """Whether prose is ruled out: it parses and holds a call, an assignment or a statement."""
    tree = tree_of(text)
    return tree is not None and any(isinstance(node, _STATEMENTS) for node in ast.walk(tree))


def normal_form(code: str) -> str:
    """Equal for cells that differ only in comments, blank lines and quotes."""
    if tree := tree_of(code):
        try:
            return ast.dump(tree)
        except RecursionError:
            pass  # an expression nested a thousand deep; its lines will do
    return "\n".join(line.strip() for line in code.splitlines() if line.strip())


def called_names(code: str) -> frozenset[str]:
    """Every name the code reads or calls; for code that does not parse, every word in it."""
    tree = tree_of(code)
    if tree is None:
        return frozenset(re.findall(r"[A-Za-z_]\w*", code))
    return frozenset(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )


def assigned_names(code: str) -> tuple[str, ...]:
    """Names the cell defines at its top level or in loops, in order, private ones left out."""
    tree = tree_of(code)
    names: dict[str, None] = {}
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names[node.id] = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names[node.name] = None
    return tuple(name for name in names if not name.startswith("_"))


def final_literals(code: str) -> tuple[str, ...]:
    """The answers a cell finishes with that are written out rather than computed.

    A name counts when the cell assigns it one literal and nothing else. What a cell puts into
    `answer["content"]` counts where it sets `answer["ready"]` too.
    """
    tree = tree_of(code)
    if tree is None:
        return ()
    constants = _constants(tree)
    given = [call.args[0] for call in _finishing_calls(tree)]
    items = dict(_answer_items(tree))
    if _literal(items.get("ready"), constants) == "True" and "content" in items:
        given.append(items["content"])
    values = (_literal(value, constants) for value in given)
    return tuple(value for value in values if value is not None)


def _answer_items(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """What is assigned to `answer["..."]`, or to `answer` as a dict."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == "answer":
                if isinstance(node.value, ast.Dict):
                    for key, value in zip(node.value.keys, node.value.values, strict=True):
                        if isinstance(key, ast.Constant) and isinstance(key.value, str):
                            yield key.value, value
            elif (
                isinstance(target, ast.Subscript)
                and isinstance(target.value, ast.Name)
                and target.value.id == "answer"
                and isinstance(target.slice, ast.Constant)
            ):
                yield str(target.slice.value), node.value


def _finishing_calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _FINISHERS
            and node.args
        ):
            yield node


def _constants(tree: ast.Module) -> dict[str, str]:
    assigned: dict[str, list[str | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                assigned.setdefault(target.id, []).append(_literal(node.value, {}))
    return {
        name: values[0]
        for name, values in assigned.items()
        if len(values) == 1 and values[0] is not None
    }


def _literal(node: ast.expr | None, constants: dict[str, str]) -> str | None:
    if node is None:
        return None
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return str(value)


def _parse(code: str) -> ast.Module | str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "invalid escape sequence" is the model's business
            tree = compile(
                code, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
    except SyntaxError as error:
        where = f" (line {error.lineno}: {(error.text or '').strip()[:80]})" if error.lineno else ""
        return f"{error.msg}{where}"
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return str(error) or type(error).__name__
    assert isinstance(tree, ast.Module)
    return tree
