import asyncio
import json
import signal
from pathlib import Path

import pytest

from rlm_local.serving.leases import take
from tests.cli.command import CommandLine, ended
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.stack_on_disk import pull_tiny, servers_up, write_models_file
from tests.weights.samples import snapshot

ENORMOUS = 1 << 60


@pytest.fixture
def home(rlm_local: CommandLine) -> Path:
    return Path(rlm_local.environment["RLM_LOCAL_HOME"])


@pytest.fixture
def models_file(tmp_path: Path) -> Path:
    return write_models_file(tmp_path / "models.yaml")


async def test_with_nothing_up_each_command_says_so(rlm_local: CommandLine) -> None:
    status = await rlm_local("status")
    assert (status.code, status.stdout) == (0, "")
    assert status.stderr == "nothing is up; `rlm-local up` starts a stack\n"
    assert json.loads((await rlm_local("status", "--json")).stdout) == {"stacks": [], "ended": []}
    down = await rlm_local("down")
    assert (down.code, down.stdout, down.stderr) == (0, "", "nothing is up\n")
    assert json.loads((await rlm_local("down", "--json")).stdout) == {"stopped": [], "in_use": []}
    logs = await rlm_local("logs")
    assert (logs.code, logs.stdout) == (2, "")
    assert "nothing is up, so there is no log" in logs.stderr


@pytest.mark.parametrize("command", ["down", "logs"])
async def test_a_stack_that_is_not_up_is_told(rlm_local: CommandLine, command: str) -> None:
    done = await rlm_local(command, "--stack", "cpu-small")
    assert done.code == 2
    assert done.stderr == "error: stack 'cpu-small' is not up; up now: none\n"


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("smal", "no stack 'smal'; did you mean 'small'"),
        ("small", "rlm-local pull tiny"),
        ("smaller", "runs inside `ask` itself; there is no server to keep up"),
        ("auto", "run `rlm-local pull "),
    ],
)
async def test_what_cannot_be_kept_up_is_told(
    rlm_local: CommandLine, models_file: Path, stack: str, said: str
) -> None:
    done = await rlm_local("up", "--stack", stack, "--models-file", models_file)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("command", [["up"], ["ask", "Why?", "-c", "models.yaml"]])
async def test_too_little_memory_says_needed_free_and_what_would_fit(
    rlm_local: CommandLine, tmp_path: Path, command: list[str]
) -> None:
    path = write_models_file(tmp_path / "models.yaml", weight_bytes=ENORMOUS)
    done = await rlm_local(*command, "--stack", "small", "--models-file", path)
    assert (done.code, done.stdout) == (2, "")
    assert "GiB" in done.stderr
    assert "would fit: smaller" in done.stderr


@pytest.mark.parametrize("command", [["up"], ["ask", "Why?", "-c", "models.yaml"]])
async def test_truncated_weights_are_told(
    rlm_local: CommandLine, home: Path, models_file: Path, tmp_path: Path, command: list[str]
) -> None:
    folder = pull_tiny(models_file, home, snapshot(tmp_path / "given"))
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    done = await rlm_local(*command, "--stack", "small", "--models-file", models_file)
    assert (done.code, done.stdout) == (2, "")
    assert "model.safetensors" in done.stderr
    assert "rlm-local pull tiny" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("models: {tiny: {licence: x}}", "unknown key; did you mean 'license'"),
        ("models: {tiny: {context_tokens: many}}", "(given: 'many')"),
        ("models: [", "is not YAML"),
    ],
)
@pytest.mark.parametrize("command", [["up"], ["models"], ["ask", "Why?", "-c", "wrong.yaml"]])
async def test_a_wrong_models_file_is_told(
    rlm_local: CommandLine, tmp_path: Path, command: list[str], change: str, said: str
) -> None:
    (tmp_path / "wrong.yaml").write_text(change)
    done = await rlm_local(*command, "--models-file", "wrong.yaml")
    assert (done.code, done.stdout) == (2, "")
    assert "wrong.yaml" in done.stderr
    assert said in done.stderr


