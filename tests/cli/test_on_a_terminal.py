"""What a model or a text would do to the terminal, where output goes to one."""

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT
from tests.cli.command import CommandLine, at, cell
from tests.fakes.openai_server import OpenAIServer

EVIL = r"\x1b]52;c;aGk=\x07\x1b[2J\rgone\u202e\x9b2J\u200b"  # as the source of a text
DONE_TO_IT = ("\x1b]52", "\x07", "\x1b[2J", "\rgone", "\u202e", "\x9b", "\u200b")
QUESTION = "What is the code word?"


async def _on_terminal(rlm_local: CommandLine, *arguments: str | Path) -> str:
    """Everything a command writes to a terminal that is its output and its error output."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rlm_local", *map(str, arguments)),
        cwd=rlm_local.folder,
        env={**rlm_local.environment, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    rlm_local.started.append(process.pid)
    os.close(theirs)
    shown = await asyncio.to_thread(_read_all, ours)
    os.close(ours)
    await process.wait()
    return shown


def _read_all(fd: int) -> str:
    data = b""
    while True:
        try:
            data += os.read(fd, 1 << 16)
        except OSError:  # a terminal whose other side is closed
            return data.decode("utf-8", "replace")


def _assert_harmless(shown: str) -> None:
    assert "gone" in shown
    assert not [evil for evil in DONE_TO_IT if evil in shown]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(f'FINAL("{EVIL}")', id="an answer"),
        pytest.param(f'print("{EVIL}")\nFINAL("gone")', id="what a cell prints"),
        pytest.param(f'x = "{EVIL}"\nraise ValueError(x)', id="an error of a cell"),
        pytest.param(f'import os\nos.write(1, "{EVIL}".encode())\nFINAL("gone")', id="raw output"),
    ],
)
async def test_an_answer_and_its_trace_are_shown_escaped(
    rlm_local: CommandLine, server: OpenAIServer, text: Path, reply: str
) -> None:
    server.options.replies = [cell(reply), cell('FINAL("gone")')]
    asked: tuple[str | Path, ...] = ("ask", QUESTION, "-c", text, "--mode", "rlm", *at(server))
    _assert_harmless(await _on_terminal(rlm_local, *asked))
    for full in ((), ("--full",)):
        _assert_harmless(await _on_terminal(rlm_local, "trace", "show", "last", *full))


async def test_a_question_is_listed_escaped(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = ["an answer"]
    question = "\x1b]52;c;aGk=\x07\x1b[2Jgone\u202e\x9b2J\u200b"
    await rlm_local("ask", question, "-c", text, *at(server))
    _assert_harmless(await _on_terminal(rlm_local, "trace", "list"))


async def test_json_on_a_terminal_is_escaped(
    rlm_local: CommandLine, server: OpenAIServer, text: Path
) -> None:
    server.options.replies = [cell(f'FINAL("{EVIL}")')]
    asked: tuple[str | Path, ...] = (
        "ask",
        QUESTION,
        "-c",
        text,
        "--mode",
        "rlm",
        "--json",
        "-q",
        *at(server),
    )
    _assert_harmless(await _on_terminal(rlm_local, *asked))


async def test_what_a_server_says_is_shown_escaped(
    rlm_local: CommandLine, text: Path, tmp_path: Path
) -> None:
    models = tmp_path / "\x1b[2Jgone\x9b2J.yaml"
    shown = await _on_terminal(
        rlm_local, "ask", QUESTION, "-c", text, "--models-file", models, "--stack", "x"
    )
    _assert_harmless(shown)
