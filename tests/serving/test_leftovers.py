import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_local.serving.leftovers import remove_note, sweep, write_note
from rlm_local.serving.processes import ProcessId, identify, session_members

LEADER = (
    "import os, subprocess, sys; "
    "run = lambda **more: subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
    "**more); ours = run(env={'TMPDIR': sys.argv[1]}); strange = run(env={}); "
    "print(ours.pid, strange.pid, flush=True); ours.wait()"
)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[ProcessId, int, int]]:
    """A killed session leader; its child of the server's, and one that is not."""
    process = subprocess.Popen(
        [sys.executable, "-c", LEADER, str(tmp_path / "own")],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ours, strange = map(int, process.stdout.readline().split())
    leader = identify(process.pid)
    assert leader is not None
    process.kill()
    process.wait()
    process.stdout.close()
    yield leader, ours, strange
    for pid in session_members(leader.pid):
        os.kill(pid, signal.SIGKILL)


def write(tmp_path: Path, guardian: ProcessId) -> Path:
    for name in ("notes", "own"):
        (tmp_path / name).mkdir()
    write_note(tmp_path / "notes", guardian, tmp_path / "own")
    return tmp_path / "notes"


def test_what_a_killed_guardian_left_is_ended_and_removed_and_nothing_else(
    tmp_path: Path, family: tuple[ProcessId, int, int]
) -> None:
    guardian, ours, strange = family
    notes = write(tmp_path, guardian)
    sweep(notes)
    while identify(ours):
        pass
    assert identify(strange)
    assert not (tmp_path / "own").exists()
    assert list(notes.iterdir()) == []


def test_of_an_earlier_boot_only_files_are_removed(
    tmp_path: Path, family: tuple[ProcessId, int, int]
) -> None:
    guardian, ours, _ = family
    notes = write(tmp_path, guardian)
    (note,) = notes.iterdir()
    note.write_text(f"earlier\n{tmp_path / 'own'}\n")
    sweep(notes)
    assert identify(ours)
    assert not (tmp_path / "own").exists()


def test_a_living_guardians_note_stays(tmp_path: Path) -> None:
    me = identify(os.getpid())
    assert me is not None
    notes = write(tmp_path, me)
    (notes / "not-one").write_text("?")
    sweep(notes)
    assert (tmp_path / "own").is_dir()
    assert len(list(notes.iterdir())) == 2
    remove_note(notes, me)
    assert [path.name for path in notes.iterdir()] == ["not-one"]


def test_with_no_notes_there_is_nothing_to_do(tmp_path: Path) -> None:
    sweep(tmp_path / "nowhere")
