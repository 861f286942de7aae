"""Getting servers, over a stand-in for vLLM that has its flags and habits."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rlm_local.config import HOME_VARIABLE
from rlm_local.errors import ServerError
from rlm_local.planner.placement import Placement
from rlm_local.serving.server_records import StackRecord
from rlm_local.serving.servers_in_use import ServersInUse, until_gone
from rlm_local.session.servers import WAITING, Machine, get_servers
from tests.fakes import vllm_process
from tests.fakes.stack_on_disk import pull_tiny, write_models_file
from tests.serving.conftest import left_behind as left_behind
from tests.session.conftest import Watcher
from tests.weights.samples import snapshot

Hunt = Callable[[], list[tuple[int, str]]]

USER = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from rlm_local.session.servers import Machine, get_servers

class Silence:
    def phase(self, name, elapsed_s): print(name, flush=True)
    def warn(self, message): pass

async def main():
    machine = replace(Machine.here(Path(sys.argv[1])), python=Path(sys.argv[2]))
    await get_servers(machine, "small", Silence())
    print("using", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.fixture
def machine(home_here: Path, tmp_path: Path) -> Iterator[Machine]:
    models_file = write_models_file(tmp_path / "models.yaml")
    pull_tiny(models_file, home_here, snapshot(tmp_path / "given"))
    here = Machine.here(models_file)
    yield Machine(
        here.home, here.registry, here.store, here.records, vllm_process.install(tmp_path)
    )
    assert here.records.all() == []
    assert list((home_here / "servers" / "guardians").glob("*")) == []


async def get(machine: Machine, watcher: Watcher, stack: str = "small") -> ServersInUse:
    found = await get_servers(machine, stack, watcher)
    assert isinstance(found, ServersInUse)
    return found


def start_user(tmp_path: Path) -> "subprocess.Popen[str]":
    arguments = [str(tmp_path / "models.yaml"), str(tmp_path / "fake-python")]
    return subprocess.Popen(
        [sys.executable, "-c", USER, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, HOME_VARIABLE: str(tmp_path / "home")},
    )


def wait_for_line(process: "subprocess.Popen[str]", wanted: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == wanted:
            return
    raise AssertionError(f"{wanted!r} never came")


def guardians(record: StackRecord) -> set[int]:
    return {server.guardian_pid for server in record.servers}


async def test_two_at_the_same_moment_share_one_set_and_the_last_one_out_ends_it(
    machine: Machine, left_behind: Hunt
) -> None:
    watchers = Watcher(), Watcher()
    first, second = await asyncio.gather(*(get(machine, watcher) for watcher in watchers))
    assert first.record == second.record
    assert sorted("ready" in watcher.phases for watcher in watchers) == [False, True]
    assert sum(WAITING in watcher.phases for watcher in watchers) == 1
    assert not await first.release()
    assert machine.records.read("small") == second.record
    assert await second.release()
    assert left_behind() == []


async def test_auto_takes_what_is_up_and_what_is_starting(
    machine: Machine, watcher: Watcher, left_behind: Hunt
) -> None:
    named, auto = await asyncio.gather(get(machine, watcher), get(machine, watcher, "auto"))
    later = await get(machine, watcher, "auto")
    assert named.record == auto.record == later.record
    for one in (named, auto, later):
        await one.release()
    assert left_behind() == []


@pytest.mark.parametrize("victim", ["starter", "guest"])
async def test_the_violent_end_of_one_user_does_not_harm_the_other(
    machine: Machine, watcher: Watcher, tmp_path: Path, left_behind: Hunt, victim: str
) -> None:
    if victim == "starter":
        other = start_user(tmp_path)
        await asyncio.to_thread(wait_for_line, other, "using")
        mine = await get(machine, watcher)
    else:
        mine = await get(machine, watcher)
        other = start_user(tmp_path)
        await asyncio.to_thread(wait_for_line, other, "using")
    assert mine.record.users == 2
    other.kill()
    other.communicate()
    await asyncio.sleep(1.5)
    assert mine.record.is_alive
    assert mine.record.users == 1
    assert await mine.release()
    assert left_behind() == []


async def test_who_waits_for_a_starter_that_is_killed_starts_its_own(
    machine: Machine, watcher: Watcher, tmp_path: Path, left_behind: Hunt
) -> None:
    other = start_user(tmp_path)
    await asyncio.to_thread(wait_for_line, other, "starting")
    getting = asyncio.create_task(get(machine, watcher))
    await asyncio.sleep(0.1)
    other.kill()
    other.communicate()
    mine = await getting
    assert mine.record.users == 1
    assert await mine.release()
    assert left_behind() == []


async def test_servers_that_are_kept_go_on_and_are_found(
    machine: Machine, watcher: Watcher, left_behind: Hunt
) -> None:
    first = await get(machine, watcher)
    first.keep(0)
    assert not await first.release()
    again = await get(machine, watcher)
    assert again.record == first.record
    assert not await again.release()
    await machine.records.stop(first.record)
    assert left_behind() == []


async def test_what_a_start_teaches_is_told_and_kept_for_the_next_plan(
    machine: Machine, watcher: Watcher, left_behind: Hunt
) -> None:
    mine = await get(machine, watcher)
    await mine.release()
    (said,) = watcher.warnings
    assert said.startswith("tiny takes other than planned, for next time: KV cache tokens: ")
    assert "reported 87,360" in said
    assert machine.corrections.is_file()
    assert left_behind() == []


async def test_a_server_that_fell_is_replaced(
    machine: Machine, watcher: Watcher, left_behind: Hunt
) -> None:
    first = await get(machine, watcher)
    (server,) = first.record.servers
    os.kill(server.guardian_pid, signal.SIGKILL)
    await until_gone(first.record)
    await asyncio.to_thread(left_behind)  # the inner one clears up
    second = await get(machine, watcher)
    assert guardians(first.record) != guardians(second.record)
    await first.release()
    assert second.record.is_alive
    assert await second.release()
    assert not server.folder.exists()
    assert left_behind() == []


async def test_a_start_that_fails_frees_the_machine_for_the_next(
    machine: Machine, watcher: Watcher, tmp_path: Path, left_behind: Hunt
) -> None:
    broken = Machine(
        machine.home, machine.registry, machine.store, machine.records, tmp_path / "nothing"
    )
    with pytest.raises(ServerError):
        await get(broken, watcher)
    mine = await get(machine, watcher)
    assert await mine.release()
    assert left_behind() == []


async def test_a_stack_without_servers_gives_its_placement(
    machine: Machine, watcher: Watcher
) -> None:
    assert isinstance(await get_servers(machine, "smaller", watcher), Placement)