async def test_what_is_up_is_shown_read_asked_and_stopped(
    rlm_local: CommandLine,
    home: Path,
    models_file: Path,
    server: OpenAIServer,
    tmp_path: Path,
) -> None:
    folder = pull_tiny(models_file, home, snapshot(tmp_path / "given"))
    with servers_up(home, server.base_url, folder):
        status = await rlm_local("status")
        assert status.stdout.startswith("small, up for 0 min ")
        assert "root and worker: tiny, answers, window 8,192 tokens, 4 sequences" in status.stdout
        shown = json.loads((await rlm_local("status", "--json")).stdout)["stacks"][0]
        assert (shown["stack"], shown["servers"][0]["state"]) == ("small", "answers")
        assert "secret" not in json.dumps(shown)

        logs = await rlm_local("logs", "--lines", "2")
        assert logs.stdout == "line 98\nline 99\n"

        up = await rlm_local("up", "--stack", "small", "--models-file", models_file, "--json")
        assert json.loads(up.stdout)["servers"][0].items() <= shown["servers"][0].items()

        await server.close()
        status = await rlm_local("status")
        assert "does not answer (cannot reach" in status.stdout

        down = await rlm_local("down", "--json")
        assert json.loads(down.stdout) == {"stopped": ["small"], "in_use": []}
        assert json.loads((await rlm_local("status", "--json")).stdout) == {
            "stacks": [],
            "ended": [],
        }


async def test_a_log_that_is_followed_ends_with_an_interrupt(
    rlm_local: CommandLine, home: Path, models_file: Path, server: OpenAIServer, tmp_path: Path
) -> None:
    with servers_up(home, server.base_url, tmp_path) as record:
        process = await rlm_local.start("logs", "--follow", "-n", "1")
        assert process.stdout is not None
        assert await process.stdout.readline() == b"line 99\n"
        with record.servers[0].log_path.open("a") as log:
            log.write("one more\n")
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"one more\n"
        process.send_signal(signal.SIGINT)
        done = await ended(process)
    assert (done.code, done.stderr) == (130, "\ninterrupted\n")


async def test_a_log_that_is_followed_goes_on_in_the_file_that_replaced_it(
    rlm_local: CommandLine, home: Path, server: OpenAIServer, tmp_path: Path
) -> None:
    with servers_up(home, server.base_url, tmp_path) as record:
        process = await rlm_local.start("logs", "--follow", "-n", "1")
        assert process.stdout is not None
        assert await process.stdout.readline() == b"line 99\n"
        log = record.servers[0].log_path
        log.unlink()
        log.write_text("of the next start\n")
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"of the next start\n"
        process.send_signal(signal.SIGINT)
        await ended(process)


async def test_what_a_run_uses_stops_only_with_it_unless_forced(
    rlm_local: CommandLine, home: Path, server: OpenAIServer, tmp_path: Path
) -> None:
    with servers_up(home, server.base_url, tmp_path) as record:
        assert take(record.servers[0].leases) is not None
        down = await rlm_local("down", "--json")
        assert json.loads(down.stdout) == {"stopped": [], "in_use": ["small"]}
        assert not record.is_kept
        status = await rlm_local("status")
        assert "used by 1 now, stops with its last user" in status.stdout
        forced = await rlm_local("down", "--stack", "small", "--force", "--json")
        assert json.loads(forced.stdout) == {"stopped": ["small"], "in_use": []}


async def test_servers_that_died_are_told_once(
    rlm_local: CommandLine, home: Path, server: OpenAIServer, tmp_path: Path
) -> None:
    with servers_up(home, server.base_url, tmp_path) as record:
        record.servers[0].log_path.write_text("torch.OutOfMemoryError: CUDA out of memory\n")
    status = await rlm_local("status")
    assert status.stdout.startswith("small is no more: vLLM ended: GPU memory ran out; lower")
    assert json.loads((await rlm_local("status", "--json")).stdout) == {"stacks": [], "ended": []}


@pytest.mark.parametrize(("given", "seconds"), [("30m", 1800.0), ("0", 0.0)])
async def test_how_long_servers_may_be_idle_is_kept(
    rlm_local: CommandLine,
    home: Path,
    models_file: Path,
    server: OpenAIServer,
    tmp_path: Path,
    given: str,
    seconds: float,
) -> None:
    folder = pull_tiny(models_file, home, snapshot(tmp_path / "given"))
    options = ("--stack", "small", "--models-file", models_file, "--json")
    with servers_up(home, server.base_url, folder):
        up = await rlm_local("up", "--idle-timeout", given, *options)
        assert json.loads(up.stdout)["idle_timeout_s"] == seconds


async def test_a_timeout_that_is_none_is_told(rlm_local: CommandLine) -> None:
    done = await rlm_local("up", "--idle-timeout", "soon")
    assert done.code == 2
    assert "'soon' is no duration; write such as 90s, 30m, 2h or 0" in done.stderr
