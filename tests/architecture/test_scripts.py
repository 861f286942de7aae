import os
import subprocess
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT

PROGRAMS = sorted(
    path
    for folder in ("scripts", ".ci")
    for path in (ROOT / folder).iterdir()
    if path.is_file() and not path.suffix
)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_a_script_can_be_run_and_says_what_it_is_for(program: Path) -> None:
    first, second = program.read_text(encoding="utf-8").splitlines()[:2]
    assert os.access(program, os.X_OK)
    assert first.startswith("#!/usr/bin/env ")
    assert second.startswith(("# ", '"""'))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_a_shell_script_parses_and_stops_at_the_first_error(program: Path) -> None:
    text = program.read_text(encoding="utf-8")
    if "bash" not in text.splitlines()[0]:
        return
    subprocess.run(["bash", "-n", str(program)], check=True)
    assert "set -euo pipefail" in text


def test_setup_refuses_what_it_does_not_know() -> None:
    done = subprocess.run(
        [str(ROOT / "scripts" / "setup"), "tpu"], stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 2
    assert "unknown argument 'tpu'" in done.stderr
    assert "usage: scripts/setup [cpu|gpu] [dev]" in done.stderr


def test_ci_runs_the_gates_and_the_tests() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert {"scripts/check", "scripts/test"} <= set(lines)
    assert lines[-1] == "scripts/test"  # pytest's closing line is the last thing printed
