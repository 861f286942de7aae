import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rlm_local.errors import ConfigError, ServerError, WeightsError
from rlm_local.serving.endpoint import Transport
from rlm_local.serving.processes import end_process, identify, is_alive
from rlm_local.serving.server_state import read_state
from rlm_local.serving.vllm_command import ServerPlan
from rlm_local.serving.vllm_server import Supervision, VllmServer
from tests.serving.conftest import MakePlan, mentioning

Hunt = Callable[[], list[tuple[int, str]]]

OWNER = """
import asyncio, sys
from pathlib import Path
from rlm_local.serving import leases
from rlm_local.serving.vllm_server import ServerPlan, VllmServer

async def own():
    folder = Path(sys.argv[1])
    plan = ServerPlan(
        model_folder=folder / "model", device="cpu", max_model_len=4096, max_num_seqs=4,
        extra_args=("--fake-mode", sys.argv[2]), cache_folder=folder / "cache",
        log_path=folder / "servers" / "test.log", python=folder / "fake-python",
    )
    print("starting", flush=True)
    server = VllmServer(plan)
    await server.start(lambda phase, _: print(phase, flush=True))
    if sys.argv[3:] == ["keep"]:
        leases.keep(server.lease.parent, 0)
        print(server.guardian_process.pid, flush=True)
        return
    await asyncio.sleep(3600)

asyncio.run(own())
"""


def start_owner(plan: ServerPlan, mode: str, *more: str) -> "subprocess.Popen[str]":
    folder = plan.log_path.parent.parent
    # Its own words must not name the folder, or the hunt would count it.
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", OWNER, str(folder), mode, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def wait_for_line(process: "subprocess.Popen[str]", wanted: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == wanted:
            return
    raise AssertionError(f"{wanted!r} never came")


def wait_for_failure(server: VllmServer) -> ServerError:
    while (error := server.failure()) is None:
        time.sleep(0.05)
    return error


def wait_until_known_ready(server: VllmServer) -> None:
    """Until its guardian knows it, from when on its death is a reason to start it again."""
    while (state := read_state(server.folder)) is None or state.phase != "ready":
        time.sleep(0.05)


async def test_a_server_passes_its_phases_answers_and_is_gone_after_stop(
    make_plan: MakePlan, left_behind: Hunt
) -> None:
    phases: list[str] = []
    server = VllmServer(make_plan())
    await server.start(lambda phase, _: phases.append(phase))
    assert phases[-1] == "ready"
    assert phases == sorted(
        phases, key=["starting", "loading weights", "first token", "ready"].index
    )
    assert server.failure() is None
    async with contextlib.aclosing(
        Transport(server.endpoint, max_connections=1, timeout_s=5)
    ) as transport:
        assert await transport.post("chat/completions", {})
    await server.stop()
    await server.stop()
    assert left_behind() == []


async def test_socket_folder_and_log_are_private_and_the_key_is_not_on_the_command_line(
    make_plan: MakePlan, left_behind: Hunt, tmp_path: Path
) -> None:
    plan = make_plan()
    async with VllmServer(plan) as server:
        socket = server.endpoint.uds
        assert socket is not None
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(plan.log_path.stat().st_mode) == 0o600
        key = server.endpoint.api_key
        assert key
        assert not [words for _, words in mentioning(str(tmp_path)) if key in words]
        assert len(mentioning(str(tmp_path))) == 5  # both guardians, server, engine and worker
    assert not socket.parent.exists()
    assert left_behind() == []


@pytest.mark.parametrize(
    ("mode", "says"),
    [("fail", r"torchvision.*pip uninstall.*test\.log"), ("refuse", "refuses.*no chat template")],
)
async def test_a_failed_start_names_the_cause_and_leaves_nothing(
    make_plan: MakePlan, left_behind: Hunt, mode: str, says: str
) -> None:
    with pytest.raises(ServerError, match=says) as caught:
        await VllmServer(make_plan(mode)).start()
    assert len(str(caught.value)) < 500
    assert left_behind() == []


