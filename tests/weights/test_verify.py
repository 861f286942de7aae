import hashlib
from pathlib import Path

import pytest

from rlm_local.weights.lock_file import FileRecord, WeightsLock
from rlm_local.weights.verify import VerifyReport, bad_bytes, bad_sizes, strangers
from tests.weights.samples import REPO

DATA = b"some weights"


@pytest.fixture
def record(tmp_path: Path) -> FileRecord:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "w").write_bytes(DATA)
    sha256 = hashlib.sha256(DATA).hexdigest()
    return FileRecord(path="source/w", bytes=len(DATA), sha256=sha256)


def _problems(folder: Path, record: FileRecord) -> tuple[list[str], list[str]]:
    return bad_sizes(folder, [record]), bad_bytes(folder, [record], lambda _: None)


def test_a_whole_file_has_no_problem(tmp_path: Path, record: FileRecord) -> None:
    assert _problems(tmp_path, record) == ([], [])


def test_a_missing_file_is_named(tmp_path: Path, record: FileRecord) -> None:
    (tmp_path / "source" / "w").unlink()
    told = [f"{tmp_path}/source/w is missing"]
    assert _problems(tmp_path, record) == (told, told)


def test_a_truncated_file_is_named_with_both_sizes(tmp_path: Path, record: FileRecord) -> None:
    (tmp_path / "source" / "w").write_bytes(DATA[:-1])
    told = [f"{tmp_path}/source/w has 11 bytes instead of 12"]
    assert _problems(tmp_path, record) == (told, told)


def test_a_wrong_byte_is_seen_by_reading_only(tmp_path: Path, record: FileRecord) -> None:
    (tmp_path / "source" / "w").write_bytes(DATA[:-1] + b"x")
    sizes, read = _problems(tmp_path, record)
    assert sizes == []
    assert "w does not have the bytes that were pulled" in read[0]


def test_files_that_were_not_pulled_are_strangers(tmp_path: Path, record: FileRecord) -> None:
    lock = WeightsLock(repo=REPO, revision=None, origin="hub", source=(record,))
    assert strangers(tmp_path, lock) == []
    (tmp_path / "served" / "sub").mkdir(parents=True)
    (tmp_path / "served" / "sub" / "modeling.py").write_text("")
    (tmp_path / "source" / "link").symlink_to("/nowhere")
    assert strangers(tmp_path, lock) == [
        tmp_path / "source" / "link",
        tmp_path / "served" / "sub" / "modeling.py",
    ]


def test_a_report_is_ok_without_problems() -> None:
    assert VerifyReport("m", (), 1, 1).ok
    assert not VerifyReport("m", ("x is missing",), 1, 1).ok


def test_reports_add_up_under_the_first_ones_name() -> None:
    both = VerifyReport("m", ("a",), 2, 10) + VerifyReport("other", ("b",), 1, 5)
    assert both == VerifyReport("m", ("a", "b"), 3, 15)
    assert not both.ok
