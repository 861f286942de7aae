"""What is left of model servers whose members are killed at random moments.

    python -m benchmarks.server_lifecycle [--n 50] [--stack cpu-tiny] [--latest-s 180] [--seed 1]

Each round starts one or two `rlm-local ask` in a home of its own with nothing up, waits for a
random phase and a moment more, kills random members with SIGKILL (an asker, a guardian, an API
server, an engine, a worker, or two of them), ends what asks on in a random way, and counts:
processes left, files and sockets left after the next command has looked, locks that cannot be had.
Exit status 1 when anything is.

`--python` puts another executable in the place of the interpreter that runs vLLM, such as a
stand-in that is up at once; the askers are then a small program that uses the servers and waits.
"""

import argparse
import fcntl
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.report import Measure, Report, Value, print_report
from rlm_local.config import HOME_VARIABLE, Home

__all__ = ["main"]

_GONE_WITHIN_S = 15.0
"""The guardian's notice, its grace, and a busy machine."""
_ENDED_WITHIN_S = 60.0
_PHASES = ("asker", "guardian", "API server", "engine", "worker", "ready")
"""Each begins when the first process of that role is there; the last when requests are served."""
_MOMENT_S = 2.0
"""At most so long after a phase's beginning."""
_QUESTION = "Which word stands here?"
_USER = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from rlm_local.session.servers import Machine, get_servers

class Silence:
    def phase(self, name, elapsed_s): pass
    def warn(self, message): pass

