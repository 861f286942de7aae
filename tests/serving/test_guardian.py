import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from rlm_local.serving import leases, process_tree
from rlm_local.serving.guardian_orders import LEASES, Orders, guarded, read_orders
from rlm_local.serving.processes import identify
from rlm_local.serving.server_state import ServerPhase, ServerState, read_state

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

SERVER = """
import os, signal, socket, sys, time
folder, script = sys.argv[1:]
with open(folder + "/lives", "a") as file:
    file.write("x")
life = len(open(folder + "/lives").read())
if script.startswith("fail-") and life > 1:
    print("torch.OutOfMemoryError: CUDA out of memory" if script == "fail-known" else "?")
    sys.exit(1)
listener = socket.socket(socket.AF_UNIX)
listener.bind(folder + "/own/vllm.sock")
listener.listen()
if script == "engine" and os.fork() == 0:
    os.execv(sys.executable, ["VLLM::EngineCore", "-I", "-S", "-c", "import time; time.sleep(600)"])
while True:
    connection, _ = listener.accept()
    connection.recv(1000)
    status = b"503 Gone" if os.path.exists(folder + "/sick") and life == 1 else b"200 OK"
    connection.sendall(b"HTTP/1.0 " + status + b"\\r\\n\\r\\n")
    connection.close()
"""


def orders_in(folder: Path, **changes: object) -> Orders:
    orders = Orders(
        folder=folder / "own",
        lease=leases.new_name(),
        log=folder / "log",
        address=folder / "own" / "vllm.sock",
    )
    return replace(orders, **changes)  # type: ignore[arg-type]  # given by tests


def start(command: list[str], orders: Orders) -> "subprocess.Popen[bytes]":
    with orders.log.open("ab") as log:
        return subprocess.Popen(
            guarded(command, orders),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=() if orders.start_lock_fd is None else (orders.start_lock_fd,),
        )


def guard_orphans(then: str, orders: Orders) -> "subprocess.Popen[bytes]":
    """A guardian of a script that leaves an orphan in a session of its own, then goes on."""
    script = ORPHAN_MAKER.format(then=then)
    return start([sys.executable, "-I", "-S", "-c", script, str(orders.log.parent)], orders)


def guard_server(script: str, orders: Orders) -> "subprocess.Popen[bytes]":
    """A guardian of a server that answers to `/health` on its socket."""
    folder = str(orders.log.parent)
    return start([sys.executable, "-I", "-S", "-c", SERVER, folder, script], orders)


def wait_until_up(orders: Orders) -> None:
    while "up\n" not in orders.log.read_text():
        time.sleep(0.02)


def wait_until(orders: Orders, phase: ServerPhase, *, restarts: int = 0) -> ServerState:
    while True:
        state = read_state(orders.folder)
        if state is not None and (state.phase, state.restarts) == (phase, restarts):
            return state
        time.sleep(0.02)


def release(orders: Orders) -> None:
    (orders.folder / LEASES / orders.lease).unlink()


def test_orders_come_back_from_the_command_line(tmp_path: Path) -> None:
    for orders in (
        orders_in(tmp_path),
        orders_in(
            tmp_path, address=8000, pauses_s=(0.5, 2.0), notes=tmp_path / "n", start_lock_fd=7,
            record=tmp_path / "r", start_lock=tmp_path / "l",
        ),
    ):  # fmt: skip
        line = guarded(["server", "--flag"], orders)
        own = line[line.index(str(Path(__file__).parents[2])) + 1 :]
        assert read_orders(own) == (orders, ["server", "--flag"])


@pytest.mark.parametrize(
    ("then", "status"), [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)]
)
def test_it_ends_with_its_servers_status_and_takes_the_orphans_along(
    tmp_path: Path, left_behind: Hunt, then: str, status: int
) -> None:
    process = guard_orphans(then, orders_in(tmp_path, pauses_s=(0.0,)))
    assert process.wait() == status
    assert left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_end_ends_the_whole_tree_and_leaves_no_file(
    tmp_path: Path, left_behind: Hunt, number: signal.Signals
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    orders = orders_in(tmp_path, notes=notes)
    process = guard_orphans("time.sleep(600)", orders)
    wait_until_up(orders)
    assert len(list(notes.iterdir())) == 1
    process.send_signal(number)
    assert process.wait() == 0
    assert not orders.folder.exists()
    assert list(notes.iterdir()) == []
    assert left_behind() == []


@pytest.mark.parametrize("victim", ["outer", "inner"])
def test_its_own_violent_death_ends_everything_and_leaves_no_file(
    tmp_path: Path, left_behind: Hunt, victim: str
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    orders = orders_in(tmp_path, notes=notes)
    process = guard_orphans("time.sleep(600)", orders)
    wait_until_up(orders)
    (inner,) = psutil.Process(process.pid).children()
    os.kill(process.pid if victim == "outer" else inner.pid, signal.SIGKILL)
    process.wait()
    assert left_behind() == []
    assert not orders.folder.exists()
    assert list(notes.iterdir()) == []


def test_the_server_ends_with_its_last_lease(tmp_path: Path, left_behind: Hunt) -> None:
    orders = orders_in(tmp_path)
    process = guard_orphans("time.sleep(600)", orders)
    wait_until_up(orders)
    second = leases.take(orders.folder / LEASES)
    assert second is not None
    release(orders)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.5)
    second.unlink()
    assert process.wait() == 0
    assert not orders.folder.exists()
    assert left_behind() == []


def test_a_lease_ends_with_its_holder(tmp_path: Path, left_behind: Hunt) -> None:
    holder = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
    found = identify(holder.pid)
    assert found is not None
    orders = orders_in(tmp_path, lease=f"{found.pid}-{found.start_ticks}-x")
    process = guard_orphans("time.sleep(600)", orders)
    wait_until_up(orders)
    holder.kill()  # and stays a zombie, which holds nothing
    assert process.wait() == 0
    holder.wait()
    assert left_behind() == []


def test_what_is_kept_needs_no_lease_until_it_is_let_go(tmp_path: Path, left_behind: Hunt) -> None:
    orders = orders_in(tmp_path)
    process = guard_orphans("time.sleep(600)", orders)
    wait_until_up(orders)
    assert leases.keep(orders.folder / LEASES, 0)
    release(orders)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.5)
    leases.let_go(orders.folder / LEASES)
    assert process.wait() == 0
    assert left_behind() == []


