"""Attacks with what every configuration holds back: the host's own carelessness (10, 11, 29)."""

from tests.sandbox.attacks.case import Attack
from tests.sandbox.attacks.tables import attack

__all__ = ["ATTACKS"]

ATTACKS: list[Attack] = [
    attack("inherited descriptors", 10, "secret", "-", """
        found = []
        for number in range(4096):
            try:
                found.append(os.pread(number, 100, 0))
            except OSError:
                pass
        found
    """),
    attack("environment by Python", 11, "secret", "-", "dict(os.environ)"),
    attack("environment by C", 11, "secret", "-", """
        pointer = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
        found = []
        while pointer[len(found)]:
            found.append(pointer[len(found)])
        found
    """),
    attack("environment by proc", 11, "secret", "-", "open('/proc/self/environ').read()"),
    attack("overwrite the shared context", 29, "sibling", "-", """
        ctypes.memset(id(context) + 48, 33, len(context))
        assert set(context) == {"!"}
    """),
]  # fmt: skip
