import json
import subprocess
from typing import Any

import pytest

from rlm_local.sandbox.doctor import sandbox_report
from tests.architecture.repository import ROOT
from tests.sandbox.simulated_kernels import command

ASK = """
import asyncio, json
from rlm_local.sandbox.doctor import sandbox_report
report = asyncio.run(sandbox_report())
print(json.dumps([report.level, report.as_record(), report.refusal("auto")]))
"""


def _on(*kernels: str) -> tuple[str, dict[str, str], Any]:
    done = subprocess.run(
        command(kernels, "-c", ASK), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    level, record, refusal = json.loads(done.stdout)
    return level, record, refusal


async def test_the_report_is_that_of_a_repl_and_can_be_asked_for_inside_a_loop() -> None:
    report = await sandbox_report()
    assert report.level in {"full", "standard", "sealed"}
    assert report.refusal("auto") is None
    assert report.layers["seccomp"] == "active"
    assert len(report.properties) == 10


async def test_off_is_reported_as_off_when_it_is_asked_about() -> None:
    report = await sandbox_report("off")
    assert report.level == "off"


@pytest.mark.parametrize(
    ("kernels", "level", "degraded"),
    [
        (["landlock-missing"], "standard", {"second_layer"}),
        (["docker"], "standard", {"metadata", "second_layer", "threads"}),
        (["ubuntu-24.04"], "standard", {"metadata", "second_layer", "threads"}),
        (["docker-old"], "sealed", {"second_layer", "threads"}),
        (["gvisor"], "sealed", {"second_layer", "threads"}),
    ],
)
def test_on_lesser_kernels_it_says_what_is_degraded_and_how_to_mend_it(
    kernels: list[str], level: str, degraded: set[str]
) -> None:
    found, record, refusal = _on(*kernels)
    assert (found, refusal) == (level, None)
    told = {name for name, state in record.items() if state.startswith("degraded")}
    assert degraded <= {name for name in told if not name.startswith("layer.")}


def test_without_seccomp_it_is_unavailable_with_call_errno_and_fix() -> None:
    level, _, refusal = _on("no-seccomp")
    assert level == "unavailable"
    assert "EINVAL" in refusal
    assert "seccomp" in refusal
