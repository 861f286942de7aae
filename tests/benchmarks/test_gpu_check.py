"""What scripts/gpu_check reports where something is missing; with a server it runs by hand."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.architecture.repository import ROOT


def _check(home: Mapping[str, str], *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(ROOT / "scripts" / "gpu_check"), "--no-setup", *map(str, arguments)],
        env={**home, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_card_it_says_so_and_exits_2(empty_home: Mapping[str, str]) -> None:
    done = _check(empty_home, "--stack", "cpu-tiny")
    assert done.returncode == 2
    assert "gpu_check: " in done.stderr
    assert done.stdout == ""


def test_a_stack_of_another_device_is_refused(empty_home: Mapping[str, str]) -> None:
    done = _check(empty_home, "--device", "cpu", "--stack", "gpu-24gb")
    assert done.returncode == 2
    assert "stack gpu-24gb runs by vllm on cuda; this checks vllm on cpu" in done.stderr


def test_a_step_that_fails_is_told_and_those_that_can_go_on(
    empty_home: Mapping[str, str], tmp_path: Path
) -> None:
    nowhere, out = tmp_path / "nowhere", tmp_path / "report.json"
    arguments = ("--device", "cpu", "--stack", "cpu-tiny", "--weights", nowhere, "--out", out)
    done = _check(empty_home, *arguments)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report == json.loads(out.read_text("utf-8"))
    steps = report["steps"]
    assert not report["ok"]
    assert not steps["weights"]["ok"]
    assert str(nowhere) in steps["weights"]["cause"]
    assert steps["up"] == {"ok": None, "seconds": 0.0, "cause": "not run: weights did not pass"}
    assert [steps[name]["ok"] for name in ("sandbox", "plan", "leftovers")] == [True] * 3
    assert "FAILED" in done.stderr
    assert os.sep not in json.dumps(report["machine"])
