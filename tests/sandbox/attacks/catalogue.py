"""Every attack there is, by name, for this machine."""

import os

from tests.sandbox.attacks import on_files, on_kernel, on_network, on_processes, on_repl
from tests.sandbox.attacks.case import Attack

__all__ = ["ATTACKS"]

ATTACKS: dict[str, Attack] = {}

for _attack in (
    *on_files.ATTACKS, *on_network.ATTACKS, *on_processes.ATTACKS, *on_kernel.ATTACKS,
    *on_repl.ATTACKS,
):  # fmt: skip
    if _attack.name in ATTACKS:
        raise ValueError(f"two attacks are called {_attack.name!r}")
    if os.uname().machine in _attack.machines:
        ATTACKS[_attack.name] = _attack
