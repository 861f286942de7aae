import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rlm_local.serving.processes import (
    ProcessId,
    boot_id,
    end_process,
    identify,
    is_alive,
    session_members,
)

LEADER = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "print('ready', flush=True); child.wait()"
)


@pytest.fixture
def leader() -> Iterator["subprocess.Popen[str]"]:
    """A process that leads a session of its own, with a child."""
    process = subprocess.Popen(
        [sys.executable, "-c", LEADER], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    for pid in session_members(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_this_process_is_known_by_number_and_start() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert is_alive(me)
    assert not is_alive(ProcessId(me.pid, me.start_ticks + 1))
    assert boot_id() == boot_id()


def test_a_process_that_ended_is_nobody(leader: "subprocess.Popen[str]") -> None:
    process = identify(leader.pid)
    assert process is not None
    leader.kill()
    leader.wait()
    assert identify(leader.pid) is None
    assert not is_alive(process)


def test_a_zombie_is_nobody(leader: "subprocess.Popen[str]") -> None:
    leader.kill()
    os.waitid(os.P_PID, leader.pid, os.WEXITED | os.WNOWAIT)
    assert identify(leader.pid) is None


def test_ending_a_leader_ends_its_session(leader: "subprocess.Popen[str]") -> None:
    process = identify(leader.pid)
    assert process is not None
    assert len(session_members(leader.pid)) == 2
    leader.kill()
    leader.wait()
    end_process(process)
    assert session_members(leader.pid) == []


def test_a_number_that_was_given_to_somebody_else_is_not_signalled(
    leader: "subprocess.Popen[str]",
) -> None:
    process = identify(leader.pid)
    assert process is not None
    end_process(ProcessId(process.pid, process.start_ticks - 1))
    assert is_alive(process)
    assert len(session_members(leader.pid)) == 2
