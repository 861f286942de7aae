"""The configurations that attacks are run in, and the running of many of them.

A configuration leaves layers out, one or all but one, so that each is seen to do something: what
no layer stops has to succeed, and what one stops has to fail.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass

from rlm_local.errors import SandboxUnavailable
from tests.sandbox.attacks.arena import Arena, Configuration
from tests.sandbox.attacks.case import LAYERS, Attack, Outcome

__all__ = ["ALL_BUT_ONE", "CONFIGURATIONS", "WHOLE", "Verdict", "run_campaign", "run_configuration"]

_CHECKS = frozenset({"self_probe", "outside_check"})
_SEPARATE = LAYERS - {"sealed"}
_AT_ONCE = 2


def _without(*layers: str) -> Configuration:
    return Configuration("auto", frozenset(layers) | _CHECKS)


def _only(*layers: str) -> Configuration:
    return _without(*(_SEPARATE - set(layers)))


WHOLE = ("auto", "sealed", "require-full")
ALL_BUT_ONE = tuple(f"without {layer}" for layer in sorted(_SEPARATE))
CONFIGURATIONS: dict[str, Configuration] = {
    "off": Configuration("off"),
    "auto": Configuration("auto"),
    "sealed": Configuration("sealed"),
    "require-full": Configuration("require-full"),
    **{f"without {layer}": _without(layer) for layer in sorted(_SEPARATE)},
    # Nothing is private about a root without its namespace.
    "namespaces and private root alone": _only("namespaces", "private_root"),
    "namespaces alone": _only("namespaces"),
    "uid alone": _only("uid"),
    "landlock alone": _only("landlock"),
    "capabilities alone": _only("capabilities"),
    "rlimits alone": _only("rlimits"),
    "seccomp alone": _only("seccomp"),
    "landlock and seccomp": _only("landlock", "capabilities", "seccomp"),
    "namespaces and seccomp": _only("namespaces", "private_root", "capabilities", "seccomp"),
    "sealed alone": Configuration("sealed", _only("seccomp").without),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a configuration held, as names of attacks."""

    report: dict[str, str]
    run: frozenset[str]
    worked: frozenset[str]
    """Did what they are about."""
    breached: frozenset[str]
    """Left any trace at all."""
    absent: frozenset[str]
    unlike: tuple[str, ...]
    """Did not go as the attacks' own facts say, each with what was seen."""
    seconds: float
    refused: str | None = None

    @classmethod
    def of(
        cls, report: dict[str, str], active: frozenset[str], outcomes: list[Outcome]
    ) -> "Verdict":
        """What these outcomes come to where these layers are active."""
        return cls(
            report,
            run=frozenset(o.attack.name for o in outcomes),
            worked=frozenset(o.attack.name for o in outcomes if o.has_worked),
            breached=frozenset(o.attack.name for o in outcomes if o.is_breached),
            absent=frozenset(o.attack.name for o in outcomes if o.is_absent),
            unlike=tuple(_told(o, active) for o in outcomes if not o.is_predicted(active)),
            seconds=round(sum(o.seconds for o in outcomes), 1),
        )

    def to_json(self) -> str:
        """One line."""
        values = {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in ((name, getattr(self, name)) for name in self.__slots__)
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, line: str) -> "Verdict":
        """The reverse of `to_json`."""
        values = json.loads(line)
        for name in ("run", "worked", "breached", "absent"):
            values[name] = frozenset(values[name])
        return cls(**{**values, "unlike": tuple(values["unlike"])})


async def run_configuration(
    configuration: Configuration, attacks: Iterable[Attack]
) -> tuple[Verdict, list[Outcome]]:
    """Every attack in one configuration, or the reason why that does not start."""
    try:
        async with Arena(configuration) as arena:
            outcomes = await arena.run_all(attacks)
            return Verdict.of(arena.pool.report, arena.active, outcomes), outcomes
    except SandboxUnavailable as refusal:
        nothing: frozenset[str] = frozenset()
        return Verdict({}, nothing, nothing, nothing, nothing, (), 0.0, str(refusal)), []


async def run_campaign(names: Iterable[str], attacks: Iterable[Attack]) -> dict[str, Verdict]:
    """Several configurations, some at once."""
    given = tuple(attacks)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def run_one(name: str) -> tuple[str, Verdict]:
        async with turns:
            return name, (await run_configuration(CONFIGURATIONS[name], given))[0]

    return dict(await asyncio.gather(*map(run_one, names)))


def _told(outcome: Outcome, active: frozenset[str]) -> str:
    layers = ", ".join(sorted(outcome.attack.stops(active))) or "nothing"
    seen = ", ".join(outcome.evidence) or "no trace"
    return f"{outcome.attack.name}: {layers} stops it; seen: {seen}; cell: {outcome.failure[-300:]}"
