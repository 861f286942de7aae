"""Classic BPF as the kernel's seccomp runs it: to find out what a program says of a call.

Knows the instructions that our programs are made of, and refuses a program that the kernel would.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["ALLOW", "ARCHITECTURES", "KILL", "Program", "refused"]

ALLOW = 0x7FFF0000
KILL = 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003, "arm": 0x40000028}

_LOAD, _AND, _JUMP, _RETURN = 0x20, 0x54, 0x05, 0x06
_EQUAL, _GREATER, _NOT_LESS, _BITS_SET = 0x15, 0x25, 0x35, 0x45
_COMPARISONS = (_EQUAL, _GREATER, _NOT_LESS, _BITS_SET)
_MAX_INSTRUCTIONS = 4096
_DATA = struct.Struct("<IIQ6Q")  # struct seccomp_data: number, architecture, address, arguments
_FIRST_UNKNOWN = 8  # from the address on


def refused(code: int) -> int:
    """The verdict "fails with this errno"."""
    return 0x00050000 | code


class _Instruction(NamedTuple):
    code: int
    yes: int
    no: int
    k: int


class Program:
    """A program that the kernel would take.

    Raises:
        ValueError: it would not.
    """

    def __init__(self, program: bytes) -> None:
        self.instructions = [
            _Instruction(*fields) for fields in struct.iter_unpack("HBBI", program)
        ]
        if not 0 < len(self.instructions) <= _MAX_INSTRUCTIONS:
            raise ValueError(f"{len(self.instructions)} instructions")
        for at, instruction in enumerate(self.instructions):
            self._check(at, instruction)

    def verdict(self, architecture: str, number: int, *arguments: int) -> int:
        """What is done with a call; missing arguments are zero, negative ones 64 bits wide."""
        return self.verdict_and_steps(architecture, number, arguments)[0]

    def verdict_and_steps(
        self, architecture: str, number: int, arguments: Sequence[int] = ()
    ) -> tuple[int, int]:
        """The verdict, and how many instructions it took."""
        given = [argument % (1 << 64) for argument in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
        data = _DATA.pack(number % (1 << 32), ARCHITECTURES[architecture], 0, *given)
        at = steps = accumulator = 0
        while True:
            code, yes, no, k = self.instructions[at]
            steps += 1
            at += 1
            if code == _LOAD:
                (accumulator,) = struct.unpack_from("<I", data, k)
            elif code == _AND:
                accumulator &= k
            elif code == _JUMP:
                at += k
            elif code == _RETURN:
                return k, steps
            else:
                at += yes if _holds(code, accumulator, k) else no

    def possible_verdicts(self, architecture: str, number: int) -> set[int]:
        """What may be done with a call, whatever its arguments are: no other verdict can be."""
        data = struct.pack("<II", number % (1 << 32), ARCHITECTURES[architecture])
        verdicts: set[int] = set()
        ways: list[tuple[int, int | None]] = [(0, 0)]  # where, and the accumulator where known
        while ways:
            at, accumulator = ways.pop()
            code, yes, no, k = self.instructions[at]
            if code == _RETURN:
                verdicts.add(k)
            elif code == _LOAD:
                known = k < _FIRST_UNKNOWN
                ways.append((at + 1, struct.unpack_from("<I", data, k)[0] if known else None))
            elif code == _AND:
                ways.append((at + 1, None if accumulator is None else accumulator & k))
            elif code == _JUMP:
                ways.append((at + 1 + k, accumulator))
            elif accumulator is None:
                ways += [(at + 1 + yes, None), (at + 1 + no, None)]
            else:
                ways.append((at + 1 + (yes if _holds(code, accumulator, k) else no), accumulator))
        return verdicts

    def _check(self, at: int, instruction: _Instruction) -> None:
        code, yes, no, k = instruction
        left = len(self.instructions) - at - 1
        if code in _COMPARISONS:
            is_sound = max(yes, no) < left
        elif code == _JUMP:
            is_sound = k < left
        elif code == _LOAD:
            is_sound = left > 0 and k % 4 == 0 and k < _DATA.size
        elif code == _AND:
            is_sound = left > 0
        else:
            is_sound = code == _RETURN
        if not is_sound:
            raise ValueError(f"instruction {at}: {instruction}")


def _holds(code: int, accumulator: int, k: int) -> bool:
    if code == _EQUAL:
        return accumulator == k
    if code == _GREATER:
        return accumulator > k
    if code == _NOT_LESS:
        return accumulator >= k
    return bool(accumulator & k)
