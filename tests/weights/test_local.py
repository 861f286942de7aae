from pathlib import Path

import pytest

from rlm_local.registry import Source
from rlm_local.weights.local import LocalFolder
from rlm_local.weights.lock_file import FileRecord, WeightsLock, write_lock
from rlm_local.weights.origins import OriginFailed, WantedFile
from tests.weights.samples import REPO, REVISION, snapshot

SHA = "c" * 64


def _origin(folder: Path, file: str | None = None) -> LocalFolder:
    return LocalFolder(folder, "tiny", Source(repo=REPO, file=file))


@pytest.mark.parametrize("below", [".", "tiny", "tiny/source", "source"])
def test_the_model_is_found_in_the_folder_or_below_it(tmp_path: Path, below: str) -> None:
    snapshot(tmp_path / "given" / below)
    names = [item.name for item in _origin(tmp_path / "given").list_files().files]
    assert names == ["config.json", "tokenizer.json", "model.safetensors"]


def test_a_folder_named_like_the_repository_is_found(tmp_path: Path) -> None:
    snapshot(tmp_path / REPO.partition("/")[2])
    assert _origin(tmp_path).list_files().files


def test_a_folder_without_the_file_or_no_folder_fails(tmp_path: Path) -> None:
    with pytest.raises(OriginFailed, match=r"holds no tiny\.gguf"):
        _origin(tmp_path, "tiny.gguf").list_files()
    with pytest.raises(OriginFailed, match="is not a folder"):
        _origin(tmp_path / "no").list_files()


def test_the_hashes_and_the_revision_of_another_store_are_taken_over(tmp_path: Path) -> None:
    place = snapshot(tmp_path / "tiny" / "source")
    size = (place / "config.json").stat().st_size
    record = FileRecord(path="source/config.json", bytes=size, sha256=SHA)
    write_lock(
        tmp_path / "tiny",
        WeightsLock(repo=REPO, revision=REVISION, origin="hub", source=(record,)),
    )
    listing = _origin(tmp_path).list_files()
    assert listing.revision == REVISION
    assert listing.files[0] == WantedFile("config.json", size, SHA)
    assert listing.files[1].sha256 is None


def test_a_damaged_lock_of_another_store_is_no_obstacle(tmp_path: Path) -> None:
    snapshot(tmp_path / "tiny" / "source")
    (tmp_path / "tiny" / "lock.json").write_text("{")
    assert _origin(tmp_path).list_files().revision is None


def test_copying_goes_on_after_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"0123456789")
    (tmp_path / "part").write_bytes(b"01234")
    told: list[int] = []
    _origin(tmp_path, "a.gguf").fetch(WantedFile("a.gguf", 10), tmp_path / "part", told.append)
    assert (tmp_path / "part").read_bytes() == b"0123456789"
    assert told == [10]
