from pathlib import Path

import pytest

from tests.planner.machine_on_disk import MachineOnDisk


@pytest.fixture
def machine(tmp_path: Path) -> MachineOnDisk:
    return MachineOnDisk(tmp_path)
