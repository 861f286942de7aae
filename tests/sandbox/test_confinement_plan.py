"""Which layers a policy comes to where the kernel refuses some."""

import pytest

from rlm_local.sandbox.child.confinement import LAYERS, Confinement, NotConfined

NOTHING: frozenset[str] = frozenset()


def test_every_layer_is_wanted_unless_the_sandbox_is_off() -> None:
    assert Confinement("auto", uid=7, without=NOTHING).wanted == set(LAYERS)
    off = Confinement("off", uid=7, without=NOTHING)
    assert off.wanted == set()
    assert set(off.report.values()) == {"off"}


def test_who_is_not_root_has_nobody_else_to_become() -> None:
    assert not Confinement("auto", uid=None, without=NOTHING).has("uid")


def test_a_private_root_needs_namespaces() -> None:
    plan = Confinement("auto", uid=7, without=NOTHING)
    plan.lose("namespaces", "unshare: EPERM")
    assert not plan.has("private_root")
    assert plan.report["namespaces"] == "degraded: unshare: EPERM"
    assert plan.report["private_root"] == "degraded: needs namespaces, unshare: EPERM"
    assert not Confinement("auto", uid=7, without=frozenset({"namespaces"})).has("private_root")


@pytest.mark.parametrize("lost", [["landlock"], ["namespaces"], ["private_root"]])
def test_one_file_layer_is_enough_not_to_seal(lost: list[str]) -> None:
    plan = Confinement("auto", uid=7, without=NOTHING)
    for layer in lost:
        plan.lose(layer, "no")
    plan.settle()
    assert not plan.sealed


@pytest.mark.parametrize("policy", ["auto", "require-full"])
def test_without_any_file_layer_it_is_sealed(policy: str) -> None:
    plan = Confinement(policy, uid=7, without=NOTHING)
    plan.lose("namespaces", "no")
    plan.lose("landlock", "no")
    plan.settle()
    assert plan.sealed


@pytest.mark.parametrize("layer", ["seccomp", "capabilities", "rlimits"])
def test_there_is_no_confinement_without_a_required_layer(layer: str) -> None:
    plan = Confinement("auto", uid=7, without=NOTHING)
    with pytest.raises(NotConfined, match=f"{layer} is not available: prctl: EINVAL; "):
        plan.lose(layer, "prctl: EINVAL")


def test_what_a_test_leaves_out_is_said_and_does_not_seal() -> None:
    plan = Confinement("auto", uid=7, without=frozenset({"landlock", "private_root"}))
    plan.settle()
    assert plan.report["landlock"] == "off: left out by the caller"
    assert not plan.sealed


def test_sealed_is_sealed_whatever_there_is() -> None:
    plan = Confinement("sealed", uid=7, without=NOTHING)
    plan.settle()
    assert plan.sealed
    assert plan.has("landlock")
