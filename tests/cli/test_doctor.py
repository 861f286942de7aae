import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlm_local.cli.doctor import doctor


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    before = os.environ.get("RLM_LOCAL_HOME")
    os.environ["RLM_LOCAL_HOME"] = str(tmp_path)
    yield tmp_path
    if before is None:
        del os.environ["RLM_LOCAL_HOME"]
    else:
        os.environ["RLM_LOCAL_HOME"] = before


def test_this_machine_gets_a_whole_report(home: Path) -> None:
    (home / "servers").mkdir()
    (home / "servers" / "old.json").write_text('{"boot_id": "earlier", "servers": []}')
    result = CliRunner().invoke(doctor, ["--json"])
    shown = json.loads(result.stdout)
    assert shown["ok"] == (result.exit_code == 0)
    by_name = {check["name"]: check for check in shown["checks"]}
    assert set(by_name) >= {
        *("memory", "gpu", "python", "packages", "vllm", "sandbox", "disk"),
        *("weights", "stack", "servers"),
    }
    assert by_name["weights"]["fix"] == "rlm-local pull cpu-small"
    assert by_name["servers"]["level"] == "warn"
    assert shown["sandbox"]["level"] in {"full", "standard", "sealed"}
    assert not (home / "servers" / "old.json").exists()


def test_a_record_of_servers_that_cannot_be_read_is_a_warning_not_the_end(home: Path) -> None:
    (home / "servers").mkdir()
    (home / "servers" / "odd.json").write_text("{}")
    shown = json.loads(CliRunner().invoke(doctor, ["--json"]).stdout)
    (check,) = (check for check in shown["checks"] if check["name"] == "servers")
    assert check["level"] == "warn"
    assert "odd.json is no record" in json.dumps(check)
    assert (home / "servers" / "odd.json").exists()
