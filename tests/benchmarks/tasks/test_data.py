import gzip
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmarks.tasks.data import (
    RESOURCES,
    DataFolder,
    DataMissing,
    member_text,
    members,
    open_text,
)
from benchmarks.tasks.fetch import fetch


def test_a_given_path_comes_before_the_download_folder(tmp_path: Path) -> None:
    own, downloaded = tmp_path / "own", tmp_path / "SMSSpamCollection"
    downloaded.write_text("")
    assert DataFolder(tmp_path).find("sms") == downloaded
    own.write_text("")
    assert DataFolder(tmp_path, {"sms": own}).find("sms") == own


def test_a_given_path_that_is_not_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "SMSSpamCollection").write_text("")
    with pytest.raises(DataMissing, match="does not exist"):
        DataFolder(tmp_path, {"sms": tmp_path / "nothing"}).find("sms")


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_missing_data_says_what_it_is_and_how_to_get_it(tmp_path: Path, name: str) -> None:
    data = DataFolder(tmp_path)
    if data.has(name):
        return  # a system package has it
    with pytest.raises(DataMissing) as error:
        data.find(name)
    message = str(error.value)
    assert RESOURCES[name].holds in message
    assert f"--data {name}=PATH" in message
    assert (f"fetch {name}" in message) == bool(RESOURCES[name].package)


def test_packed_text_is_read_as_it_is(tmp_path: Path) -> None:
    for name, raw in (
        ("a.txt", "ä\n".encode()),
        ("a.txt.xz", lzma.compress("ä\n".encode())),
        ("a.txt.gz", gzip.compress("ä\n".encode())),
    ):
        (tmp_path / name).write_bytes(raw)
        with open_text(tmp_path / name) as lines:
            assert list(lines) == ["ä\n"]


def test_members_of_archives_are_found_by_their_ending(tmp_path: Path) -> None:
    wheel, tarball = tmp_path / "a.whl", tmp_path / "a.tar.gz"
    with zipfile.ZipFile(wheel, "w") as out:
        out.writestr("p/a.py", "x")
        out.writestr("p/b.txt", "y")
    (tmp_path / "a.py").write_text("x")
    with tarfile.open(tarball, "w:gz") as tar:
        tar.add(tmp_path / "a.py", "p/a.py")
    for archive in (wheel, tarball):
        assert list(members(archive, ".py")) == [("p/a.py", b"x")]
        assert member_text(archive, "/a.py") == "x"
        with pytest.raises(DataMissing, match="holds no"):
            member_text(archive, "/c.py")


def test_what_is_there_is_not_fetched_again(data: DataFolder) -> None:
    lines = fetch(["ruler", "words", "sms"], data.root)
    assert all("is there" in line for line in lines)


def test_what_no_package_manager_has_is_said_to_be_missing(tmp_path: Path) -> None:
    (line,) = fetch(["trec"], tmp_path)
    assert "trec is missing" in line
    with pytest.raises(DataMissing, match="no data called tric"):
        fetch(["tric"], tmp_path)
