import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_local.serving import leases
from rlm_local.serving.processes import identify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "own" / "leases"
    path.mkdir(parents=True)
    return path


def test_each_lease_counts_and_is_this_processes(folder: Path) -> None:
    me = identify(os.getpid())
    assert leases.take(folder) is not None
    assert leases.take(folder) is not None
    assert leases.holders(folder) == [me, me]


def test_leases_of_the_dead_and_of_nobody_are_removed(folder: Path) -> None:
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    found = identify(process.pid)
    assert found is not None
    (folder / f"{found.pid}-{found.start_ticks}-a").touch()
    (folder / f"{found.pid}-{found.start_ticks + 1}-b").touch()
    (folder / "garbage").touch()
    assert leases.holders(folder) == [found]
    process.communicate(b"\n")
    assert leases.holders(folder) == []
    assert list(folder.iterdir()) == []


def test_only_an_empty_folder_is_closed_and_then_nobody_gets_in(folder: Path) -> None:
    lease = leases.take(folder)
    assert lease is not None
    assert not leases.close_unused(folder)
    lease.unlink()
    assert leases.close_unused(folder)
    assert leases.close_unused(folder)
    assert leases.take(folder) is None
    assert not leases.keep(folder, 0)
    assert leases.holders(folder) == []


def test_what_is_kept_is_no_user_and_stays_open(folder: Path) -> None:
    assert leases.keep(folder, 90.0)
    assert leases.kept_idle_timeout_s(folder) == 90
    assert leases.keep(folder, 0)
    assert leases.kept_idle_timeout_s(folder) == 0
    assert leases.holders(folder) == []
    assert not leases.close_unused(folder)
    leases.let_go(folder)
    assert leases.kept_idle_timeout_s(folder) is None
    assert leases.close_unused(folder)
    assert not list(folder.parent.iterdir())
