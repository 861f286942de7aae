"""What a REPL process sends is text: the host has no means to run it or to make objects of it."""

import ast
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, package_modules

MAKES_OBJECTS = {
    f"import {name}"
    for name in (
        "pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle",
    )
}  # fmt: skip
RUNS_TEXT = {"eval", "exec", "__import__"}
# What reads a REPL's frames is held to more.
RUNS_OR_BUILDS = {
    "compile", "literal_eval", "import yaml", "import code", "import codeop", "import runpy",
    "import importlib",
}  # fmt: skip
SHARED_WITH_CHILD = {Path("sandbox/child/wire.py"), Path("sandbox/child/output.py")}


def _is_in_child(module: Path) -> bool:
    return module.parts[:2] == ("sandbox", "child")


HOST = [m for m in package_modules() if not _is_in_child(m) or m in SHARED_WITH_CHILD]


def _means(tree: ast.AST) -> set[str]:
    """ "import X" for modules, by first name, and the names that are used."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {f"import {alias.name.partition('.')[0]}" for alias in names}
            case ast.ImportFrom(module=str(name), level=0):
                found.add(f"import {name.partition('.')[0]}")
            case (
                ast.Name(id=name) | ast.Attribute(value=ast.Name(id="builtins" | "ast"), attr=name)
            ):
                found.add(name)
    return found


@pytest.mark.parametrize("module", HOST, ids=str)
def test_the_host_unpickles_and_evaluates_nothing(module: Path) -> None:
    means = _means(ast.parse((ROOT / "rlm_local" / module).read_text("utf-8")))
    assert means & (MAKES_OBJECTS | RUNS_TEXT) == set()
    if module.parts[0] == "sandbox":
        assert means & RUNS_OR_BUILDS == set()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import pickle.x", "import pickle"),
        ("from marshal import loads", "import marshal"),
        ("def f():\n    eval('1')", "eval"),
        ("run = builtins.exec", "exec"),
        ("ast.literal_eval('1')", "literal_eval"),
    ],
)
def test_the_rule_sees_what_it_forbids(code: str, name: str) -> None:
    assert name in _means(ast.parse(code))
