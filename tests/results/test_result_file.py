import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_local.results.result_file import BrokenFile, ResultFile, set_aside
from tests.results.hammer import key_of, reply_of

KIB = 1024


class _Hand:
    """Time turned by hand, an hour at each look."""

    time_s = 0.0

    def __call__(self) -> float:
        self.time_s += 3600.0
        return self.time_s


@contextlib.contextmanager
def opened(folder: Path, *, max_bytes: int = 1 << 30) -> Iterator[ResultFile]:
    file = ResultFile(folder, max_bytes=max_bytes, clock=_Hand())
    try:
        yield file
    finally:
        file.close()


def test_what_was_added_is_found_also_by_another_opening(tmp_path: Path) -> None:
    with opened(tmp_path) as file:
        file.add({key_of(1): "one", key_of(2): ""})
    with opened(tmp_path) as file:
        assert file.find([key_of(n) for n in range(4)]) == {key_of(1): "one", key_of(2): ""}


def test_thousands_of_keys_are_found_in_one_go(tmp_path: Path) -> None:
    replies = {key_of(n): reply_of(n) for n in range(3000)}
    with opened(tmp_path) as file:
        file.add(replies)
        assert file.find(list(replies)) == replies


def test_any_text_comes_back_as_it_was(tmp_path: Path) -> None:
    texts = ["", "\x00", "a\ud800b", "ü🙂\r\n", "x" * 100_000]
    with opened(tmp_path) as file:
        file.add({key_of(n): text for n, text in enumerate(texts)})
        assert file.find([key_of(n) for n in range(5)]) == {
            key_of(n): text for n, text in enumerate(texts)
        }


def test_the_first_reply_to_a_request_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as file:
        file.add({key_of(1): "first"})
        file.add({key_of(1): "second"})
        assert file.find([key_of(1)]) == {key_of(1): "first"}


def test_folder_and_file_are_the_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with opened(tmp_path / "cache") as file:
            file.add({key_of(1): "one"})
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode) for path in file.path.parent.iterdir()
            }
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert len(modes) >= 3  # with lock and log


def test_a_full_file_forgets_what_was_not_used_for_longest(tmp_path: Path) -> None:
    bound = 400 * KIB
    with opened(tmp_path, max_bytes=bound) as file:
        for n in range(0, 600, 20):
            file.add({key_of(k): "x" * 2000 for k in range(n, n + 20)})
            file.find([key_of(0)])  # stays in use
        kept = file.find([key_of(k) for k in range(600)])
        assert key_of(0) in kept
        assert key_of(599) in kept
        assert key_of(1) not in kept
        facts = file.facts()
    assert 50 < facts.entries == len(kept) < 250
    assert (tmp_path / file.path.name).stat().st_size <= bound


def test_a_smaller_bound_shrinks_the_file(tmp_path: Path) -> None:
    with opened(tmp_path) as file:
        file.add({key_of(k): "x" * 2000 for k in range(500)})
    with opened(tmp_path, max_bytes=100 * KIB) as file:
        file.add({key_of(1000): "new"})
        assert file.find([key_of(1000)]) == {key_of(1000): "new"}
    assert file.path.stat().st_size <= 100 * KIB


def test_a_reply_that_would_push_out_all_others_is_not_kept(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=100 * KIB) as file:
        file.add({key_of(1): "x" * 50 * KIB, key_of(2): "y"})
        assert file.find([key_of(1), key_of(2)]) == {key_of(2): "y"}


def test_clearing_gives_the_space_back(tmp_path: Path) -> None:
    with opened(tmp_path) as file, opened(tmp_path) as other:
        file.add({key_of(k): "x" * 2000 for k in range(500)})
        assert other.clear() == 500
        assert file.find([key_of(1)]) == {}
        assert file.facts().bytes < 200 * KIB
        file.add({key_of(1): "again"})
        assert other.find([key_of(1)]) == {key_of(1): "again"}


def test_facts_tell_entries_bytes_and_uses(tmp_path: Path) -> None:
    with opened(tmp_path) as file:
        assert file.facts().oldest_use_s is None
        file.add({key_of(1): "a"})
        file.add({key_of(2): "b"})
        facts = file.facts()
    assert (facts.entries, facts.oldest_use_s, facts.newest_use_s) == (2, 3600.0, 7200.0)
    assert facts.bytes > 4096


def _with_sqlite(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE results SET reply = x'00' WHERE rowid = 1"],
        ["UPDATE results SET reply = 'a text' WHERE rowid = 1"],
        ["UPDATE results SET checksum = 7 WHERE rowid = 1"],
    ],
)
def test_a_row_that_is_not_as_it_was_written_is_not_believed(
    tmp_path: Path, statements: list[str]
) -> None:
    with opened(tmp_path) as file:
        file.add({key_of(1): "one"})
    _with_sqlite(file.path, *statements)
    with opened(tmp_path) as file, pytest.raises(BrokenFile):
        file.find([key_of(1)])


def test_replies_that_changed_places_are_not_believed(tmp_path: Path) -> None:
    with opened(tmp_path) as file:
        file.add({key_of(1): "one", key_of(2): "two"})
    _with_sqlite(
        file.path,
        "UPDATE results SET key = x'00' WHERE rowid = 1",
        f"UPDATE results SET key = x'{key_of(1).hex()}' WHERE rowid = 2",
    )
    with opened(tmp_path) as file, pytest.raises(BrokenFile):
        file.find([key_of(1)])


def test_a_database_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as file:
        pass
    _with_sqlite(
        file.path,
        "CREATE TRIGGER spy AFTER INSERT ON results BEGIN SELECT load_extension('x'); END",
    )
    with pytest.raises(BrokenFile), opened(tmp_path):
        pass


@pytest.mark.parametrize("junk", [b"junk" * 5000, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_file_that_is_no_database_is_told_and_set_aside(tmp_path: Path, junk: bytes) -> None:
    with opened(tmp_path) as file:
        pass
    file.path.write_bytes(junk)
    with pytest.raises(BrokenFile), opened(tmp_path):
        pass
    aside = set_aside(tmp_path)
    assert aside.read_bytes() == junk
    with opened(tmp_path) as file:
        file.add({key_of(1): "one"})
        assert file.find([key_of(1)]) == {key_of(1): "one"}


def test_a_torn_file_never_gives_a_wrong_reply(tmp_path: Path) -> None:
    replies = {key_of(n): reply_of(n) for n in range(2000)}
    with opened(tmp_path) as file:
        file.add(replies)
    whole = file.path.read_bytes()
    for cut in range(1, 8):
        file.path.write_bytes(whole[: len(whole) * cut // 8])
        with contextlib.suppress(BrokenFile, sqlite3.OperationalError), opened(tmp_path) as torn:
            assert torn.find(list(replies)).items() <= replies.items()


def test_a_process_that_cannot_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        ResultFile(tmp_path / "file" / "cache", max_bytes=1 << 20)


def test_many_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from rlm_local.results.result_file import ResultFile;"
        "f = ResultFile(Path(sys.argv[1]), max_bytes=1 << 30);"
        "f.add({sys.argv[2].encode() * 16: sys.argv[2]}); f.close()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "new")]
    started = [subprocess.Popen([*command, f"{n:02}"]) for n in range(8)]
    assert [process.wait() for process in started] == [0] * 8
    with opened(tmp_path / "new") as file:
        assert file.facts().entries == 8
