"""What the layers of a sandbox come to, in a user's words: a table of properties.

A layer is a means (Landlock); a property is an end (nobody's files can be read), which holds when
one of the layers that give it does. Pure: judges the report of a REPL process, starts none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rlm_local.config import SandboxPolicy
from rlm_local.sandbox.remedies import remedy

__all__ = ["Level", "PropertyState", "SandboxProperty", "SandboxReport", "judge"]

PropertyState = Literal["active", "degraded", "refused", "off"]
Level = Literal["full", "standard", "sealed", "off", "unavailable"]
"""full: every property holds. standard: all that are required. sealed: files are kept away by
sealed mode alone. unavailable: something required is missing, so no cell may run."""

_SHOWN_AS = {
    "namespaces": "namespaces",
    "private_root": "private root",
    "uid": "user id",
    "no_new_privs": "no_new_privs",
    "landlock": "Landlock",
    "capabilities": "no capabilities",
    "rlimits": "resource limits",
    "threads": "thread limit",
    "seccomp": "seccomp",
    "sealed": "sealed mode",
}
_WITH_DETAIL = ("landlock", "threads", "uid")
_FILE_LAYERS = ("private_root", "landlock", "sealed")
_LANDLOCK_NEEDS_ABI = {"network": 4, "processes": 6}


@dataclass(frozen=True, slots=True)
class _Rule:
    """When a property holds: at least `n_givers` of `givers` are active; `helpers` add to it."""

    name: str
    meaning: str
    effect: str
    givers: tuple[str, ...]
    helpers: tuple[str, ...] = ()
    n_givers: int = 1
    required: bool = False


_RULES = (
    _Rule(
        "files",
        "no file of yours can be read or changed",
        "code in a cell could read and change your files",
        _FILE_LAYERS,
        required=True,
    ),
    _Rule(
        "metadata",
        "names, sizes and dates of files are hidden",
        "code in a cell can learn that a file exists, its size and its dates, not what is in it",
        ("private_root", "sealed"),
    ),
    _Rule(
        "network",
        "no network, no socket of this machine",
        "code in a cell could reach the network and services of this machine",
        ("seccomp",),
        ("namespaces", "landlock"),
        required=True,
    ),
    _Rule(
        "processes",
        "no process can be started, signalled or inspected",
        "code in a cell could start programs, and signal or inspect others of yours",
        ("seccomp",),
        ("namespaces", "landlock"),
        required=True,
    ),
    _Rule(
        "kernel_surface",
        "only system calls on a list reach the kernel",
        "code in a cell could try every system call for a fault in the kernel",
        ("seccomp",),
        ("no_new_privs", "capabilities"),
        required=True,
    ),
    _Rule(
        "uid",
        "cells do not run as root",
        "cells run as root, without its rights: a fault in the kernel would be worth more",
        ("uid",),
    ),
    _Rule(
        "memory",
        "memory is limited; a cell that needs more gets a MemoryError",
        "code in a cell could take all memory of this machine",
        ("rlimits",),
        required=True,
    ),
    _Rule(
        "memory_hard",
        "no memory can be held outside that limit, and the host watches what is held",
        "code in a cell could hold memory that its limit does not count, until the host sees it",
        ("rlimits", "seccomp"),
        n_givers=2,
    ),
    _Rule(
        "threads",
        "the number of threads is limited",
        "code in a cell can start as many threads as its memory limit has room for (about 120 a "
        "GiB)",
        ("threads",),
    ),
    _Rule(
        "second_layer",
        "two independent layers keep files away",
        "one layer alone keeps files away: one fault in the kernel's part of it would open them",
        _FILE_LAYERS,
        n_givers=2,
    ),
)


@dataclass(frozen=True, slots=True)
class SandboxProperty:
    """One row of the table. `effect`, `cause` and `fix` are "" where the property is active."""

    name: str
    meaning: str
    """What holds when it is active."""
    state: PropertyState
    required: bool
    """Without it no cell runs, under any policy but `off`."""
    layers: tuple[str, ...] = ()
    """Names of the active layers that give it."""
    by: str = ""
    """The same for a person, with what is worth knowing of each."""
    effect: str = ""
    """What code in a cell can do because it is not active."""
    cause: str = ""
    """The layer that is missing, its failing call and errno."""
    fix: str = ""

    @property
    def told(self) -> str:
        """One line: "active: by ...", "degraded: what follows (cause)", "off"."""
        match self.state:
            case "active":
                return f"active: by {self.by}"
            case "off":
                return "off"
            case _:
                return f"{self.state}: {self.effect}" + (f" ({self.cause})" if self.cause else "")


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """The whole table for one policy. `judge` makes it."""

    policy: SandboxPolicy
    level: Level
    properties: tuple[SandboxProperty, ...]
    layers: Mapping[str, str]
    reason: str = ""
    """Why there is no table, where no REPL process could be asked for its layers."""

    @property
    def is_sealed(self) -> bool:
        """Whether cells can open no path at all and import pre-loaded modules only."""
        return _is_active(self.layers, "sealed")

    @property
    def degraded(self) -> tuple[SandboxProperty, ...]:
        """The properties that are not active; none under policy `off`, which has no table."""
        return tuple(row for row in self.properties if row.state in ("degraded", "refused"))

    @property
    def missing_required(self) -> tuple[SandboxProperty, ...]:
        """The properties for want of which no cell may run."""
        return tuple(row for row in self.properties if row.state == "refused")

    @property
    def headline(self) -> str:
        """The level in a word or two: "full", "standard, sealed"."""
        sealed_too = self.is_sealed and self.level in ("full", "standard")
        return f"{self.level}, sealed" if sealed_too else self.level

    def refusal(self, policy: SandboxPolicy) -> str | None:
        """Why cells may not run here under `policy`; None where they may.

        The message names each property that is missing, what refused it, and the fix.
        """
        if policy == "off":
            return None
        if self.reason:
            return self.reason
        if policy == "require-full":
            missing, needs = self.degraded, "sandbox require-full needs every property"
        else:
            missing, needs = self.missing_required, "this machine cannot confine cells"
        if not missing:
            return None
        rows = [f"{row.name} {row.told}; fix: {row.fix}" for row in missing]
        return "\n  ".join((f"{needs}; missing here:", *rows))

    def as_record(self) -> dict[str, str]:
        """For a trace: policy, level, each property, each layer under "layer.NAME"."""
        return {
            "policy": self.policy,
            "level": self.level,
            **({"reason": self.reason} if self.reason else {}),
            **{row.name: row.told for row in self.properties},
            **{f"layer.{name}": state for name, state in self.layers.items()},
        }


def judge(layers: Mapping[str, str], policy: SandboxPolicy) -> SandboxReport:
    """The table for the layers a REPL process reported (layer -> "active...", "degraded...")."""
    rows = tuple(_row(rule, layers, policy) for rule in _RULES)
    return SandboxReport(policy, _level(rows, layers, policy), rows, dict(layers))


def _row(rule: _Rule, layers: Mapping[str, str], policy: SandboxPolicy) -> SandboxProperty:
    if policy == "off":
        return SandboxProperty(rule.name, rule.meaning, "off", rule.required)
    given = tuple(layer for layer in rule.givers if _is_active(layers, layer))
    if len(given) >= rule.n_givers:
        helped = tuple(layer for layer in rule.helpers if _helps(rule.name, layers, layer))
        by = ", ".join(_shown(layers, layer) for layer in (*given, *helped))
        return SandboxProperty(
            rule.name, rule.meaning, "active", rule.required, layers=(*given, *helped), by=by
        )
    cause, fix = _cause(rule, layers)
    return SandboxProperty(
        rule.name,
        rule.meaning,
        "refused" if rule.required else "degraded",
        rule.required,
        layers=given,
        effect=rule.effect,
        cause=cause,
        fix=fix,
    )


def _level(
    rows: tuple[SandboxProperty, ...], layers: Mapping[str, str], policy: SandboxPolicy
) -> Level:
    if policy == "off":
        return "off"
    if any(row.state == "refused" for row in rows):
        return "unavailable"
    if all(row.state == "active" for row in rows):
        return "full"
    return "standard" if _is_active(layers, "private_root", "landlock") else "sealed"


def _cause(rule: _Rule, layers: Mapping[str, str]) -> tuple[str, str]:
    """Of the layers that would give the property, the first that a machine refused."""
    missing = [layer for layer in rule.givers if not _is_active(layers, layer)]
    blamed = next((layer for layer in missing if _state(layers, layer) == "degraded"), missing[0])
    state = layers.get(blamed, "off")
    why = state.removeprefix("degraded: ")
    return f"{_SHOWN_AS[blamed]}: {why}", remedy(blamed, state)


def _is_active(layers: Mapping[str, str], *names: str) -> bool:
    return any(_state(layers, name) == "active" for name in names)


def _state(layers: Mapping[str, str], name: str) -> str:
    return layers.get(name, "off").partition(":")[0]


def _helps(prop: str, layers: Mapping[str, str], layer: str) -> bool:
    if not _is_active(layers, layer):
        return False
    return layer != "landlock" or _landlock_abi(layers) >= _LANDLOCK_NEEDS_ABI[prop]


def _landlock_abi(layers: Mapping[str, str]) -> int:
    found = re.search(r"ABI (\d+)", layers.get("landlock", ""))
    return int(found[1]) if found else 1


def _shown(layers: Mapping[str, str], layer: str) -> str:
    detail = layers[layer].partition(": ")[2]
    return f"{_SHOWN_AS[layer]} {detail}" if detail and layer in _WITH_DETAIL else _SHOWN_AS[layer]