async def test_a_start_that_takes_too_long_is_given_up(
    make_plan: MakePlan, left_behind: Hunt
) -> None:
    with pytest.raises(ServerError, match="not ready after"):
        await VllmServer(make_plan("hang"), start_timeout_s=1.0).start()
    assert left_behind() == []


async def test_cancelling_a_start_leaves_nothing(make_plan: MakePlan, left_behind: Hunt) -> None:
    loading = asyncio.Event()
    server = VllmServer(make_plan("hang"))
    task = asyncio.create_task(
        server.start(lambda phase, _: loading.set() if phase == "loading weights" else None)
    )
    await loading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_behind() == []


async def test_a_server_that_dies_says_why(make_plan: MakePlan, left_behind: Hunt) -> None:
    server = VllmServer(make_plan("end-later"), supervision=Supervision(pauses_s=()))
    await server.start()
    await asyncio.to_thread(wait_until_known_ready, server)
    transport = Transport(server.endpoint, max_connections=1, timeout_s=5)
    with contextlib.suppress(Exception):
        await transport.post("chat/completions", {})
    await transport.aclose()
    error = await asyncio.to_thread(wait_for_failure, server)
    assert "GPU memory ran out" in str(error)
    await server.stop()
    assert left_behind() == []


async def test_a_missing_model_folder_is_named(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = replace(make_plan(), model_folder=tmp_path / "nowhere")
    with pytest.raises(WeightsError, match=r"nowhere.*pull"):
        await VllmServer(plan).start()


@pytest.mark.parametrize("is_log", [True, False])
async def test_a_folder_that_cannot_be_written_is_named_with_what_moves_it(
    make_plan: MakePlan, left_behind: Hunt, tmp_path: Path, is_log: bool
) -> None:
    (tmp_path / "file").touch()  # in the place of a folder: root may write where modes forbid it
    blocked = tmp_path / "file" / "sub"
    plan = make_plan()
    if is_log:
        plan = replace(plan, log_path=blocked / "a.log")
    else:
        plan = replace(plan, cache_folder=blocked)
    with pytest.raises(ConfigError, match=r"cannot write in .*file/sub: .*RLM_LOCAL_HOME"):
        await VllmServer(plan).start()
    assert left_behind() == []


async def test_a_log_that_cannot_be_opened_is_told_with_its_folder(
    make_plan: MakePlan, left_behind: Hunt
) -> None:
    plan = make_plan()
    plan.log_path.mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"cannot write in .*servers: Is a dir.*RLM_LOCAL_HOME"):
        await VllmServer(plan).start()
    assert left_behind() == []


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_nothing_is_left_when_the_owner_is_killed_at_any_moment_of_a_start(
    make_plan: MakePlan, left_behind: Hunt, delay_s: float
) -> None:
    owner = start_owner(make_plan(), "hang")
    wait_for_line(owner, "starting")
    time.sleep(delay_s)
    owner.kill()
    owner.communicate()
    assert left_behind() == []


@pytest.mark.parametrize("mode", ["serve", "headless"])
def test_nothing_is_left_when_the_owner_of_a_ready_server_is_killed(
    make_plan: MakePlan, left_behind: Hunt, mode: str
) -> None:
    owner = start_owner(make_plan(), mode)
    wait_for_line(owner, "ready")
    owner.kill()
    owner.communicate()
    assert left_behind() == []


async def test_nothing_is_left_of_a_server_whose_guardian_was_killed(
    make_plan: MakePlan, left_behind: Hunt
) -> None:
    server = VllmServer(make_plan())
    await server.start()
    os.kill(server.guardian_process.pid, signal.SIGKILL)
    assert left_behind() == []
    await server.stop()


def test_a_server_that_is_kept_outlives_its_owner_until_its_guardian_is_ended(
    make_plan: MakePlan, left_behind: Hunt
) -> None:
    owner = start_owner(make_plan(), "serve", "keep")
    wait_for_line(owner, "ready")
    output, _ = owner.communicate()
    guardian = identify(int(output.split()[-1]))
    assert guardian is not None
    time.sleep(1.2)  # two polls of the guardian for leases
    assert is_alive(guardian)
    end_process(guardian)
    assert left_behind() == []
