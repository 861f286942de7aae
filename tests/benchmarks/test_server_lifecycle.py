"""The same benchmark as with real vLLM, over a stand-in that is up at once."""

from pathlib import Path

from tests.benchmarks.test_programs import _report
from tests.fakes import vllm_process
from tests.fakes.stack_on_disk import pull_tiny, write_models_file
from tests.weights.samples import snapshot


def test_nothing_is_left_of_servers_whose_members_are_killed(tmp_path: Path) -> None:
    models_file = write_models_file(tmp_path / "models.yaml")
    pull_tiny(models_file, tmp_path, snapshot(tmp_path / "given"))
    report = _report(
        tmp_path,
        *("benchmarks.server_lifecycle", "--n", "4", "--stack", "small"),
        *("--models-file", str(models_file), "--weights", str(tmp_path / "weights")),
        *("--python", str(vllm_process.install(tmp_path, "slow"))),
    )
    assert len(report["rows"]) == 4
    assert all(row["left"] == "nothing" for row in report["rows"])
    assert any("guardian" in row["killed"] or "server" in row["killed"] for row in report["rows"])
    assert {measure["name"]: measure["value"] for measure in report["measures"]} == {
        "orphans": 0,
        "stale locks": 0,
        "sockets kept": 0,
        "files left": 0,
    }
