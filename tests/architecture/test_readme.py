import ast
import importlib
import importlib.util
import os
import re
import shlex
from pathlib import Path

import click
import pytest

from rlm_local.cli.main import COMMANDS, cli
from tests.architecture.repository import ROOT

README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")


def _blocks(language: str) -> list[str]:
    text = README.read_text(encoding="utf-8")
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def _commands() -> list[list[str]]:
    """Command lines of the README: shell blocks, and code spans that begin like one."""
    text = BLOCK.sub("", README.read_text(encoding="utf-8"))
    starts = ("rlm-local", "python -m", "scripts/")
    spans = [span for span in CODE_SPAN.findall(text) if span.startswith(starts)]
    lines = [line for body in _blocks("sh") for line in body.splitlines() if line.strip()]
    return [shlex.split(line) for line in [*lines, *spans]]


COMMAND_LINES = _commands()


def _check_rlm_local(arguments: list[str]) -> None:
    if not arguments:
        return
    name = arguments[0]
    assert name in COMMANDS
    command = cli.commands.get(name) or cli.get_command(cli.make_context("x", [name]), name)
    assert command is not None
    if isinstance(command, click.Group) and len(arguments) > 1:
        command = command.commands[arguments[1]]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= known


def _check_module(module: str, arguments: list[str]) -> None:
    assert module == "rlm_local" or module.startswith("benchmarks.")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "benchmarks").glob("*.py"))
    for flag in (word for word in arguments if word.startswith("--")):
        assert f'"{flag}"' in sources


@pytest.mark.parametrize("words", COMMAND_LINES, ids=shlex.join)
def test_every_command_of_the_readme_exists_with_its_flags(words: list[str]) -> None:
    program, *arguments = words
    if Path(program).name == "rlm-local":
        _check_rlm_local(arguments)
    elif program == "python":
        _check_module(arguments[1], arguments[2:])
    else:
        assert os.access(ROOT / program, os.X_OK)


def test_the_readme_starts_with_two_commands() -> None:
    first, second = _blocks("sh")[0].splitlines()
    assert first == "scripts/demo"
    assert second.startswith(".venv/bin/rlm-local ask ")


@pytest.mark.parametrize("number", range(len(_blocks("python"))))
def test_python_examples_parse_and_import_what_is_there(number: int) -> None:
    for node in ast.walk(ast.parse(_blocks("python")[number])):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.parametrize("target", LINK.findall(README.read_text(encoding="utf-8")))
def test_links_into_the_repository_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize(
    "path",
    sorted(set(re.findall(r"`((?:rlm_local|scripts|benchmarks|docs|tests)/[\w/.]*)`",
                          README.read_text(encoding="utf-8")))),
)  # fmt: skip
def test_paths_the_readme_names_exist(path: str) -> None:
    assert (ROOT / path).exists()
