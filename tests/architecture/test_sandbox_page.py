"""docs/sandbox.md says what is so: tests that exist, defaults that hold, names that are used."""

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from rlm_local.cell_limits import CellLimits
from rlm_local.config import SandboxPolicy
from rlm_local.sandbox.child.confinement import LAYERS
from rlm_local.sandbox.properties import Level, judge
from rlm_local.types import Limits
from tests.architecture.repository import ROOT
from tests.sandbox.simulated_kernels import KERNELS

PAGE = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
LINKS = re.findall(r"\]\((?!https?://)([^)#]+)", PAGE)


def _section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _rows(title: str) -> list[list[str]]:
    lines = [line for line in _section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_test_the_page_names_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert name in functions


def test_every_clause_of_the_promise_has_its_tests() -> None:
    clauses = {row[0] for row in _rows("The promise")}
    items = re.split(r"^(\d+)\. ", _section("The promise"), flags=re.MULTILINE)
    tests = dict(zip(items[1::2], items[2::2], strict=True))
    assert set(tests) == clauses
    lacking = [n for n, told in tests.items() if "::test_" not in told and "the same" not in told]
    assert lacking == []


def test_every_property_level_policy_and_layer_is_on_the_page() -> None:
    words = {
        *(row.name for row in judge({}, "auto").properties),
        *(level for level in get_args(Level) if level != "unavailable"),
        *get_args(SandboxPolicy),
        *LAYERS,
    }
    assert sorted(word for word in words if not re.search(rf"[`*]{word}[`*]", PAGE)) == []


def test_the_table_of_limits_has_every_limit_with_its_default() -> None:
    shown = {row[2].strip("`"): row[1] for row in _rows("Limits")}
    assert {field.name for field in dataclasses.fields(CellLimits)} <= set(shown)
    defaults = CellLimits()
    for name in ("threads", "descriptors", "output_chars", "calls_at_once", "restarts"):
        assert shown[name].split()[0].strip(",") == f"{getattr(defaults, name):,}"
    assert shown["--cell-timeout-s"] == f"{Limits().cell_timeout_s:g} s"
    assert shown["grace_s"] == f"{defaults.grace_s:g} s"
    assert shown["prompt_bytes"] == f"{defaults.prompt_bytes // 10**6} MB"
    assert shown["cell_prompt_bytes"] == f"{defaults.cell_prompt_bytes >> 30} GiB"
    assert (defaults.cpu_s, defaults.scratch_bytes) == (None, 0)


@pytest.mark.parametrize("target", LINKS)
def test_links_of_the_page_lead_somewhere(target: str) -> None:
    assert (ROOT / "docs" / target).resolve().exists()


@pytest.mark.parametrize("line", re.findall(r"^python -m (.+)$", PAGE, re.MULTILINE))
def test_commands_of_the_page_know_their_options(line: str) -> None:
    module, *words = line.split(" -- ")[0].split()
    if module.endswith("simulated_kernels"):
        assert words[0] in KERNELS
        return
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert all(word in done.stdout for word in words if word.startswith("--"))


def test_the_readme_leads_here() -> None:
    safety = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Safety\n")[1]
    assert "(docs/sandbox.md)" in safety.split("\n## ")[0]


def test_no_path_of_the_page_is_left_open() -> None:
    assert not re.findall(r"@[A-Z]+", PAGE)
    assert all(Path(ROOT / path).exists() for path in re.findall(r"`(tests/[\w/]+\.py)", PAGE))
