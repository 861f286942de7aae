"""What the host finds wrong with a process, by what the kernel tells."""

import os
from collections.abc import Iterator
from subprocess import DEVNULL, Popen

import pytest

from rlm_local.errors import SandboxError, SandboxUnavailable
from rlm_local.sandbox.outside_check import check_from_outside
from tests.sandbox.conftest import OpenPool


@pytest.fixture
def sleeper() -> Iterator[int]:
    with Popen(["/bin/sleep", "600"], stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize(
    ("report", "found"),
    [
        ({}, "Seccomp is 0; NoNewPrivs is 0"),
        ({"uid": "active: 12345"}, "it says that its uid is 12345, but Uid is"),
        ({"uid": "active: 0"}, "it says that its uid is 0"),
        ({"namespaces": "active"}, "namespaces, but user is the host's"),
        ({"namespaces": "active"}, "namespaces, but pid is the host's"),
        ({"private_root": "active: 7 places"}, "a private root, but it is the host's"),
    ],
)
def test_an_unconfined_process_is_refused_for_each_thing_it_claims(
    sleeper: int, report: dict[str, str], found: str
) -> None:
    with pytest.raises(SandboxUnavailable, match=found):
        check_from_outside(sleeper, report)


def test_a_descriptor_too_many_is_found() -> None:
    extra = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(SandboxUnavailable, match=rf"the open descriptors (\d+, )*{extra}\b"):
            check_from_outside(os.getpid(), {})
    finally:
        os.close(extra)


def test_a_process_that_is_gone_cannot_be_checked() -> None:
    process = Popen(["/bin/true"])
    process.wait()
    with pytest.raises(SandboxError, match="cannot check a REPL process"):
        check_from_outside(process.pid, {})


async def test_a_confined_repl_passes(open_pool: OpenPool) -> None:
    pool = await open_pool()
    assert pool.report["seccomp"] == "active"


@pytest.mark.parametrize(
    ("left_out", "found"),
    [
        ("seccomp", "Seccomp is 0"),
        ("capabilities", "CapEff is "),
        ("closed_descriptors", "it has the open descriptors 4"),
    ],
)
async def test_a_repl_that_lacks_what_every_repl_has_is_refused(
    open_pool: OpenPool, left_out: str, found: str
) -> None:
    with pytest.raises(SandboxUnavailable, match=found):
        await open_pool(without=frozenset({left_out, "self_probe"}))


@pytest.mark.parametrize(
    ("left_out", "found"),
    [
        ("seccomp", "make an internet socket"),
        ("closed_descriptors", r"use the open descriptors \["),
    ],
)
async def test_a_repl_that_can_do_too_much_finds_it_out_itself(
    open_pool: OpenPool, left_out: str, found: str
) -> None:
    with pytest.raises(SandboxUnavailable, match=f"the sandbox probe failed.*{found}"):
        await open_pool(without=frozenset({left_out, "outside_check"}))
