"""How the tables of attacks are written: one line for the facts, then the cell's code."""

import textwrap

from tests.sandbox.attacks.case import LAYERS, Attack, Kind

__all__ = ["attack"]

_SHORT = {
    "S": "seccomp", "X": "sealed", "L": "landlock", "R": "private_root", "N": "namespaces",
    "U": "uid", "C": "capabilities", "M": "rlimits", "P": "unprivileged", "Q": "rightless",
    "-": "process",
}  # fmt: skip
assert set(_SHORT.values()) > LAYERS


def attack(
    name: str,
    number: int,
    kind: Kind,
    stops: str,
    code: str,
    *,
    flags: str = "",
    death: str | None = None,
) -> Attack:
    """One attack. `stops` is a letter a layer, those behind a "/" only where the host is root.

    flags: "unsafe", "absent" (the kernel may lack it), "x86_64" (means nothing elsewhere).
    """
    always, _, as_root = stops.replace(" ", "").partition("/")
    words = flags.split()
    return Attack(
        name,
        number,
        kind,
        textwrap.dedent(code).strip() + "\n",
        frozenset(_SHORT[letter] for letter in always),
        frozenset(_SHORT[letter] for letter in as_root),
        is_unsafe="unsafe" in words,
        may_be_absent="absent" in words,
        machines=("x86_64",) if "x86_64" in words else ("x86_64", "aarch64"),
        death=death,
    )
