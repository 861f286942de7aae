"""Plans for servers that are not vLLM, and a hunt for processes left behind."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rlm_local.serving.vllm_command import ServerPlan
from tests.fakes import vllm_process

GONE_WITHIN_S = 10.0
"""The promise: this long after its owner is killed, nothing of a server is left."""

MakePlan = Callable[..., ServerPlan]


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    """Makes plans whose server is a script; keyword `mode` is one of its `MODES`."""
    model_folder = tmp_path / "model"
    model_folder.mkdir()
    (model_folder / "config.json").write_text("{}")
    python = vllm_process.install(tmp_path)

    def make(mode: str = "serve") -> ServerPlan:
        return ServerPlan(
            model_folder=model_folder,
            device="cpu",
            max_model_len=4096,
            max_num_seqs=4,
            kv_cache_bytes=1 << 20,
            extra_args=("--fake-mode", mode),
            cache_folder=tmp_path / "cache",
            log_path=tmp_path / "servers" / "test.log",
            python=python,
        )

    return make


@pytest.fixture
def left_behind(tmp_path: Path) -> Iterator[Callable[[], list[tuple[int, str]]]]:
    """Waits until no process mentions this test's folder; gives those that stay too long."""

    def hunt() -> list[tuple[int, str]]:
        deadline = time.monotonic() + GONE_WITHIN_S
        while (found := mentioning(str(tmp_path))) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    yield hunt
    stayed = hunt()
    for pid, _ in stayed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert stayed == []


def mentioning(text: str) -> list[tuple[int, str]]:
    """Running processes with this on their command line, besides the one that asks."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            )
        except OSError:
            continue
        if text in words and folder.name != str(os.getpid()):
            found.append((int(folder.name), words))
    return found
