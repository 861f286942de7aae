"""Every attack in every configuration: all layers, all but one, one alone; as root and as nobody.

What gets through is compared by name with what each attack says of itself (`Attack.stopped_by`),
so an attack that fails for a reason of its own shows as well, as one that should have worked.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest

from tests.sandbox.attacks.campaign import (
    ALL_BUT_ONE,
    WHOLE,
    Verdict,
    run_campaign,
)
from tests.sandbox.attacks.case import LAYERS
from tests.sandbox.attacks.catalogue import ATTACKS

Who = Literal["itself", "nobody", "root with a readable Python"]
_FLAGS: dict[Who, str] = {"nobody": "--as-user", "root with a readable Python": "--readable"}
_MOST_ABSENT = 12
METADATA = {"stat", "stat by statx", "access", "exists", "readlink", "realpath"}
NOTHING: set[str] = set()

# What only one layer stops is what gets through without it.
GETS_THROUGH_WITHOUT = {
    "capabilities": NOTHING,
    "landlock": NOTHING,
    "namespaces": METADATA,
    "private_root": METADATA,
    "rlimits": NOTHING,
    "uid": NOTHING,
}

# Configuration -> (some that have to get through, some that must not), by what is known of each
# kind of layer; the rest is compared with what the attacks say of themselves.
KNOWN: dict[str, tuple[set[str], set[str]]] = {
    "landlock alone": (
        {"chmod", "utime", "stat", "change folder", "watch by inotify", "udp", "tcp fast open",
         "unix stream", "unix datagram", "netlink route", "vsock", "shared memory",
         "the host's shared memory", "add a key", "memory file", "limit a process",
         "slow a process down", "fork", "a user namespace", "userfaultfd", "int 0x80"},
        {"read", "list", "create", "append", "unlink", "tcp", "abstract stream", "kill a process",
         "signal by F_SETOWN", "attach to a process", "read the host's memory",
         "environment of a process", "run a program", "load a planted library"},
    ),
    "seccomp alone": (
        {"read", "list", "stat", "environment of a process", "memory file of the host",
         "load a planted library", "look up a name", "read by an import"},
        # The report's filter let files be written; ours looks at the flags of open as well.
        {"create", "append", "overwrite", "poison the interpreter", "chmod", "tcp", "udp",
         "unix stream", "pair by sendto", "kill a process", "fork", "memory file", "int 0x80"},
    ),
    "namespaces and private root alone": (
        {"listen on loopback", "netlink route", "vsock", "add a key", "memory file", "fork",
         "a user namespace", "userfaultfd", "int 0x80"},
        {"read", "list", "create", "chmod", "stat", "tcp", "udp", "unix stream",
         "abstract stream", "kill a process", "attach to a process", "environment of a process",
         "the host's shared memory", "limit a process", "run a program"},
    ),
    "namespaces alone": (
        {"read", "create", "unix stream", "arguments of a process"},
        {"tcp", "abstract stream", "kill a process", "attach to a process",
         "environment of a process", "the host's shared memory"},
    ),
    "capabilities alone": ({"read", "create", "tcp", "kill a process", "fork"}, {"mount", "chown"}),
    "rlimits alone": ({"read", "create", "tcp", "kill a process", "fork"}, {"append"}),
    "landlock and seccomp": (METADATA, {"read", "list", "list attributes", "change folder"}),
}  # fmt: skip
# What differs from root's, to save time.
_WHOLE_OF_NOBODY = ("auto", "sealed")
_OF_NOBODY = ("without landlock", "without namespaces", "without private_root", "without seccomp")
_ALONE_OF_NOBODY = (
    "landlock alone", "seccomp alone", "namespaces and private root alone", "sealed alone",
)  # fmt: skip
HOLDS_ALL = ("namespaces and seccomp", "sealed alone")


async def judge(who: Who, names: tuple[str, ...], folder: Path) -> Mapping[str, Verdict]:
    """The verdicts of some configurations, of a host that runs as `who`."""
    if who == "itself":
        return await run_campaign(names, ATTACKS.values())
    command = [sys.executable, "-m", "tests.sandbox.attacks", _FLAGS[who]]
    ran = await asyncio.to_thread(
        subprocess.run,
        [*command, "--campaign", ",".join(names)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert not ran.stderr, ran.stderr
    lines = (line.split("\t", 1) for line in ran.stdout.splitlines())
    return {name: Verdict.from_json(line) for name, line in lines}


def _degraded(report: Mapping[str, str]) -> set[str]:
    """Layers that this machine refuses; what is left is held to what it can still do."""
    lost = {layer for layer in LAYERS if report[layer].startswith("degraded")}
    return lost - {"uid"}  # it stops nothing that two others do not


everybody = pytest.mark.parametrize("who", ["itself", "nobody"])
longer = pytest.mark.timeout(300)


@everybody
async def test_every_attack_works_where_nothing_confines(who: Who, tmp_path: Path) -> None:
    verdict = (await judge(who, ("off",), tmp_path))["off"]
    assert not verdict.unlike
    assert len(verdict.absent) <= _MOST_ABSENT, sorted(verdict.absent)
    assert set(verdict.report.values()) == {"off"}


@longer
@everybody
async def test_no_attack_leaves_a_trace_where_everything_confines(who: Who, tmp_path: Path) -> None:
    verdicts = await judge(who, WHOLE if who == "itself" else _WHOLE_OF_NOBODY, tmp_path)
    for name, verdict in verdicts.items():
        if name == "require-full" and _degraded(verdicts["auto"].report):
            assert verdict.refused is not None
            continue
        assert verdict.refused is None, name
        hidden = {"active"} & {verdict.report[layer][:6] for layer in ("private_root", "sealed")}
        assert verdict.breached == (NOTHING if hidden else METADATA), (name, verdict.unlike)
        assert verdict.run == set(ATTACKS), name


@longer
@everybody
async def test_what_gets_through_without_a_layer_is_what_only_that_layer_stops(
    who: Who, tmp_path: Path
) -> None:
    verdicts = await judge(who, ALL_BUT_ONE if who == "itself" else _OF_NOBODY, tmp_path)
    for name, verdict in verdicts.items():
        left_out = name.removeprefix("without ")
        if left_out != "uid" or os.geteuid() == 0:  # else it is the host's, and stays
            assert verdict.report[left_out] == "off: left out by the caller"
        assert not verdict.unlike, (name, verdict.unlike)
        if left_out == "seccomp":
            # Nothing of the host's is reached; what works is the kernel's surface.
            kinds = {ATTACKS[attack].kind for attack in verdict.worked}
            assert kinds == {"word", "descriptor", "process"}
        elif not _degraded(verdict.report):  # else two are left out, or more
            assert verdict.breached == GETS_THROUGH_WITHOUT[left_out], name


@longer
@everybody
async def test_a_layer_alone_stops_what_it_is_known_to_stop(who: Who, tmp_path: Path) -> None:
    alone = (*KNOWN, *HOLDS_ALL) if who == "itself" else _ALONE_OF_NOBODY
    verdicts = await judge(who, alone, tmp_path)
    for name, verdict in verdicts.items():
        assert not verdict.unlike, (name, verdict.unlike)
        if _degraded(verdict.report):  # then it is another one alone, or none
            continue
        if name in HOLDS_ALL:
            assert verdict.breached == NOTHING, name
            continue
        through, out = KNOWN[name]
        assert through - verdict.absent <= verdict.worked, (name, through - verdict.worked)
        assert not out & verdict.worked, (name, out & verdict.worked)
        if name == "landlock and seccomp":
            assert verdict.breached == METADATA


@longer
async def test_another_user_id_keeps_root_out_of_what_is_roots(tmp_path: Path) -> None:
    """A host that is no root has none to give: there the id changes nothing."""
    names = ("uid alone", "without namespaces", "without private_root")
    verdicts = await judge("root with a readable Python", names, tmp_path)
    for name, verdict in verdicts.items():
        assert verdict.report["uid"].startswith("active: "), (name, verdict.report)
        assert not verdict.unlike, (name, verdict.unlike)
    assert verdicts["without private_root"].breached == METADATA
    alone = verdicts["uid alone"].worked
    if os.geteuid() == 0:
        assert not {"read", "create", "kill a process", "environment of a process"} & alone
    assert {"read what all may read", "stat", "tcp", "fork"} <= alone
