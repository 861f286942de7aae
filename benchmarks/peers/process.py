"""One question to a peer: an order as a JSON line in, a reply as a JSON line out.

The peer runs in a process group of its own, which is killed when the time is up or the question is
given up: peers start further processes and threads that nobody else would end.
"""

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peers.programs.protocol import Order, Said

__all__ = ["PeerReply", "ask_peer"]

_ROOT = Path(__file__).resolve().parents[2]
_LAST_LINES = 3
_QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else litellm fetches a price list when imported
    "LITELLM_LOG": "ERROR",
    "DO_NOT_TRACK": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True)
class PeerReply:
    """What a peer said; with an `error` there may be no answer. Times are `time.monotonic()`."""

    answer: str
    error: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    turns: int = 0
    called_s: float = 0.0
    done_s: float = 0.0


async def ask_peer(
    python: Path, program: str, order: Order, *, timeout_s: float | None = None
) -> PeerReply:
    """Run a program of `benchmarks.peers.programs` under the Python of a peer's environment.

    What goes wrong is a reply with an `error`, never an exception.
    """
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            str(python),
            "-m",
            f"benchmarks.peers.programs.{program}",
            cwd=folder,
            env=_environment(os.environ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        line = json.dumps(asdict(order)).encode() + b"\n"
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate(line)
        except TimeoutError:
            return PeerReply("", f"no answer within {timeout_s:g} s; ended")
        finally:
            _kill_group(process.pid)
            await process.wait()
    return _reply(out, err, process.returncode)


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in ours.items()
        if not name.startswith(("RLM_LOCAL", "PYTHON", "VIRTUAL_ENV"))
    }
    near = [name for name in (ours.get("NO_PROXY"), "127.0.0.1", "localhost") if name]
    return {**kept, **_QUIET, "PYTHONPATH": str(_ROOT), "NO_PROXY": ",".join(near)}


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _reply(out: bytes, err: bytes, code: int | None) -> PeerReply:
    lines = out.decode(errors="replace").splitlines()
    try:
        said = Said(**json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        last = " | ".join(err.decode(errors="replace").strip().splitlines()[-_LAST_LINES:])
        return PeerReply("", f"ended with {code} and said nothing: {last}")
    return PeerReply(**asdict(said))
