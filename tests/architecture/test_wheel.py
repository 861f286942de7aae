import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.repository import PACKAGE, ROOT

LOOK = """
import json, rlm_local
from rlm_local.registry import bundled_models_file, load_registry
print(json.dumps([rlm_local.__file__, str(bundled_models_file()), len(load_registry().stacks)]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_with_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    data = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.md"), PACKAGE / "py.typed"]
    wanted = {str(path.relative_to(ROOT)) for path in data} | {"rlm_local/models.yaml"}
    assert wanted <= names
    strangers = {name for name in names if name.split("/")[0].partition("-")[0] != "rlm_local"}
    assert strangers == set()


def test_what_the_wheel_installs_works_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    package_file, models_file, n_stacks = json.loads(python("-c", LOOK))
    assert Path(package_file).is_relative_to(tmp_path)
    assert Path(models_file) == tmp_path / "rlm_local" / "models.yaml"
    assert n_stacks > 0
    assert "Usage:" in python("-m", "rlm_local", "--help")
