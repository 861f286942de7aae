"""A machine made of files: its /proc, its cgroup mount, its nvidia-smi."""

from pathlib import Path

from rlm_local.planner.hardware import Hardware, HardwareSources, probe

_MACHINES = Path(__file__).parent / "machines"


class MachineOnDisk:
    """Starts as a workstation without GPU; `write` changes it, `probe` reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("proc/meminfo", (_MACHINES / "workstation_meminfo.txt").read_text())
        self.write("proc/cpuinfo", (_MACHINES / "workstation_cpuinfo.txt").read_text())
        self.write("proc/self/cgroup", "0::/\n")
        self.visible: str | None = None
        self.cores = frozenset({0, 1, 2, 3})

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def with_smi(self, table: str, *, status: int = 0) -> None:
        script = f"#!/bin/sh\ncat <<'END'\n{table}\nEND\nexit {status}\n"
        self.write("nvidia-smi", script).chmod(0o755)

    def probe(self) -> Hardware:
        return probe(
            HardwareSources(
                proc=self.folder / "proc",
                cgroup=self.folder / "cgroup",
                nvidia_smi=str(self.folder / "nvidia-smi"),
                usable_cores=self.cores,
                visible_devices=self.visible,
            )
        )
