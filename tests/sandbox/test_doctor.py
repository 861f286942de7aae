from rlm_local.sandbox.doctor import describe_layers, sandbox_report


def test_the_report_of_this_machine_names_each_property() -> None:
    report = sandbox_report()
    assert report["level"] in {"standard", "sealed", "unavailable"}
    assert {"files", "network", "processes", "memory"} <= set(report)


def test_a_machine_without_landlock_is_sealed_and_one_without_seccomp_unavailable() -> None:
    sealed = describe_layers({"landlock": "landlock_create_ruleset: ENOSYS"})
    assert sealed["level"] == "sealed"
    assert "ENOSYS" in sealed["files"]
    none = describe_layers({"seccomp": "seccomp: EINVAL"})
    assert none["level"] == "unavailable"
    assert none["network"] == "none: seccomp: EINVAL"
