import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_local.serving.server_memory import memory_of

HOARD = "x = bytearray(100 << 20); print('up', flush=True); import time; time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOARD!r}])"


@pytest.fixture
def hoarder() -> Iterator[int]:
    """A process whose child holds 100 MiB."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    os.killpg(process.pid, 9)
    process.communicate()


def smi(folder: Path, output: str, status: int = 0) -> str:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\nprintf '{output}'\nexit {status}\n")
    path.chmod(0o700)
    return str(path)


def test_memory_is_that_of_the_whole_tree(hoarder: int) -> None:
    found = memory_of(hoarder, nvidia_smi="/nowhere/nvidia-smi")
    assert found.ram_bytes > 100 << 20
    assert found.gpu_bytes is None


def test_of_the_cards_only_what_the_tree_holds_counts(hoarder: int, tmp_path: Path) -> None:
    program = smi(tmp_path, f"{hoarder}, 1024\\n{hoarder}, 512\\n1, 4096\\n{hoarder}, [N/A]\\n")
    assert memory_of(hoarder, program).gpu_bytes == 1536 << 20


def test_a_driver_that_fails_tells_nothing(hoarder: int, tmp_path: Path) -> None:
    assert memory_of(hoarder, smi(tmp_path, "no devices", 9)).gpu_bytes is None


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert memory_of(2**22 + 1, nvidia_smi="/nowhere/nvidia-smi").ram_bytes == 0
