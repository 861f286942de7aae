import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlm_local.context.index_folder import IndexFolder


def keep(folder: IndexFolder, key: str, n_bytes: int = 10) -> Path:
    with folder.building() as path:
        (path / "data").write_bytes(b"x" * n_bytes)
        return folder.keep(path, key)


def test_what_is_kept_is_found_and_what_fails_is_not(tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path / "deep" / "folder")
    assert folder.find("a") is None
    assert keep(folder, "a") == folder.find("a")
    with pytest.raises(FileNotFoundError), folder.building() as path:
        (path / "half").joinpath("missing").touch()
    assert [p.name for p in (tmp_path / "deep" / "folder").iterdir()] == ["a"]


def test_the_quicker_of_two_builders_is_kept(tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path)
    with folder.building() as slow:
        (slow / "data").write_text("slow")
        kept = keep(folder, "a")
        assert folder.keep(slow, "a") == kept
    assert (kept / "data").read_bytes() == b"x" * 10
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_those_used_longest_ago_make_room(tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path, most_bytes=250)
    for age, key in ((300, "a"), (200, "b")):
        path = keep(folder, key, 100)
        os.utime(path, (time.time() - age,) * 2)
    folder.find("a")
    keep(folder, "c", 100)
    assert {p.name for p in tmp_path.iterdir()} == {"a", "c"}


def test_the_newest_stays_however_large(tmp_path: Path) -> None:
    keep(IndexFolder(tmp_path, most_bytes=1), "a", 100)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_what_a_killed_builder_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from rlm_local.context.index_folder import IndexFolder\n"
        "with IndexFolder(Path(sys.argv[1])).building() as path:\n"
        "    print(path, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as builder:
        assert builder.stdout is not None
        left = Path(builder.stdout.readline().strip())
        os.utime(left, (0, 0))
        keep(IndexFolder(tmp_path), "a")
        assert left.exists()
        builder.send_signal(signal.SIGKILL)
        builder.wait()
    os.utime(left, (0, 0))
    keep(IndexFolder(tmp_path), "b")
    assert not left.exists()


def test_no_room_can_be_told_where_there_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert IndexFolder(tmp_path / "file").free_bytes() == 0
    assert IndexFolder(tmp_path).free_bytes() > 0
