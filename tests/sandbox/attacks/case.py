"""One attack as a value, and what became of it."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["LAYERS", "Attack", "Kind", "Outcome"]

Kind = Literal[
    "secret",  # text that only the host knows came out of the cell
    "files",  # something in the attacked folder, or a file anywhere, is not as it was
    "listener",  # a socket of the host was reached
    "victim",  # a process of the host was changed, traced or killed
    "memory",  # the host's memory or its context is not as it was
    "sibling",  # another REPL of the pool was changed or killed
    "terminal",  # the user's terminal was written to
    "descriptor",  # the kernel shows the process with a descriptor it must not have
    "process",  # the kernel shows a child of the process
    "word",  # the call succeeded, by the cell's own word: there is nothing to see from outside
]
LAYERS = frozenset(
    {
        "namespaces",
        "private_root",
        "uid",
        "landlock",
        "capabilities",
        "rlimits",
        "seccomp",
        "sealed",
    }
)
"""Layers of `pool.report` that a case may name.

Named besides: "unprivileged", the host itself is no root; "rightless", nor has a user namespace
given its cells capabilities; "process", what holds in every configuration (clean environment,
closed descriptors, a host that does not believe).
"""


@dataclass(frozen=True, slots=True)
class Attack:
    """What a cell tries, what the host would see if it worked, and which layers stop it alone.

    The cell's names are those of `surroundings.Surroundings.names`. An attack of kind "word" has
    worked when its code ends without raising; every other kind is decided by the host alone.
    """

    name: str
    number: int
    """Of the list of cases; 0: one of ours."""
    kind: Kind
    code: str
    stopped_by: frozenset[str]
    stopped_as_root_by: frozenset[str] = frozenset()
    """Layers that stop it only where the host is root, whose rights are more than one's own."""
    is_unsafe: bool = False
    """Never run where nothing would stop it."""
    may_be_absent: bool = False
    """The kernel may not have what it tries; then it fails in the control as well."""
    machines: tuple[str, ...] = ("x86_64", "aarch64")
    death: str | None = None
    """What the restart tells, where seccomp kills instead of refusing."""

    def stops(self, active: frozenset[str]) -> frozenset[str]:
        """Those of the active layers that stop it."""
        layers = self.stopped_by
        if "unprivileged" not in active:
            layers |= self.stopped_as_root_by
        return layers & (active | {"process"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the host saw of one attack."""

    attack: Attack
    evidence: tuple[str, ...]
    """What was breached, each "kind: what"; empty where nothing was."""
    failure: str
    """The cell's error, "" where it raised none."""
    is_absent: bool = False
    restarted: bool = False
    seconds: float = field(default=0.0, compare=False)

    @property
    def is_breached(self) -> bool:
        """Whether anything of the host was reached."""
        return bool(self.evidence)

    @property
    def has_worked(self) -> bool:
        """Whether what was seen is what the attack is about, not a step on the way to it."""
        return any(seen.startswith(self.attack.kind) for seen in self.evidence)

    def is_predicted(self, active: frozenset[str]) -> bool:
        """Whether it went as the attack's own facts say of these layers."""
        if not self.attack.stops(active):
            return self.has_worked or self.is_absent
        return not (self.is_breached if "seccomp" in active else self.has_worked)
