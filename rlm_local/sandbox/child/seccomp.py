"""Seccomp programs: assembled from a policy (see `allowed_calls`), and put on a process.

A program finds the call's number in a balanced tree of comparisons, about seven of them, and then
looks at the arguments where the policy says so. A call that is not listed gets EPERM, which Python
shows as `PermissionError`, so that the REPL lives on; the wrong architecture or an x32 number
kills. Decides nothing about which calls are allowed.
"""

import ctypes
import errno
import struct
from collections.abc import Iterable, Mapping

from rlm_local.sandbox.child.allowed_calls import Rule, Treatment, allowed_calls
from rlm_local.sandbox.child.syscalls import MACHINE, KernelRefusal, syscall

__all__ = ["Refusal", "allow_list", "install", "is_supported", "refuse_list"]

Refusal = tuple[int, Rule, int]
"""A call's number, when, and the errno it then gets; 0 lets it pass."""

_COLUMNS = {"x86_64": 0, "aarch64": 1}
_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_NR_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_TSYNC = 1

_Instruction = tuple[int, int, int, int]
_Program = list[_Instruction]
_LOAD, _AND, _JUMP, _EQUAL, _NOT_LESS, _RETURN = 0x20, 0x54, 0x05, 0x15, 0x35, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16  # in struct seccomp_data
_LOW_HALF = 0xFFFFFFFF
_FARTHEST = 255  # instructions that a comparison can jump over
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000


def is_supported() -> bool:
    """Whether there is a table for this machine's architecture."""
    return MACHINE in _COLUMNS


def allow_list(pid: int, *, sealed: bool, scratch: bool = False, machine: str = MACHINE) -> bytes:
    """The program for a REPL whose process has that id, as it sees itself.

    `sealed` leaves out every call with a path, whatever `scratch` says; `scratch` adds what a
    writable folder needs. `machine` is for looking at the program of another architecture.
    """
    column = _COLUMNS[machine]
    calls = allowed_calls(column, pid, sealed=sealed, scratch=scratch)
    bodies = {number: _any_of(treatment) for number, treatment in calls.items()}
    ranges = _ranges(bodies, otherwise=_returns(_ERRNO | errno.EPERM))
    if machine == "x86_64":
        ranges.append((_X32_BIT, _returns(_KILL_PROCESS)))
    return _assemble(
        [
            (_LOAD, 0, 0, _AT_ARCHITECTURE),
            (_EQUAL, 1, 0, _AUDIT_ARCHITECTURES[machine]),
            *_returns(_KILL_PROCESS),
            (_LOAD, 0, 0, _AT_NUMBER),
            *_tree(ranges),
        ]
    )


def refuse_list(refusals: Mapping[int, int], when: Iterable[Refusal] = ()) -> bytes:
    """A program that allows everything but some call numbers, which get an errno each.

    What `when` says of a number comes first, in its order. Stands in for kernels that lack a
    feature and for containers, in tests.
    """
    bodies: dict[int, _Program] = {}
    for number, rule, code in when:
        bodies.setdefault(number, []).extend(_if_all(rule, _ERRNO | code if code else _ALLOW))
    for number in {*bodies, *refusals}:
        code = refusals.get(number, 0)
        bodies.setdefault(number, []).extend(_returns(_ERRNO | code if code else _ALLOW))
    tree = _tree(_ranges(bodies, otherwise=_returns(_ALLOW)))
    return _assemble([(_LOAD, 0, 0, _AT_NUMBER), *tree])


def install(program: bytes) -> None:
    """Put the filter on every thread of this process; there is no way back.

    Needs `no_new_privs`, or CAP_SYS_ADMIN.

    Raises:
        KernelRefusal: seccomp filters are not to be had here.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    unsynced_thread = syscall(
        "seccomp",
        _NR_SECCOMP[MACHINE],
        _SECCOMP_SET_MODE_FILTER,
        _SECCOMP_FILTER_FLAG_TSYNC,
        ctypes.create_string_buffer(head, len(head)),
    )
    if unsynced_thread:
        raise KernelRefusal("seccomp(TSYNC)", errno.ESRCH)


def _returns(action: int) -> _Program:
    return [(_RETURN, 0, 0, action)]


def _ranges(bodies: Mapping[int, _Program], *, otherwise: _Program) -> list[tuple[int, _Program]]:
    """What to do from which number on; neighbours that are treated alike are one."""
    ranges = [(0, otherwise)]
    for number in sorted(bodies):
        for start, body in ((number, bodies[number]), (number + 1, otherwise)):
            if ranges[-1][0] == start:
                ranges.pop()
            if not ranges or ranges[-1][1] != body:
                ranges.append((start, body))
    return ranges


def _tree(ranges: list[tuple[int, _Program]]) -> _Program:
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _tree(ranges[:middle]), _tree(ranges[middle:])
    start = ranges[middle][0]
    if len(below) <= _FARTHEST:
        return [(_NOT_LESS, len(below), 0, start), *below, *above]
    return [(_NOT_LESS, 0, 1, start), (_JUMP, 0, 0, len(below)), *below, *above]


def _any_of(treatment: Treatment) -> _Program:
    """Allowed when one of the rules holds, else refused."""
    program: _Program = []
    for rule in treatment.rules:
        program += _if_all(rule, _ALLOW)
        if not rule:
            return program
    return program + _returns(_ERRNO | treatment.refusal)


def _if_all(rule: Rule, action: int) -> _Program:
    """Returns `action` when every check of the rule holds, else falls through."""
    program = _returns(action)
    for argument, mask, values in reversed(rule):
        high = [value >> 32 for value in values[:1]]  # checks of several values are of ints
        program = _check(argument, 4, (mask >> 32, high), program)
        low = [value & _LOW_HALF for value in values]
        program = _check(argument, 0, (mask & _LOW_HALF, low), program)
    return program


def _check(argument: int, half: int, wanted: tuple[int, list[int]], program: _Program) -> _Program:
    """`program` if 32 bits of an argument are, under the mask, one of the values; else past it."""
    mask, values = wanted
    if not mask:
        return program
    steps: _Program = [(_LOAD, 0, 0, _AT_ARGUMENTS + 8 * argument + half)]
    if mask != _LOW_HALF:
        steps.append((_AND, 0, 0, mask))
    for left, value in reversed(list(enumerate(reversed(values)))):
        steps.append((_EQUAL, left, 0 if left else len(program), value))
    return steps + program


def _assemble(program: _Program) -> bytes:
    return b"".join(struct.pack("HBBI", code, yes, no, k) for code, yes, no, k in program)
