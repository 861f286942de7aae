import json

import pytest
from click.testing import CliRunner

from rlm_local.cli.doctor import doctor
from rlm_local.cli.doctor_sandbox import sandbox_check, sandbox_json, sandbox_lines
from rlm_local.sandbox.properties import SandboxReport, judge

ALL = {
    "namespaces": "active",
    "private_root": "active: 9 read-only places",
    "uid": "active: 1879050001",
    "no_new_privs": "active",
    "landlock": "active: ABI 7",
    "capabilities": "active",
    "rlimits": "active",
    "threads": "active: RLIMIT_NPROC 64",
    "seccomp": "active",
    "sealed": "off",
}
FULL = judge(ALL, "auto")
STANDARD = judge(ALL | {"landlock": "degraded: landlock_create_ruleset: ENOSYS (none)"}, "auto")
SEALED = judge(
    ALL
    | {
        "landlock": "degraded: landlock_create_ruleset: ENOSYS (none)",
        "private_root": "degraded: needs namespaces, unshare: EPERM (no)",
        "sealed": "active",
    },
    "auto",
)
NOTHING = SandboxReport(
    "auto", "unavailable", (), {}, reason="seccomp: EINVAL; fix: another kernel"
)


@pytest.mark.parametrize(
    ("report", "level"), [(FULL, "ok"), (STANDARD, "ok"), (SEALED, "warn"), (NOTHING, "fail")]
)
def test_the_level_decides_what_the_check_says(report: SandboxReport, level: str) -> None:
    assert sandbox_check(report).level == level


def test_a_property_that_is_active_is_one_line_with_its_layers() -> None:
    lines = list(sandbox_lines(FULL))
    assert len(lines) == len(FULL.properties)
    assert lines[0].split() == [
        "files", "no", "file", "of", "yours", "can", "be", "read", "or", "changed", "[private",
        "root,", "Landlock", "ABI", "7]",
    ]  # fmt: skip


def test_a_degraded_property_says_what_follows_why_and_what_mends_it() -> None:
    lines = [line.strip() for line in sandbox_lines(STANDARD)]
    (effect,) = (n for n, line in enumerate(lines) if line.startswith("second_layer"))
    assert "DEGRADED: one layer alone" in lines[effect]
    assert lines[effect + 1] == "because Landlock: landlock_create_ruleset: ENOSYS (none)"
    assert lines[effect + 2].startswith("fix: use Linux 5.13")


def test_json_has_the_table_and_which_policies_would_run() -> None:
    shown = json.loads(json.dumps(sandbox_json(STANDARD)))
    assert set(shown) == {"policy", "level", "reason", "would_run", "properties", "layers"}
    assert shown["would_run"] == {"auto": True, "require-full": False}
    assert shown["properties"]["files"]["layers"] == ["private_root"]
    row = shown["properties"]["second_layer"]
    assert (row["state"], row["required"]) == ("degraded", False)
    assert row["fix"]


def test_this_machine_shows_its_sandbox_alone_when_asked() -> None:
    done = CliRunner().invoke(doctor, ["--sandbox-only"])
    assert done.exit_code == 0
    names = {line.split()[0] for line in done.stdout.splitlines()}
    assert {row.name for row in FULL.properties} <= names
    assert "memory:" not in done.stdout, "no other check"
    shown = json.loads(CliRunner().invoke(doctor, ["--sandbox-only", "--json"]).stdout)
    assert [check["name"] for check in shown["checks"]] == ["sandbox"]
    assert set(shown["sandbox"]["properties"]) == {row.name for row in FULL.properties}
