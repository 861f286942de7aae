"""A process of the host's user for attacks to hurt, and the look at whether they did."""

import os
import resource
import subprocess
import time
from pathlib import Path

__all__ = ["Victim"]

_LIMITS = (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC)


class Victim:
    """Sleeps; has a secret in its arguments and its environment, and a file open as its fd 0."""

    def __init__(self, *, argument: str, variable: str, opened: Path) -> None:
        with opened.open("rb") as file:
            self._process = subprocess.Popen(
                [argument, "600"],
                executable="/bin/sleep",
                env={"SECRET": variable},
                stdin=file,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.pid = self._process.pid
        # Popen is back once the old program is gone; the new one's memory comes a little later.
        while variable not in Path(f"/proc/{self.pid}/environ").read_text():
            time.sleep(0.0005)
        fields = _stat(self.pid)
        self._environment = (int(fields[47]), int(fields[48]) - int(fields[47]))
        self._before = self._facts()

    def names(self) -> dict[str, object]:
        """What the attacker is told."""
        address, size = self._environment
        return {"VICTIM": self.pid, "VICTIM_ADDRESS": address, "VICTIM_BYTES": size}

    def changes(self) -> list[str]:
        """What is not as it was; "dead" alone where it is."""
        if self._is_dead():
            return ["dead"]
        after = self._facts()
        return [name for name, value in self._before.items() if after[name] != value]

    def settle(self, within_s: float) -> None:
        """Give what was done to it the time to be seen; at once where it is seen already."""
        until_s = time.monotonic() + within_s
        while not self.changes() and time.monotonic() < until_s:
            time.sleep(0.001)

    def close(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()

    def _is_dead(self) -> bool:
        return self._process.poll() is not None or _stat(self.pid)[0] in "ZX"

    def _facts(self) -> dict[str, object]:
        status = Path(f"/proc/{self.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        waiting = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
        return {
            "stopped": _stat(self.pid)[0] in "Tt",
            "traced": int(fields["TracerPid"]) != 0,
            "signalled": waiting,
            "limits": [resource.prlimit(self.pid, kind) for kind in _LIMITS],
            "priority": os.getpriority(os.PRIO_PROCESS, self.pid),
            "affinity": os.sched_getaffinity(self.pid),
            "scheduler": os.sched_getscheduler(self.pid),
            "score": Path(f"/proc/{self.pid}/oom_score_adj").read_text(),
        }


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on, which is number 3 of the manual page."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
