"""Each benchmark that needs no real model runs as its users run it, only smaller."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.instant import InstantEndpoint, cell
from benchmarks.instant_server import Rule
from tests.architecture.repository import ROOT


def _report(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", *arguments, "--json"],
        cwd=ROOT,
        env={**os.environ, "RLM_LOCAL_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_first_request_measures_start_children_and_memory(tmp_path: Path) -> None:
    small = ("--chars", "300000", "--repeats", "1", "--children", "2")
    report = _report(tmp_path, "benchmarks.first_request", *small)
    (row,) = report["rows"]
    assert row["first request s"] > 0
    assert len(row["child starts s"].split()) == 2
    assert row["PSS MiB"] > 1


def test_turn_overhead_sees_every_turn(tmp_path: Path) -> None:
    report = _report(tmp_path, "benchmarks.turn_overhead", "--turns", "4", "--chars", "100000")
    (row,) = report["rows"]
    assert row["turns"] == 5
    assert {measure["against"] for measure in report["measures"]} == {"limit"}


def test_batch_sends_every_prompt_and_never_more_at_once_than_the_server_takes(
    tmp_path: Path,
) -> None:
    small = ("--prompts", "60", "--latency-ms", "5", "--repeats", "1")
    report = _report(tmp_path, "benchmarks.batch", *small)
    (row,) = report["rows"]
    assert row["worker requests"] == 60
    assert row["most at once"] <= 60
    assert report["measures"][0]["against"] == "least the server allows"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(f"Paragraph {n}. {'word ' * 90}" for n in range(40)))
    return path


def test_needle_asks_every_seed_at_every_length(tmp_path: Path, text: Path) -> None:
    look = "import re\nfound = re.findall(r'is: (\\d{7})', context)\nprint(found)"
    with InstantEndpoint() as server:
        server.set_rules([Rule("", [cell(look), cell("FINAL(found[0])")] * 5)])
        report = _report(
            tmp_path,
            "benchmarks.needle",
            *("--base-url", server.base_url, "--root", "root", "--mode", "rlm"),
            *("--lengths", "2K,4K", "--seeds", "2", "--text", str(text)),
        )
    assert [(row["length"], row["right"]) for row in report["rows"]] == [
        ("2K", True),
        ("4K", True),
        ("4K", True),
        ("2K", True),
    ]
    assert report["measures"][0]["name"] == "right at 2K"
    assert report["measures"][-1]["against"] == "at 2K"


def test_prefix_cache_reads_the_share_from_the_trace(tmp_path: Path, text: Path) -> None:
    with InstantEndpoint() as server:
        server.set_rules([Rule("", [cell("print(context[:90])"), cell("FINAL('12')")] * 2)])
        report = _report(
            tmp_path,
            "benchmarks.prefix_cache",
            *("--base-url", server.base_url, "--root", "root", "--questions", "1"),
            *("--text", str(text), "--chars", "20000"),
        )
    (row,) = report["rows"]
    assert (row["turn"], row["cached"]) == (2, 0)  # this server reports no cached tokens
    assert report["measures"][0]["value"] == 0.0