def test_what_is_kept_ends_when_nobody_used_it_for_too_long(
    tmp_path: Path, left_behind: Hunt
) -> None:
    orders = orders_in(tmp_path)
    process = guard_orphans("time.sleep(600)", orders)
    wait_until_up(orders)
    assert leases.keep(orders.folder / LEASES, 0.1)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.5)  # in use
    release(orders)
    assert process.wait() == 0
    assert left_behind() == []


def test_a_record_that_names_it_goes_with_it_and_another_stays(tmp_path: Path) -> None:
    for mine in (True, False):
        record = tmp_path / "record.json"
        orders = orders_in(tmp_path, record=record)
        process = guard_orphans("time.sleep(600)", orders)
        wait_until_up(orders)
        pid = process.pid if mine else 1
        record.write_text(f'{{"servers": [{{"guardian_pid": {pid}}}]}}')
        release(orders)
        process.wait()
        assert record.exists() != mine
        orders.log.unlink()


def test_a_server_that_was_ready_and_dies_is_started_again_at_the_same_socket(
    tmp_path: Path, left_behind: Hunt
) -> None:
    orders = orders_in(tmp_path, pauses_s=(0.0, 0.0))
    process = guard_server("plain", orders)
    for restarts in (0, 1, 2):
        state = wait_until(orders, "ready", restarts=restarts)
        os.kill(state.server_pid, signal.SIGKILL)
    assert process.wait() == 137
    log = orders.log.read_text()
    assert log.count("starting the server") == 3
    assert "[rlm-local] starting it again in 0 s (2 of 2)" in log
    assert "[rlm-local] given up after 2 restarts in a row" in log
    assert left_behind() == []


@pytest.mark.parametrize(("script", "n_lives"), [("fail-known", 2), ("fail-unknown", 4)])
def test_a_restart_that_fails_is_tried_again_only_where_that_may_help(
    tmp_path: Path, left_behind: Hunt, script: str, n_lives: int
) -> None:
    orders = orders_in(tmp_path, pauses_s=(0.0, 0.0, 0.0))
    process = guard_server(script, orders)
    os.kill(wait_until(orders, "ready").server_pid, signal.SIGKILL)
    assert process.wait() == 1
    assert len((tmp_path / "lives").read_text()) == n_lives
    assert left_behind() == []


def test_a_server_whose_engine_is_killed_is_started_again(
    tmp_path: Path, left_behind: Hunt
) -> None:
    orders = orders_in(tmp_path, pauses_s=(0.0,))
    process = guard_server("engine", orders)
    wait_until(orders, "ready")
    (engine,) = process_tree.named_descendants(process.pid, "VLLM::")
    os.kill(engine, signal.SIGKILL)
    state = wait_until(orders, "ready", restarts=1)
    assert "engine was killed" in state.cause
    process.terminate()
    process.wait()
    assert left_behind() == []


def test_a_server_that_says_itself_that_it_is_dead_is_started_again(
    tmp_path: Path, left_behind: Hunt
) -> None:
    orders = orders_in(tmp_path, pauses_s=(0.0,))
    process = guard_server("plain", orders)
    wait_until(orders, "ready")
    (tmp_path / "sick").touch()
    wait_until(orders, "ready", restarts=1)
    process.terminate()
    process.wait()
    assert left_behind() == []


async def test_a_restart_waits_for_the_start_lock_as_long_as_it_is_needed(
    tmp_path: Path, left_behind: Hunt
) -> None:
    lock = tmp_path / "lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        orders = orders_in(tmp_path, pauses_s=(0.0,), start_lock=lock)
        process = guard_server("plain", orders)
        os.kill(wait_until(orders, "ready").server_pid, signal.SIGKILL)
        wait_until(orders, "restarting", restarts=1)
        await asyncio.sleep(1.2)
        assert len((tmp_path / "lives").read_text()) == 1
        release(orders)
        assert await asyncio.to_thread(process.wait) == 0
    assert left_behind() == []


def test_the_start_lock_is_held_until_the_server_is_ready_even_if_its_starter_dies(
    tmp_path: Path, left_behind: Hunt
) -> None:
    lock = tmp_path / "lock"
    fd = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    orders = orders_in(tmp_path, start_lock_fd=fd)
    process = guard_orphans("time.sleep(600)", orders)  # never ready
    os.close(fd)
    wait_until_up(orders)
    with lock.open() as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.terminate()
        process.wait()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert left_behind() == []
