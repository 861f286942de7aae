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


def test_sandbox_start_times_the_whole_sandbox_none_and_each_layer(tmp_path: Path) -> None:
    small = ("--chars", "100000", "--repeats", "1", "--each-layer")
    report = _report(tmp_path, "benchmarks.sandbox_start", *small)
    kinds = [row["kind"] for row in report["rows"]]
    assert kinds[:2] == ["auto", "off"]
    assert kinds[-1] == "without checks, seccomp"
    assert all(row["median ms"] > 0 for row in report["rows"])
    cost = next(one for one in report["measures"] if one["name"] == "cost of the sandbox")
    assert cost["against"] == "limit"


def test_cell_round_trip_times_echoes_cells_and_sub_calls(tmp_path: Path) -> None:
    small = ("--cells", "40", "--queries", "20", "--chars", "1000")
    report = _report(tmp_path, "benchmarks.cell_round_trip", *small)
    assert [row["n"] for row in report["rows"]] == [40, 40, 40, 4]
    assert {one["against"] for one in report["measures"]} >= {"limit", "bare echo, same run"}


def test_runaways_tells_how_each_kind_ended(tmp_path: Path) -> None:
    small = ("--n", "3", "--only", "endless loop,os._exit,sys.exit", "--limit-s", "0.2")
    report = _report(tmp_path, "benchmarks.runaways", *small, "--chars", "1000")
    assert [(row["kind"], row["wrong"]) for row in report["rows"]] == [
        ("endless loop", 0),
        ("os._exit", 0),
        ("sys.exit", 0),
    ]
    (loop, death, _) = report["rows"]
    assert (loop["interrupted"], death["restarted"]) == (1, 1)


def test_sandbox_soak_counts_before_meanwhile_and_after(tmp_path: Path) -> None:
    small = ("--cells", "60", "--restarts", "4", "--chars", "1000")
    report = _report(tmp_path, "benchmarks.sandbox_soak", *small)
    first, *meanwhile, last = report["rows"]
    assert last["cells"] >= 60
    assert last["restarts"] >= 4
    assert first["processes"] == last["processes"] == 0
    assert all(row["processes"] > 0 for row in meanwhile)


def test_result_cache_sends_no_finished_prompt_again(tmp_path: Path) -> None:
    small = ("--prompts", "40", "--latency-ms", "100", "--capacity", "4")
    report = _report(tmp_path, "benchmarks.result_cache", *small)
    requests = [row["worker requests"] for row in report["rows"]]
    assert requests[:2] == [40, 0]
    assert 0 < requests[3] <= 20
    again = next(m for m in report["measures"] if m["name"] == "finished prompts sent again")
    assert again["value"] == 0


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
