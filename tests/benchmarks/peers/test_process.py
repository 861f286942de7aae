"""A peer's process, played by this Python: programs that answer, talk, fail, hang and fork."""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from benchmarks.peers.process import ask_peer
from benchmarks.peers.programs.protocol import Order, Said, read_context

PROGRAMS = {
    "answers": "return Said(f'{order.question} {len(text)}', prompt_tokens=5, turns=2)",
    "talks": "print('chatter'); os.system('echo more'); return Said('quiet')",
    "raises": "raise RuntimeError('no more turns')",
    "gives_up": "error = TimeoutError('late'); error.partial_answer = 'half'; raise error",
    "exits": "sys.exit(3)",
    "dies": "os.kill(os.getpid(), 9)",
    "hangs": "subprocess.Popen(['sleep', '6173']); time.sleep(600)",
    "leaves_a_thread": "threading.Timer(600, print).start(); return Said('ok')",
}


def _order(context: Path) -> Order:
    return Order("http://127.0.0.1:1/v1", "k", "root", "worker", str(context), "Why?", 3, 9.0)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A stand-in for a peer's Python: it takes the program from a folder of ours."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, body in PROGRAMS.items():
        (folder / f"{name}.py").write_text(
            "import os, subprocess, sys, threading, time\n"
            "from benchmarks.peers.programs.protocol import Order, Said, answer_one\n"
            f"def ask(order, text):\n    {body}\n"
            "answer_one(ask)\n"
        )
    script = tmp_path / "python"
    script.write_text(
        f'#!/bin/sh\nexec {sys.executable} "{folder}/${{2##*.}}.py"\n', encoding="utf-8"
    )
    script.chmod(0o755)
    return script


@pytest.fixture
def context(tmp_path: Path) -> Path:
    path = tmp_path / "context.txt"
    path.write_text("four")
    return path


@pytest.mark.parametrize(
    ("program", "answer", "error"),
    [
        ("answers", "Why? 4", ""),
        ("talks", "quiet", ""),
        ("raises", "", "RuntimeError: no more turns"),
        ("gives_up", "half", "TimeoutError: late"),
        ("exits", "", "SystemExit: 3"),
        ("leaves_a_thread", "ok", ""),
    ],
)
async def test_whatever_a_peer_does_is_a_reply(
    python: Path, context: Path, program: str, answer: str, error: str
) -> None:
    reply = await ask_peer(python, program, _order(context), timeout_s=60)
    assert (reply.answer, reply.error) == (answer, error)
    assert 0 < reply.called_s <= reply.done_s
    if program == "answers":
        assert (reply.prompt_tokens, reply.turns) == (5, 2)


async def test_a_peer_that_is_killed_is_a_failure_with_its_reason(
    python: Path, context: Path
) -> None:
    reply = await ask_peer(python, "dies", _order(context), timeout_s=60)
    assert reply.answer == ""
    assert reply.error.startswith("ended with -9 and said nothing")


async def test_when_the_time_is_up_the_whole_group_is_killed(python: Path, context: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    reply = await ask_peer(python, "hangs", _order(context), timeout_s=2)
    assert reply.error == "no answer within 2 s; ended"
    sleeping = [
        p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "6173"]
    ]
    assert [p for p in sleeping if p.status() != psutil.STATUS_ZOMBIE] == []
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


async def test_giving_up_a_question_kills_its_peer(python: Path, context: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    asking = asyncio.create_task(ask_peer(python, "hangs", _order(context)))
    while {child.pid for child in psutil.Process().children(recursive=True)} <= before:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_a_folder_is_read_as_one_text_with_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.py").write_text("one\n")
    (tmp_path / "a.py").write_text("two\n")
    assert read_context(tmp_path) == "# file: a.py\ntwo\n# file: b/x.py\none\n"


def test_lines_hold_what_both_sides_know() -> None:
    said = Said("answer", "", 1, 2, 3, 4.0, 5.0)
    assert Said(**json.loads(json.dumps(asdict(said)))) == said
    assert os.path.sep not in asdict(said)
