import os
import pty
import subprocess
import sys

import pytest

from rlm_local.cli.pull_progress import PlainLines, show_progress

_DRAW = (
    "from rlm_local.cli.pull_progress import show_progress\n"
    "with show_progress('tiny') as progress:\n"
    "    progress('wait', 0, 0)\n"
    "    progress('download', 1, 2)\n"
)


def test_plain_progress_is_one_line_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainLines("tiny")
    progress("wait", 0, 0)
    progress("download", 0, 5_000_000)
    progress("download", 1_000_000, 5_000_000)
    progress("convert", 0, 0)
    assert capsys.readouterr().err.splitlines() == [
        "tiny: waiting for another pull",
        "tiny: fetching 0 of 5 MB",
        "tiny: converting",
    ]


def test_without_a_terminal_progress_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("tiny") as progress:
        progress("check", 1_000_000, 2_000_000)
    shown = capsys.readouterr()
    assert shown.err == "tiny: checking 1 of 2 MB\n"
    assert shown.out == ""


def test_on_a_terminal_progress_is_a_bar_that_is_cleared() -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _DRAW], stderr=theirs, stdout=subprocess.PIPE, check=True
        )
        drawn = os.read(ours, 1 << 16).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert "fetching" in drawn
    assert "\x1b[2K" in drawn  # the line is erased at the end
    assert done.stdout == b""
