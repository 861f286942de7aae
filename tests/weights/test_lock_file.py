import json
from pathlib import Path

import pytest

from rlm_local.errors import WeightsError
from rlm_local.registry import Source
from rlm_local.weights.lock_file import (
    FileRecord,
    WeightsLock,
    hash_file,
    read_lock,
    write_lock,
)
from tests.weights.samples import REPO, REVISION

SHA = "a" * 64


def _lock(**changes: object) -> WeightsLock:
    record = FileRecord(path="source/model.gguf", bytes=3, sha256=SHA)
    fields = {"repo": REPO, "revision": REVISION, "origin": "hub", "source": (record,)}
    return WeightsLock.model_validate(fields | changes)


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_lock(tmp_path, _lock())
    assert read_lock(tmp_path) == _lock()
    assert [path.name for path in tmp_path.iterdir()] == ["lock.json"]


def test_no_lock_is_none(tmp_path: Path) -> None:
    assert read_lock(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}'])
def test_a_damaged_lock_names_the_file_and_the_command(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.json").write_text(text)
    with pytest.raises(WeightsError, match=r"lock\.json is damaged.*rlm-local pull"):
        read_lock(tmp_path)


@pytest.mark.parametrize("path", ["/etc/passwd", "source/../x", "served/.hidden", "other/x", "x"])
def test_a_lock_cannot_point_outside_its_folder(tmp_path: Path, path: str) -> None:
    lock = json.loads(_lock().model_dump_json())
    lock["source"][0]["path"] = path
    (tmp_path / "lock.json").write_text(json.dumps(lock))
    with pytest.raises(WeightsError, match="damaged"):
        read_lock(tmp_path)


def test_another_repository_revision_file_or_hash_does_not_fit() -> None:
    fits = Source(repo=REPO, revision=REVISION, file="model.gguf", sha256=SHA)
    assert _lock().mismatch(fits) is None
    for change, told in (
        ({"repo": "else/where"}, "else/where"),
        ({"revision": "f" * 40}, "revision"),
        ({"file": "other.gguf"}, "lack other.gguf"),
        ({"sha256": "b" * 64}, "SHA-256"),
    ):
        wrong = _lock().mismatch(fits.model_copy(update=change))
        assert wrong is not None
        assert told in wrong


def test_a_revision_is_compared_only_where_both_name_one() -> None:
    assert _lock().mismatch(Source(repo=REPO)) is None
    assert _lock(revision=None).mismatch(Source(repo=REPO, revision=REVISION)) is None


def test_the_digest_changes_with_the_served_bytes_only() -> None:
    one = FileRecord(path="served/a", bytes=1, sha256=SHA)
    other = FileRecord(path="served/b", bytes=1, sha256="b" * 64)
    digest = _lock(served=(one, other)).digest
    assert digest.startswith("sha256:")
    assert _lock(served=(other, one), origin="mirror").digest == digest
    assert _lock(served=(one,)).digest != digest


def test_hashing_tells_every_byte(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"abc")
    told: list[int] = []
    assert hash_file(file, told.append).startswith("ba7816bf8f01cfea")
    assert sum(told) == 3
