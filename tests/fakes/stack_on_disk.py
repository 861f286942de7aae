"""A models.yaml with one small stack, its weights, and a record of servers that are up for it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from rlm_local.registry import load_registry
from rlm_local.serving.leases import keep
from rlm_local.serving.processes import identify
from rlm_local.serving.server_records import ServerRecord, ServerRecords, StackRecord
from rlm_local.weights.store import WeightStore

__all__ = ["pull_tiny", "servers_up", "write_models_file"]

_SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]


def write_models_file(path: Path, *, weight_bytes: int = 20_000, **stack: object) -> Path:
    """Model `tiny` and the stacks `small` (as given; on the CPU) and `smaller` (in process)."""
    model = {
        "license": "Apache-2.0",
        "context_tokens": 8192,
        "weight_bytes": weight_bytes,
        "kv_bytes_per_token": 64,
        "source": {"repo": "someone/tiny"},
        "worker": {"max_tokens": 64},
    }
    small = {"root": "tiny", "device": "cpu", "max_model_len": 8192, **stack}
    other = {"root": "light", "backend": "transformers", "device": "cpu", "max_model_len": 8192}
    whole = {
        "models": {"tiny": model, "light": {**model, "weight_bytes": 20_000}},
        "profiles": {"coder": {"style": "fence", "system": "coder", "max_reply_tokens": 32}},
        "stacks": {"small": small, "smaller": other},
    }
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return path


def pull_tiny(models_file: Path, home: Path, given: Path) -> Path:
    """Put the weights of `tiny` into a home's store; gives the folder they are served from."""
    store = WeightStore(home / "weights", load_registry(models_file))
    store.pull("tiny", source=given)
    return store.location("tiny", serving="transformers")


@contextmanager
def servers_up(home: Path, base_url: str, model_folder: Path) -> Iterator[StackRecord]:
    """A record that `small` is up at an address, with a living process for its guardian."""
    guardian = subprocess.Popen(_SLEEPER, start_new_session=True)
    process = identify(guardian.pid)
    assert process is not None
    log = home / "servers" / "small-root.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    record = ServerRecord(
        guardian_pid=process.pid,
        guardian_start_ticks=process.start_ticks,
        base_url=base_url,
        uds=None,
        api_key="secret",
        served_names=("root", "worker"),
        model="tiny",
        digest="sha256:feed",
        max_model_len=8192,
        max_num_seqs=4,
        model_folder=model_folder,
        log_path=log,
        folder=home / "server",
    )
    record.leases.mkdir(parents=True)
    keep(record.leases, 0)
    try:
        yield ServerRecords(home / "servers").write("small", (record,))
    finally:
        guardian.kill()
        guardian.wait()
