import json
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from rlm_local.cli.weights import models, pull, verify
from rlm_local.errors import ConfigError, WeightsError
from tests.weights.samples import registry, snapshot


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of its own, with a models.yaml and a folder to pull from."""
    before = os.environ.get("RLM_LOCAL_HOME")
    os.environ["RLM_LOCAL_HOME"] = str(tmp_path / "home")
    text = registry().model_dump_json(exclude_none=True)
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(json.loads(text)))
    snapshot(tmp_path / "given")
    yield tmp_path
    if before is None:
        del os.environ["RLM_LOCAL_HOME"]
    else:
        os.environ["RLM_LOCAL_HOME"] = before


def _call(home: Path, command: click.Command, *arguments: str) -> Result:
    result = CliRunner().invoke(command, [*arguments, "--models-file", str(home / "models.yaml")])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _pull(home: Path, *arguments: str) -> Result:
    return _call(home, pull, "tiny", "--source", str(home / "given"), *arguments)


def _spoil(home: Path) -> Path:
    file = home / "home" / "weights" / "tiny" / "source" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    return file


def test_pull_says_where_the_weights_are(home: Path) -> None:
    result = _pull(home)
    assert result.stdout.startswith("tiny: complete, from the folder, in ")
    assert "tiny: fetching" in result.stderr


def test_pull_prints_one_json_object(home: Path) -> None:
    shown = json.loads(_pull(home, "--json").stdout)
    (pulled,) = shown["pulled"]
    assert (pulled["model"], pulled["origin"]) == ("tiny", "folder")
    assert pulled["digest"].startswith("sha256:")
    assert Path(pulled["folder"]).is_dir()


def test_a_stack_means_its_models(home: Path) -> None:
    result = _call(home, pull, "small", "--source", str(home / "given"), "--json")
    assert [item["model"] for item in json.loads(result.stdout)["pulled"]] == ["tiny"]


def test_a_wrong_name_gives_the_near_ones(home: Path) -> None:
    with pytest.raises(ConfigError, match="tiny"):
        _call(home, pull, "tinny")


def test_models_shows_what_is_here(home: Path) -> None:
    assert json.loads(_call(home, models, "--json").stdout)["models"][0]["state"] == "absent"
    _pull(home)
    shown = json.loads(_call(home, models, "--json").stdout)
    assert shown["models"][0]["state"] == "present"
    assert shown["stacks"][0]["worker"] == "tiny"
    lines = _call(home, models).stdout.splitlines()
    assert lines[0].split() == ["model", "parameters", "license", "weight", "state", "profile"]
    assert lines[1].split() == ["tiny", "-", "Apache-2.0", "0.0", "GB", "present", "coder"]


def test_verify_takes_what_is_here(home: Path) -> None:
    with pytest.raises(WeightsError, match="no weights here yet"):
        _call(home, verify)
    _pull(home)
    assert "tiny: 3 files" in _call(home, verify).stdout
    assert json.loads(_call(home, verify, "--json").stdout)["ok"] is True


def test_verify_names_the_bad_file_and_what_mends_it(home: Path) -> None:
    _pull(home)
    file = _spoil(home)
    with pytest.raises(WeightsError) as caught:
        _call(home, verify)
    assert str(file) in str(caught.value)
    assert str(caught.value).endswith("mend: rlm-local pull tiny")
    result = _call(home, verify, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["ok"] is False
    _pull(home)
    assert json.loads(_call(home, verify, "--json").stdout)["ok"] is True
