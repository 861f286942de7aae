"""The hunt for processes left behind finds them: otherwise its silence would prove nothing."""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import BinaryIO

import pytest

from tests.e2e.commands import PrivateHome
from tests.e2e.leftovers import Leftovers

SLEEP = "import time; print(1, flush=True); time.sleep(600)"
FORK = f"import os; os.fork(); {SLEEP}"


def start(
    words: Sequence[str], *, log: BinaryIO | None = None, something: str = ""
) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", *words],
        stdout=subprocess.PIPE,
        stderr=log,
        env={"PATH": os.environ["PATH"], "SOMETHING": something},
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.parametrize("net", ["argument", "environment", "open file"])
def test_what_names_the_home_folder_is_found(bare_home: PrivateHome, net: str) -> None:
    path = str(bare_home.folder / "x.log")
    match net:
        case "argument":
            process = start([SLEEP, path])
        case "environment":
            process = start([SLEEP], something=path)
        case _:
            with (bare_home.folder / "x.log").open("wb") as log:
                process = start([SLEEP], log=log)
    left = Leftovers(bare_home)
    (found,) = left.running()
    assert found.startswith(f"{process.pid} ")
    process.kill()
    process.communicate()
    assert left.running() == []


def test_an_orphan_of_a_killed_process_is_found_by_its_session(bare_home: PrivateHome) -> None:
    process = start([FORK])
    left = Leftovers(bare_home)
    (orphan,) = left.kill(process.pid)
    process.wait()
    (found,) = left.running()
    assert found.startswith(f"{orphan.pid} ")
    orphan.kill()
    process.communicate()
    assert left.wait() == []
