import asyncio
import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_local.errors import ConfigError, ModelRestarting, ServerError
from rlm_local.serving.processes import ProcessId, end_process, identify, is_alive
from rlm_local.serving.server_records import ServerRecord, ServerRecords
from rlm_local.serving.server_state import ServerState, write_state
from rlm_local.serving.servers_in_use import use

SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]


@pytest.fixture
def guardian() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(SLEEPER, start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def records(tmp_path: Path) -> ServerRecords:
    return ServerRecords(tmp_path / "servers")


def record_of(pid: int, *, start_ticks: int | None = None) -> ServerRecord:
    process = identify(pid)
    assert process is not None
    return ServerRecord(
        guardian_pid=pid,
        guardian_start_ticks=process.start_ticks if start_ticks is None else start_ticks,
        base_url="http://localhost/v1",
        uds=Path("/run/vllm.sock"),
        api_key="secret",
        served_names=("root", "worker"),
        model="m",
        digest="d",
        max_model_len=4096,
        max_num_seqs=4,
        model_folder=Path("/weights/m"),
        log_path=Path("/logs/m.log"),
        folder=Path("/run/rlm-local-x"),
    )


def test_what_was_written_is_read_while_its_server_lives(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]"
) -> None:
    written = records.write("cpu-small", (record_of(guardian.pid),))
    assert records.read("cpu-small") == written
    assert records.all() == [written]
    endpoint = written.server("worker").endpoint("worker")
    assert (endpoint.model, endpoint.uds) == ("worker", Path("/run/vllm.sock"))