async def main():
    models_file, python, stack = sys.argv[1:]
    machine = replace(
        Machine.here(Path(models_file) if models_file else None), python=Path(python)
    )
    servers = await get_servers(machine, stack, Silence())
    try:
        await asyncio.sleep(3600)
    finally:
        await servers.release()

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run of the benchmark."""

    n: int
    stack: str
    models_file: str
    python: str
    weights: Path
    latest_s: float


@dataclass(slots=True)
class Round:
    """One round: what was killed, and what was left."""

    number: int
    askers: int
    phase: str
    after_s: float = 0.0
    killed: list[str] = field(default_factory=list)
    ended_by: str = ""
    orphans: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    sockets: int = 0
    locks: int = 0

    @property
    def left(self) -> int:
        """Things left of any kind."""
        return len(self.orphans) + len(self.files) + self.sockets + self.locks

    def as_row(self) -> dict[str, Value]:
        """For the report."""
        return {
            "round": self.number,
            "askers": self.askers,
            "phase": self.phase,
            "after_s": round(self.after_s, 1),
            "killed": ", ".join(self.killed) or "nobody",
            "ended_by": self.ended_by,
            "left": "; ".join([*self.orphans, *self.files]) or "nothing",
        }


class _Family:
    """Every process of a home: seen below an asker, of such a one's session, or naming it."""

    def __init__(self, home: Path) -> None:
        self._home = str(home)
        self._seen: set[psutil.Process] = set()
        self._sessions: set[int] = set()

    def note(self, pids: Sequence[int]) -> None:
        """Remember what is below these now."""
        for pid in pids:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                process = psutil.Process(pid)
                for one in (process, *process.children(recursive=True)):
                    self._seen.add(one)
                    self._sessions.add(os.getsid(one.pid))
        self._sessions.discard(os.getsid(0))

    def running(self) -> list[psutil.Process]:
        """Those that run."""
        return [process for process in psutil.process_iter() if self._is_of_it(process)]

    def _is_of_it(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid():
            return False
        with suppress(psutil.Error, ProcessLookupError):
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return False
            if process in self._seen or os.getsid(process.pid) in self._sessions:
                return True
            texts = [*process.cmdline(), *process.environ().values()]
            return any(self._home in text for text in texts)
        return False


def _role(process: psutil.Process) -> str | None:
    with suppress(psutil.Error):
        line = process.cmdline()
        if line and line[0].startswith("VLLM::"):
            return "engine" if line[0].startswith("VLLM::Engine") else "worker"
        words = " ".join(line)
        for mark, name in (
            ("serving.guardian", "guardian"), ("api_server", "API server"),
            ("rlm_local ask", "asker"), ("get_servers", "asker"),
        ):  # fmt: skip
            if mark in words:
                return name
    return None


def _play(number: int, options: Options, chance: random.Random) -> Round:
    with ExitStack() as things:
        home, environment = things.enter_context(_own_home(options.weights))
        played = Round(number, chance.choice((1, 1, 2)), chance.choice(_PHASES))
        family = _Family(home)
        started = time.monotonic()
        askers = [_start_asker(home, environment, options) for _ in range(played.askers)]
        pids = [asker.pid for asker in askers]
        try:
            _until(
                lambda: family.note(pids),
                options.latest_s,
                lambda: _has_begun(played.phase, family, home),
            )
            _until(lambda: family.note(pids), chance.uniform(0, _MOMENT_S))
            played.after_s = time.monotonic() - started
            _kill_members(family, played, chance)
            _until(lambda: family.note(pids), chance.choice((0.0, 0.5, 3.0)))
            _end_askers(askers, played, chance)
            _until(lambda: None, _GONE_WITHIN_S, lambda: not family.running())
            played.orphans = [_named(process) for process in family.running()]
            _count_files(home, environment, played)
        finally:
            for process in family.running():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            for asker in askers:
                asker.kill()
                asker.wait()
        return played


def _has_begun(phase: str, family: _Family, home: Path) -> bool:
    if phase == "ready":
        said = (path.read_text() for path in (home / "t").glob("rlm-local-*/state.json"))
        return any('"ready"' in text for text in said)
    return any(_role(process) == phase for process in family.running())


def _start_asker(
    home: Path, environment: dict[str, str], options: Options
) -> "subprocess.Popen[bytes]":
    if options.python:
        told = (options.models_file, options.python, options.stack)
        command = [sys.executable, "-c", _USER, *told]
    else:
        models = ["--models-file", options.models_file] if options.models_file else []
        command = [
            *(sys.executable, "-m", "rlm_local", "ask", _QUESTION, "--context"),
            *(str(home / "text.txt"), "--stack", options.stack, "--quiet", *models),
        ]
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _kill_members(family: _Family, played: Round, chance: random.Random) -> None:
    members = [(role, one) for one in family.running() if (role := _role(one))]
    chance.shuffle(members)
    for role, process in members[: chance.choice((1, 1, 1, 2))]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            played.killed.append(role)


def _end_askers(
    askers: "list[subprocess.Popen[bytes]]", played: Round, chance: random.Random
) -> None:
    number = chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
    played.ended_by = number.name
    for asker in askers:
        if asker.poll() is None:
            asker.send_signal(number)
    for asker in askers:
        asker.wait(_ENDED_WITHIN_S)


def _count_files(home: Path, environment: dict[str, str], played: Round) -> None:
    """After the next command, which sweeps up after guardians that were killed."""
    command = [sys.executable, "-m", "rlm_local", "status"]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    servers = home / "servers"
    left = [*(home / "t").glob("rlm-local-*"), *(servers / "guardians").glob("*")]
    played.files = [path.name for path in (*left, *servers.glob("*.json"))]
    bound = Path("/proc/net/unix").read_text("utf-8", "replace")
    played.sockets = sum(str(home) in line for line in bound.splitlines())
    played.locks = sum(not _can_be_had(path) for path in servers.glob("*.lock"))


def _can_be_had(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def _own_home(weights: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        home = Path(name)
        (home / "t").mkdir()
        (home / "weights").symlink_to(weights)
        (home / "text.txt").write_text("The word is plum.\n")
        yield home, {**os.environ, HOME_VARIABLE: name, "TMPDIR": str(home / "t")}


def _until(
    step: Callable[[], object], timeout_s: float, holds: Callable[[], bool] = lambda: False
) -> None:
    """Take a step again and again until it holds or the time is over; at least once."""
    deadline = time.monotonic() + timeout_s
    while True:
        step()
        if holds() or time.monotonic() >= deadline:
            return
        time.sleep(0.05)


def _named(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid} {_role(process) or ' '.join(process.cmdline())[:60]}"
    return str(process.pid)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 when anything was left."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stack", default="cpu-tiny")
    parser.add_argument("--models-file", default="")
    parser.add_argument("--python", default="")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--latest-s", type=float, default=180.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    weights = given.weights or Home.from_environment().folder("weights")
    options = Options(
        given.n, given.stack, given.models_file, given.python, weights, given.latest_s
    )
    # A shell that runs this in the background has it ignored, and the askers would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chance = random.Random(given.seed)
    rounds = []
    for number in range(1, options.n + 1):
        rounds.append(_play(number, options, chance))
        print(f"{number}: {rounds[-1].as_row()}", file=sys.stderr, flush=True)
    print_report(_report(rounds, given.seed), as_json=given.json)
    return int(any(played.left for played in rounds))


def _report(rounds: Sequence[Round], seed: int) -> Report:
    killed = Counter(role for played in rounds for role in played.killed)
    counted = {
        "orphans": sum(len(played.orphans) for played in rounds),
        "stale locks": sum(played.locks for played in rounds),
        "sockets kept": sum(played.sockets for played in rounds),
        "files left": sum(len(played.files) for played in rounds),
    }
    measures = tuple(Measure(name, n, "", "bar", 0) for name, n in counted.items())
    return Report(
        f"{len(rounds)} starts and stops, members killed at random moments",
        measures,
        rows=tuple(played.as_row() for played in rounds),
        conditions={"seed": seed, **{f"killed: {role}": n for role, n in sorted(killed.items())}},
    )


if __name__ == "__main__":
    sys.exit(main())
