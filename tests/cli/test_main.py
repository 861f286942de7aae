import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from rlm_local.cli.main import COMMANDS
from tests.architecture.repository import ROOT
from tests.cli.command import CommandLine

CONTRACT = {
    "ask", "chat", "serve", "up", "down", "status", "logs", "models", "pull", "verify", "plan",
    "doctor", "trace", "cache", "bench",
}  # fmt: skip


def test_the_commands_are_those_of_the_contract() -> None:
    assert set(COMMANDS) == CONTRACT


async def test_help_lists_every_command_on_stdout(rlm_local: CommandLine) -> None:
    done = await rlm_local("--help")
    assert done.code == 0
    assert all(f"  {name} " in done.stdout for name in CONTRACT)
    assert done.stderr == ""


@pytest.mark.parametrize("name", sorted(CONTRACT))
async def test_every_command_has_help(rlm_local: CommandLine, name: str) -> None:
    done = await rlm_local(name, "--help")
    assert done.code == 0
    assert f"rlm_local {name} " in done.stdout


@pytest.mark.parametrize("name", ["serve", "chat"])
async def test_what_is_not_built_yet_says_so(rlm_local: CommandLine, name: str) -> None:
    done = await rlm_local(name, "--any", "thing")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: `rlm-local {name}` does not exist yet; ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Usage:"),
        (["aks"], "No such command 'aks'"),
        (["ask"], "Missing argument 'QUESTION'"),
        (
            ["ask", "Why?", "--contxt", "x"],
            "No such option '--contxt'. (Did you mean one of: '--context'",
        ),
        (["ask", "Why?", "--max-turns", "none"], "'none' is not a valid integer"),
        (["ask", "Why?", "--max-turns", "0"], "0 is not in the range"),
        (["ask", "Why?", "--mode", "fast"], "'fast' is not one of"),
        (["pull", "qwen2.5-coder-0.5"], "did you mean"),
        (["trace", "show", "none.jsonl"], "cannot read the trace none.jsonl"),
        (["verify"], "no weights here yet"),
    ],
)
async def test_a_wrong_command_line_is_told_in_a_line(
    rlm_local: CommandLine, arguments: list[str], said: str
) -> None:
    done = await rlm_local(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("relative", "RLM_LOCAL_HOME must be an absolute path, not 'relative'"),
        ("/proc/nowhere", "set RLM_LOCAL_HOME to a folder you can write to"),
        ("/dev/null", "set RLM_LOCAL_HOME to a folder you can write to"),
    ],
)
@pytest.mark.parametrize("command", ["status", "models"])
async def test_a_home_that_cannot_be_is_told(
    rlm_local: CommandLine, command: str, place: str, said: str
) -> None:
    done = await rlm_local(command, RLM_LOCAL_HOME=place)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_reader_that_goes_away_ends_a_command_quietly(empty_home: Mapping[str, str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "rlm_local", "models"],
        cwd=ROOT,
        env=dict(empty_home),
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


async def test_a_models_file_of_ones_own_is_read(rlm_local: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("models: {}\nprofiles: {}\nstacks: {}\n")
    done = await rlm_local("models", "--models-file", "models.yaml")
    assert done.code == 0
    assert "qwen" not in done.stdout
