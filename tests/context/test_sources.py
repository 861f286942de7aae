import os
import socket
from pathlib import Path

import pytest

from rlm_local.context.sources import Skipped, check_path, summarise
from rlm_local.errors import ContextError


def test_files_and_folders_are_told_apart_links_followed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "to_file").symlink_to(tmp_path / "a.txt")
    (tmp_path / "to_folder").symlink_to(tmp_path)
    assert check_path(tmp_path / "a.txt") == check_path(tmp_path / "to_file") == "file"
    assert check_path(tmp_path) == check_path(tmp_path / "to_folder") == "folder"


def test_a_missing_path_names_those_near_it(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("a")
    with pytest.raises(ContextError, match=r"no such file or folder: .*near it: letters\.txt"):
        check_path(tmp_path / "leters.txt")
    with pytest.raises(ContextError, match="and there is no folder"):
        check_path(tmp_path / "none" / "a.txt")
    with pytest.raises(ContextError, match="no such file or folder"):
        check_path(tmp_path / "letters.txt" / "below")


def test_what_is_neither_is_refused_by_its_kind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ContextError, match=r"is a pipe, not a file or folder.*give `-`"):
        check_path(tmp_path / "pipe")
    with pytest.raises(ContextError, match="is a device"):
        check_path(Path("/dev/zero"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(ContextError, match="is a socket"):
            check_path(tmp_path / "s")


def test_a_path_no_system_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="not a path"):
        check_path(Path("a\0b"))
    with pytest.raises(ContextError, match="cannot read"):
        check_path(tmp_path / ("x" * 300))


def test_what_was_left_out_is_counted_by_kind() -> None:
    left_out = [
        Skipped("a", "binary"),
        Skipped("b", "symlink"),
        Skipped("c", "binary: an image"),
    ]
    assert summarise(left_out) == "2 binary, 1 symlink"
    assert summarise([]) == ""