def test_a_record_is_readable_for_its_owner_only(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    records.write("cpu-small", (record_of(guardian.pid),))
    files = list((tmp_path / "servers").iterdir())
    assert [file.name for file in files] == ["cpu-small.json"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_a_record_of_a_dead_server_is_removed(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    records.write("cpu-small", (record_of(guardian.pid),))
    guardian.kill()
    guardian.wait()
    assert records.read("cpu-small") is None
    assert not list((tmp_path / "servers").glob("*.json"))


def test_a_number_given_to_another_process_is_neither_believed_nor_signalled(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]"
) -> None:
    records.write("cpu-small", (record_of(guardian.pid, start_ticks=1),))
    assert records.read("cpu-small") is None
    assert guardian.poll() is None


UNREADABLE = [
    "",
    "{",
    "{}",
    "[1]",
    '{"boot_id": "b", "servers": [{}]}',
    '{"boot_id": "b", "servers": [{"guardian_pid": 0, "guardian_start_ticks": 1}]}',
]


@pytest.mark.parametrize("content", UNREADABLE)
def test_a_file_that_does_not_say_whom_to_end_is_named_and_kept(
    records: ServerRecords, tmp_path: Path, content: str
) -> None:
    (tmp_path / "servers").mkdir()
    path = tmp_path / "servers" / "x.json"
    path.write_text(content)
    for read in (lambda: records.read("x"), records.all):
        with pytest.raises(ConfigError, match=r"servers/x\.json is no record.*delete the file"):
            read()
    assert path.read_text() == content


def of_another_version(path: Path, **changes: object) -> None:
    """Rewrite a record as a version would that knows neither a URL nor a start."""
    record = json.loads(path.read_text()) | changes
    del record["started_at"], record["servers"][0]["base_url"]
    path.write_text(json.dumps(record))


def test_servers_of_another_version_are_ended_before_their_record_goes(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    records.write("cpu-small", (record_of(guardian.pid),))
    of_another_version(tmp_path / "servers" / "cpu-small.json")
    assert records.read("cpu-small") is None
    assert guardian.wait() != 0
    assert not list((tmp_path / "servers").glob("*.json"))


def test_a_record_of_another_version_and_an_earlier_boot_ends_nobody(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    records.write("cpu-small", (record_of(guardian.pid),))
    of_another_version(tmp_path / "servers" / "cpu-small.json", boot_id="earlier")
    assert records.read("cpu-small") is None
    assert guardian.poll() is None
    assert not list((tmp_path / "servers").glob("*.json"))


async def test_stopping_ends_the_server_and_forgets_it(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]"
) -> None:
    record = records.write("cpu-small", (record_of(guardian.pid),))
    await records.stop(record)
    assert guardian.wait() != 0
    assert records.read("cpu-small") is None
    await records.stop(record)


def test_asking_for_a_name_nobody_serves_is_an_error(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]"
) -> None:
    record = records.write("cpu-small", (record_of(guardian.pid),))
    with pytest.raises(ServerError, match="answers to 'judge'"):
        record.server("judge")


def test_a_process_is_told_from_a_later_one_of_the_same_number(
    guardian: "subprocess.Popen[bytes]",
) -> None:
    process = identify(guardian.pid)
    assert process is not None
    assert is_alive(process)
    later = ProcessId(process.pid, process.start_ticks + 1)
    assert not is_alive(later)
    end_process(later)
    assert is_alive(process)
    end_process(process)
    assert not is_alive(process)


def test_a_record_says_why_its_server_is_no_more(
    guardian: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    log = tmp_path / "vllm.log"
    log.write_text("OSError: [Errno 28] No space left on device\n")
    record = record_of(guardian.pid).model_copy(update={"log_path": log})
    assert record.failure() is None
    guardian.kill()
    guardian.wait()
    failure = record.failure()
    assert isinstance(failure, ServerError)
    assert str(failure).startswith("vLLM ended: the disk is full; ")
    assert str(failure).endswith(f"Its log: {log}")


def test_a_record_says_that_its_server_is_being_started_again(
    guardian: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    record = record_of(guardian.pid).model_copy(update={"folder": tmp_path})
    write_state(tmp_path, ServerState("restarting", 0.0, 1, 1, 3, "it was killed"))
    failure = record.failure()
    assert isinstance(failure, ModelRestarting)
    assert str(failure) == "vLLM ended: it was killed; it is being started again (1 of 3)"
    assert failure.retry_after_s
    write_state(tmp_path, ServerState("ready", 0.0, 1, 1, 3, "it was killed"))
    assert record.failure() is None


def test_stacks_whose_servers_fell_are_told_once(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]"
) -> None:
    written = records.write("cpu-small", (record_of(guardian.pid),))
    assert records.take_fallen() == []
    guardian.kill()
    guardian.wait()
    assert records.take_fallen() == [written]
    assert records.take_fallen() == []


async def test_one_start_at_a_time_and_who_waits_is_told(records: ServerRecords) -> None:
    order: list[str] = []
    waits: list[float] = []

    async def start(name: str) -> None:
        async with records.starting(waits.append):
            order.append(name)
            await asyncio.sleep(0.3)
            order.append(name)

    await asyncio.gather(start("a"), start("b"))
    assert order in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
    assert waits[0] < 0.3


async def test_a_start_that_is_held_up_too_long_says_so(records: ServerRecords) -> None:
    async with records.starting(lambda _: None):
        with pytest.raises(ServerError, match="another rlm-local has been starting servers"):
            async with records.starting(lambda _: None, wait_s=0.0):
                pass


async def test_only_the_last_one_out_ends_the_servers(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    log = tmp_path / "vllm.log"
    log.touch()
    own = tmp_path / "own"
    (own / "leases").mkdir(parents=True)
    changes = {"folder": own, "log_path": log}
    record = records.write("x", (record_of(guardian.pid).model_copy(update=changes),))
    first, second = use(record), use(record)
    assert first is not None
    assert second is not None
    assert record.users == 2
    assert not await first.release()
    assert guardian.poll() is None
    assert await second.release()
    assert guardian.wait() != 0
    assert not own.exists()
    assert not log.exists()
    assert use(record) is None


async def test_servers_that_are_kept_stay_when_the_last_one_is_out(
    records: ServerRecords, guardian: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    (tmp_path / "leases").mkdir()
    changes = {"folder": tmp_path}
    record = records.write("x", (record_of(guardian.pid).model_copy(update=changes),))
    found = use(record)
    assert found is not None
    found.keep(60)
    assert record.is_kept
    assert not await found.release()
    assert guardian.poll() is None
    record.let_go()
    assert not record.is_kept
