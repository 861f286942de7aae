"""The table for layers as REPL processes report them."""

import pytest

from rlm_local.config import SandboxPolicy
from rlm_local.sandbox.properties import SandboxProperty, SandboxReport, judge

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
NO_NAMESPACES = {
    "namespaces": "degraded: unshare: EPERM (Operation not permitted)",
    "private_root": "degraded: needs namespaces, unshare: EPERM (Operation not permitted)",
    "threads": "degraded: bounded by the address space only; RLIMIT_NPROC needs namespaces",
}
NO_LANDLOCK = {"landlock": "degraded: landlock_create_ruleset: ENOSYS (Function not implemented)"}
SEALED = {"sealed": "active"}


def _judge(*changes: dict[str, str], policy: SandboxPolicy = "auto") -> SandboxReport:
    layers = dict(ALL)
    for change in changes:
        layers |= change
    return judge(layers, policy)


def _row(report: SandboxReport, name: str) -> SandboxProperty:
    (row,) = (row for row in report.properties if row.name == name)
    return row


def _degraded(report: SandboxReport) -> set[str]:
    return {row.name for row in report.degraded}


def test_with_every_layer_every_property_is_active() -> None:
    report = _judge()
    assert report.level == report.headline == "full"
    assert report.degraded == ()
    assert [row.name for row in report.properties] == [
        "files", "metadata", "network", "processes", "kernel_surface", "uid", "memory",
        "memory_hard", "threads", "second_layer",
    ]  # fmt: skip
    policies: tuple[SandboxPolicy, ...] = ("auto", "sealed", "require-full", "off")
    assert [report.refusal(policy) for policy in policies] == [None] * 4


def test_an_active_property_names_the_layers_that_give_it() -> None:
    report = _judge()
    assert _row(report, "files").layers == ("private_root", "landlock")
    assert _row(report, "files").told == "active: by private root, Landlock ABI 7"
    assert _row(report, "network").layers == ("seccomp", "namespaces", "landlock")
    assert _row(report, "uid").told == "active: by user id 1879050001"
    assert _row(report, "threads").told == "active: by thread limit RLIMIT_NPROC 64"


@pytest.mark.parametrize(
    ("abi", "network", "processes"), [(1, False, False), (4, True, False), (6, True, True)]
)
def test_landlock_is_named_only_for_what_its_abi_can_do(
    abi: int, network: bool, processes: bool
) -> None:
    report = _judge({"landlock": f"active: ABI {abi}"})
    assert ("landlock" in _row(report, "network").layers) is network
    assert ("landlock" in _row(report, "processes").layers) is processes


def test_landlock_and_seccomp_without_a_private_root_are_standard() -> None:
    report = _judge(NO_NAMESPACES)
    assert report.level == "standard"
    assert _degraded(report) == {"metadata", "threads", "second_layer"}
    assert _row(report, "files").layers == ("landlock",)


def test_a_private_root_and_seccomp_without_landlock_are_standard() -> None:
    report = _judge(NO_LANDLOCK)
    assert report.level == "standard"
    assert _degraded(report) == {"second_layer"}
    assert _row(report, "second_layer").layers == ("private_root",)


def test_without_both_only_sealed_mode_keeps_files_away() -> None:
    report = _judge(NO_NAMESPACES, NO_LANDLOCK, SEALED)
    assert report.level == report.headline == "sealed"
    assert report.is_sealed
    assert report.refusal("auto") is None
    assert _row(report, "files").told == "active: by sealed mode"
    assert _row(report, "metadata").state == "active"
    assert _degraded(report) == {"threads", "second_layer"}


def test_sealed_by_choice_with_every_layer_is_full_and_says_that_it_is_sealed() -> None:
    report = _judge(SEALED, policy="sealed")
    assert (report.level, report.headline, report.is_sealed) == ("full", "full, sealed", True)
    assert _row(report, "files").layers == ("private_root", "landlock", "sealed")


