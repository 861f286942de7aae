import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rlm_local.serving import guardian

Hunt = Callable[[], list[tuple[int, str]]]

ORPHAN_MAKER = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
print("up", flush=True)
{then}
"""


def guard(
    then: str, folder: Path, *, owner_fd: int | None = None, remove: Path | None = None
) -> "subprocess.Popen[str]":
    """A guardian of a script that leaves an orphan in a session of its own, then goes on."""
    options = ["--owner-fd", str(owner_fd)] if owner_fd is not None else []
    options += ["--remove", str(remove)] if remove else []
    script = ORPHAN_MAKER.format(then=then)
    python = [sys.executable, "-I", "-S"]
    return subprocess.Popen(
        [*python, str(guardian.__file__), *options, "--", *python, "-c", script, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        pass_fds=() if owner_fd is None else (owner_fd,),
    )


def wait_until_up(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"


@pytest.mark.parametrize(
    ("then", "status"), [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)]
)
def test_it_ends_with_its_servers_status_and_takes_the_orphans_along(
    tmp_path: Path, left_behind: Hunt, then: str, status: int
) -> None:
    process = guard(then, tmp_path)
    process.communicate()
    assert process.returncode == status
    assert left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_end_ends_the_whole_tree(
    tmp_path: Path, left_behind: Hunt, number: signal.Signals
) -> None:
    process = guard("time.sleep(600)", tmp_path)
    wait_until_up(process)
    process.send_signal(number)
    process.communicate()
    assert left_behind() == []


def test_its_own_violent_death_ends_the_server(tmp_path: Path) -> None:
    process = guard("time.sleep(600)", tmp_path)
    wait_until_up(process)
    below = guardian.descendants(process.pid)
    server = next(pid for pid in below if os.getsid(pid) == process.pid)
    handle = os.pidfd_open(server)
    process.kill()
    assert select.select([handle], [], [], 10)[0], "the server outlived its guardian"
    os.close(handle)
    for pid in set(below) - {server}:  # only a live guardian finds what left the session
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def test_the_end_of_the_owners_pipe_ends_it_and_removes_the_folder(
    tmp_path: Path, left_behind: Hunt
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    reader, writer = os.pipe()
    process = guard("time.sleep(600)", tmp_path, owner_fd=reader, remove=scratch)
    os.close(reader)
    wait_until_up(process)
    os.close(writer)
    process.communicate()
    assert not scratch.exists()
    assert left_behind() == []


def test_after_the_byte_that_detaches_the_pipes_end_means_nothing(
    tmp_path: Path, left_behind: Hunt
) -> None:
    reader, writer = os.pipe()
    process = guard("time.sleep(600)", tmp_path, owner_fd=reader)
    os.close(reader)
    wait_until_up(process)
    os.write(writer, guardian.DETACH)
    os.close(writer)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=3 * guardian.POLL_S)
    process.terminate()
    process.communicate()
    assert left_behind() == []