def test_off_promises_nothing() -> None:
    report = judge(dict.fromkeys(ALL, "off"), "off")
    assert report.level == "off"
    assert {row.state for row in report.properties} == {"off"}
    assert report.refusal("off") is None
    assert set(report.as_record().values()) == {"off"}


@pytest.mark.parametrize(
    ("layer", "state", "lost"),
    [
        (
            "seccomp",
            "degraded: seccomp: EINVAL (Invalid argument)",
            {"network", "processes", "kernel_surface"},
        ),
        ("rlimits", "degraded: setrlimit(9, 1): EPERM (Operation not permitted)", {"memory"}),
    ],
)
def test_without_a_required_property_no_cell_runs(layer: str, state: str, lost: set[str]) -> None:
    report = _judge({layer: state})
    assert report.level == "unavailable"
    assert {row.name for row in report.missing_required} == lost
    policies: tuple[SandboxPolicy, ...] = ("auto", "sealed", "require-full")
    for policy in policies:
        refusal = report.refusal(policy)
        assert refusal is not None
        assert state.removeprefix("degraded: ") in refusal
        assert "fix: " in refusal


def test_files_that_nothing_keeps_away_are_refused_not_degraded() -> None:
    report = _judge(NO_NAMESPACES, NO_LANDLOCK)
    assert [row.name for row in report.missing_required] == ["files"]


def test_require_full_names_every_row_with_its_call_errno_and_fix() -> None:
    refusal = _judge(NO_NAMESPACES, NO_LANDLOCK, SEALED).refusal("require-full")
    assert refusal is not None
    first, *rows = refusal.splitlines()
    assert "require-full" in first
    assert [row.split()[0] for row in rows] == ["threads", "second_layer"]
    assert all("fix: " in row for row in rows)
    assert "unshare: EPERM" in refusal


@pytest.mark.parametrize(
    "changes",
    [
        (NO_NAMESPACES,),
        (NO_LANDLOCK,),
        (NO_NAMESPACES, NO_LANDLOCK, SEALED),
        ({"uid": "degraded: root: read(/srv/python): EACCES (Permission denied)"},),
        ({"seccomp": "degraded: seccomp: EINVAL (Invalid argument)"},),
    ],
)
def test_what_is_not_active_has_an_effect_a_cause_and_a_fix(
    changes: tuple[dict[str, str], ...],
) -> None:
    report = _judge(*changes)
    assert report.degraded
    for row in report.degraded:
        assert row.effect
        assert row.cause
        assert row.fix
    for row in report.properties:
        if row.state == "active":
            assert (row.effect, row.cause, row.fix) == ("", "", "")


def test_a_root_that_stays_root_costs_one_row_and_no_refusal() -> None:
    uid = "degraded: root: read(/srv/python): EACCES (Permission denied)"
    report = _judge({"uid": uid})
    assert _degraded(report) == {"uid"}
    assert report.refusal("auto") is None
    assert "where users other than root can read" in _row(report, "uid").fix


def test_a_layer_nobody_reported_is_off() -> None:
    report = judge({}, "auto")
    assert report.level == "unavailable"
    assert not report.is_sealed


def test_the_record_has_policy_level_properties_and_layers_as_text() -> None:
    record = _judge(NO_LANDLOCK).as_record()
    assert record["policy"] == "auto"
    assert record["level"] == "standard"
    assert record["files"] == "active: by private root"
    assert record["second_layer"].startswith("degraded: one layer alone keeps files away")
    assert "ENOSYS" in record["second_layer"]
    assert record["layer.seccomp"] == "active"
    assert record["layer.landlock"] == NO_LANDLOCK["landlock"]


def test_a_machine_that_could_not_be_asked_refuses_with_its_reason() -> None:
    report = SandboxReport("auto", "unavailable", (), {}, reason="it was killed")
    assert report.refusal("auto") == report.refusal("require-full") == "it was killed"
    assert report.as_record()["reason"] == "it was killed"
