"""What the programs say of every call, by an interpreter; the kernel is asked in the next file.

The names here are the intended list, written down a second time; numbers come from libseccomp.
"""

import errno
import struct
from collections.abc import Iterable

import pyseccomp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child import seccomp
from rlm_local.sandbox.child.allowed_calls import Treatment, allowed_calls
from tests.sandbox.bpf import ALLOW, KILL, Program, refused
from tests.unhurried import UNHURRIED

DENIED = refused(errno.EPERM)
PID = 4242
MACHINES = ("x86_64", "aarch64")
NUMBERS = range(601)
_X32_BIT = 0x40000000

_ARCHES = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}
_PLAIN = """
    mmap munmap brk mprotect mremap
    read write readv writev pread64 pwrite64 lseek close fstat dup dup2 dup3 pipe pipe2 shutdown
    poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times alarm setitimer
    getitimer pause restart_syscall
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait
    sigaltstack
    set_robust_list set_tid_address rseq sched_yield getcpu gettid exit exit_group
    getpid getppid getpgrp getuid geteuid getgid getegid getresuid getresgid getgroups getrlimit
    getrusage uname sysinfo getrandom getcwd
"""
_PATHS = """
    stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64
"""
_SCRATCH = """
    mkdir mkdirat rmdir unlink unlinkat rename renameat ftruncate fsync fdatasync msync
"""
_CHECKED = """
    clone futex madvise membarrier kill tgkill getpgid getsid prctl prlimit64 fcntl
    ioctl socketpair sendto recvfrom getsockopt
"""
_CHECKED_PATHS = "open openat"
_LEGACY = """
    dup2 pipe poll select epoll_wait time alarm pause getpgrp open stat lstat access readlink mkdir
    rmdir unlink rename
"""
_NOT_ON = {"x86_64": set[str](), "aarch64": set(_LEGACY.split())}


def number_of(name: str, machine: str) -> int:
    """The number that libseccomp knows."""
    number = pyseccomp.resolve_syscall(_ARCHES[machine], name)
    assert number >= 0, f"{machine} has no {name}"
    return int(number)


def program_of(machine: str, *, sealed: bool = False, scratch: bool = False) -> Program:
    return Program(seccomp.allow_list(PID, sealed=sealed, scratch=scratch, machine=machine))


def _numbers(names: str, machine: str) -> set[int]:
    return {number_of(name, machine) for name in set(names.split()) - _NOT_ON[machine]}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("scratch", [False, True])
def test_exactly_the_intended_calls_can_pass(machine: str, sealed: bool, scratch: bool) -> None:
    """For every number: all verdicts there can be, whatever the arguments."""
    program = program_of(machine, sealed=sealed, scratch=scratch)
    plain = _numbers(_PLAIN, machine)
    checked = _numbers(_CHECKED, machine)
    if not sealed:
        plain |= _numbers(_PATHS, machine)
        checked_paths = _numbers(_CHECKED_PATHS, machine)
        if scratch:
            plain |= _numbers(_SCRATCH, machine) | checked_paths
        else:
            checked |= checked_paths
    expected = {
        **{number: {DENIED} for number in NUMBERS},
        **{number: {ALLOW} for number in plain},
        **{number: {ALLOW, DENIED} for number in checked},
        number_of("sched_getaffinity", machine): {ALLOW, refused(errno.ENOSYS)},
        number_of("clone3", machine): {refused(errno.ENOSYS)},
    }
    found = {number: program.possible_verdicts(machine, number) for number in NUMBERS}
    assert found == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_beyond_the_table_are_denied(machine: str) -> None:
    program = program_of(machine)
    for number in (1000, 65_535, _X32_BIT - 1):
        assert program.possible_verdicts(machine, number) == {DENIED}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("sealed", [False, True])
def test_every_call_of_another_architecture_kills(machine: str, sealed: bool) -> None:
    program = program_of(machine, sealed=sealed)
    for other in {"x86_64", "aarch64", "i386", "arm"} - {machine}:
        for number in (*NUMBERS, _X32_BIT, 0xFFFFFFFF):
            assert program.possible_verdicts(other, number) == {KILL}


def test_every_x32_call_kills() -> None:
    program = program_of("x86_64", scratch=True)
    for number in (*NUMBERS, 0x3FFFFFFF):
        assert program.possible_verdicts("x86_64", _X32_BIT | number) == {KILL}
        assert program.possible_verdicts("x86_64", 0x80000000 | _X32_BIT | number) == {KILL}
    assert program.possible_verdicts("x86_64", -1) == {KILL}


Cases = Iterable[tuple[int, ...]]
_INT_MIN = -(1 << 31)
_HIGH, _WORD = 1 << 32, (1 << 64) - 1
_THREAD = 0x3D0F00  # CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | SETTLS | ..._TID
_NEW_NAMESPACES = {
    "TIME": 0x80, "NS": 0x20000, "CGROUP": 1 << 25, "UTS": 1 << 26, "IPC": 1 << 27,
    "USER": 1 << 28, "PID": 1 << 29, "NET": 1 << 30, "IO": 1 << 31, "INTO_CGROUP": 1 << 33,
    "CLEAR_SIGHAND": 1 << 32,
}  # fmt: skip
_SIGCHLD, _CLONE_VFORK, _CLONE_PARENT, _CLONE_PTRACE, _CLONE_PIDFD = (
    17, 0x4000, 0x8000, 0x2000, 0x1000,
)  # fmt: skip

PASS: dict[str, Cases] = {
    "clone": [(_THREAD,), (_THREAD | 0x400000,), (0x10F00,)],  # glibc, musl, the least
    "futex": [(0, op | flags) for op in (0, 1, 3, 4, 5, 9, 10) for flags in (0, 128, 256, 384)],
    "madvise": [(0, 4096, advice) for advice in (0, 1, 2, 3, 4, 8, 14, 15, 16, 17, 102, 103)],
    "membarrier": [(0,), (8,), (16,), (_HIGH | 8,)],
    "kill": [(PID, 9), (PID, 0), (_HIGH | PID, 15)],
    "tgkill": [(PID, 1, 2), (PID, -1, 2)],
    "getpgid": [(0,), (PID,)],
    "getsid": [(0,), (PID,)],
    "sched_getaffinity": [(0, 128, 1), (PID, 128, 1)],
    "prctl": [(15,), (16,)],
    "prlimit64": [(0, 9, 0, 1), (PID, 9, 0, 1)],
    "fcntl": [(3, 0), (3, 1), (3, 2, 1), (3, 3), (3, 1030), (3, 4, 0x800), (3, 4, 0x8802)],
    "ioctl": [(0, r) for r in (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, _HIGH | 0x5401)],
    "socketpair": [(1, 1), (1, 1 | 0x800), (1, 1 | 0x80000), (1, 1 | 0x80800, 0)],
    "sendto": [(3, 1, 1, 0, 0, 0), (3, 1, 1, 0x4040, 0, 99)],
    "recvfrom": [(3, 1, 1, flags, 0, 0) for flags in (0, 2, 0x40, 0x100, 0x142)],
    "getsockopt": [(3, 1, option) for option in (3, 4, 7, 8, 38, 39)],
    "open": [(1, 0), (1, 0x80000), (1, 0x290800), (1, 0x210000)],
    "openat": [(-100, 1, 0), (-100, 1, 0x80000), (3, 1, 0x290800)],
}
REFUSE: dict[str, Cases] = {
    "clone": [
        (0,), (_SIGCHLD,), (0x100 | _CLONE_VFORK | _SIGCHLD,), (_THREAD | _SIGCHLD,),
        (0x1200011,),  # glibc's fork
        *[(_THREAD | bit,) for bit in _NEW_NAMESPACES.values()],
        *[(_THREAD & ~bit,) for bit in (0x100, 0x200, 0x400, 0x800, 0x10000)],
        *[(_THREAD | bit,) for bit in (_CLONE_VFORK, _CLONE_PARENT, _CLONE_PTRACE, _CLONE_PIDFD)],
        *[(_THREAD | 1 << bit,) for bit in range(32, 64)],
        (-1,),
    ],
    # FUTEX_FD, the priority-inheriting ones, and what there is not
    "futex": [(0, op | flags) for op in (2, 6, 7, 8, 11, 12, 13, 14, 127, 512, -1, _INT_MIN)
              for flags in (0, 128, 384)],
    "madvise": [(0, 4096, advice) for advice in (
        5, 6, 7, 9, 10, 11, 12, 13, 18, 19, 20, 21, 22, 23, 24, 25, 100, 101, 104, -1, _INT_MIN)],
    "membarrier": [(command,) for command in (1, 2, 4, 9, 24, 32, 64, 128, 256, -1)],
    "kill": [(pid, 9) for pid in (0, -1, 1, -PID, PID + 1, PID - 1, PID << 32, _INT_MIN)],
    "tgkill": [(pid, PID, 9) for pid in (0, -1, 1, -PID, PID + 1)],
    "getpgid": [(1,), (-1,), (PID + 1,), (-PID,)],
    "getsid": [(1,), (-1,), (PID + 1,), (-PID,)],
    "sched_getaffinity": [(1,), (PID + 1,), (-1,)],
    # PDEATHSIG, DUMPABLE, KEEPCAPS, SECCOMP, CAPBSET_DROP, TSC, SECUREBITS, SPECULATION, MM,
    # PTRACER, NO_NEW_PRIVS, CHILD_SUBREAPER, AMBIENT, MEMORY_MERGE, MDWE, VMA
    "prctl": [(option,) for option in (
        0, 1, 2, 3, 4, 7, 8, 14, 17, 21, 22, 23, 24, 26, 28, 35, 36, 38, 40, 47, 53, 65, 67,
        0x53564D41, 0x59616D61, -1)],
    "prlimit64": [(0, 9, 1, 0), (0, 9, _HIGH, 0), (0, 9, 1 << 63, 0), (1, 9, 0, 1),
                  (PID + 1, 9, 0, 1), (-1, 9, 0, 1)],
    # F_GETLK .. F_GETOWN_EX, leases, notify, pipe size, seals, hints, O_ASYNC
    "fcntl": [*[(3, command) for command in (
        5, 6, 7, 8, 9, 10, 11, 15, 16, 36, 37, 38, 1024, 1025, 1026, 1031, 1032, 1033, 1034, 1035,
        1036, 1037, 1038, 1039, 1040, -1)],
        (3, 4, 0x2000), (3, 4, 0x2802), (3, 4, -1)],
    # TIOCSTI, TIOCLINUX, TIOCSCTTY, TIOCSETD, FIOASYNC, FIOQSIZE, FICLONE, SIOCATMARK, TUNSETIFF,
    # NS_GET_USERNS, PIDFD_GET_NET_NAMESPACE, TCSETS, FS_IOC_SETFLAGS
    "ioctl": [(0, request) for request in (
        0x5412, 0x541C, 0x540E, 0x5423, 0x5452, 0x5460, 0x40049409, 0x8905, 0x400454CA, 0xB701,
        0xFF04, 0x5402, 0x40086602, 0, -1, 0x5401 << 32)],
    "socketpair": [(1, 2), (1, 5), (1, 3), (2, 1), (16, 1), (10, 1), (0, 1), (1, 2 | 0x80800),
                   (-1, 1), (1, -1), (1, 1 | 1 << 31), (1, 1 | 1 << 20)],
    "sendto": [(3, 1, 1, 0, 1, 0), (3, 1, 1, 0, _HIGH, 0), (3, 1, 1, 0, 1 << 63, 0),
               *[(3, 1, 1, flags, 0, 0) for flags in (1, 4, 0x41, 0x20000000, 0x4000000, -1)]],
    "recvfrom": [(3, 1, 1, flags, 0, 0) for flags in (1, 3, 0x41, 0x2000, 0x40000000, -1)],
    # SO_PEERCRED, SO_PEERSEC, SO_PEERGROUPS, SO_PEERPIDFD, SO_PASSCRED; other levels
    "getsockopt": [*[(3, 1, option) for option in (16, 17, 31, 59, 77, 1, 2, 0, -1)],
                   (3, 0, 3), (3, 6, 3), (3, 41, 4), (3, -1, 3)],
    "open": [(1, flags) for flags in (1, 2, 3, 0x40, 0x41, 0x200, 0x410000, 0x400000, 0x242, -1)],
    "openat": [(-100, 1, flags) for flags in (1, 2, 3, 0x40, 0xC1, 0x200, 0x410002, -1)],
}  # fmt: skip


def test_every_call_with_rules_has_its_edges_tested() -> None:
    names = set(f"{_CHECKED} {_CHECKED_PATHS} sched_getaffinity".split())
    assert set(PASS) == set(REFUSE) == names


@pytest.mark.parametrize(
    ("machine", "name"),
    [(machine, name) for machine in MACHINES for name in sorted(set(PASS) - _NOT_ON[machine])],
)
def test_argument_rules_hold_at_their_edges(machine: str, name: str) -> None:
    number = number_of(name, machine)
    denial = refused(errno.ENOSYS) if name == "sched_getaffinity" else DENIED
    for sealed in (False, True):
        program = program_of(machine, sealed=sealed)
        passes = DENIED if sealed and name in _CHECKED_PATHS.split() else ALLOW
        for arguments in PASS[name]:
            assert program.verdict(machine, number, *arguments) == passes, arguments
        for arguments in REFUSE[name]:
            assert program.verdict(machine, number, *arguments) == denial, arguments


@pytest.mark.parametrize("machine", MACHINES)
def test_scratch_lets_files_be_written_and_locked_and_no_more(machine: str) -> None:
    program = program_of(machine, scratch=True)
    openat, fcntl = number_of("openat", machine), number_of("fcntl", machine)
    assert program.verdict(machine, openat, -100, 1, 0x242) == ALLOW
    for command in (5, 6):  # F_GETLK, F_SETLK
        assert program.verdict(machine, fcntl, 3, command) == ALLOW
    for command in (7, 8, 10, 16, 1024, 1026, 1033):
        assert program.verdict(machine, fcntl, 3, command) == DENIED
    for name in ("truncate", "fchmod", "symlinkat", "linkat", "fallocate", "flock", "renameat2"):
        assert program.possible_verdicts(machine, number_of(name, machine)) == {DENIED}


@pytest.mark.parametrize("machine", MACHINES)
def test_sealed_wins_over_scratch(machine: str) -> None:
    sealed = seccomp.allow_list(PID, sealed=True, machine=machine)
    assert seccomp.allow_list(PID, sealed=True, scratch=True, machine=machine) == sealed


_SOME_ARGUMENTS = sorted(
    {a for cases in (*PASS.values(), *REFUSE.values()) for c in cases for a in c}
)
_arguments = st.integers(0, _WORD) | st.sampled_from(_SOME_ARGUMENTS).map(lambda a: a & _WORD)


@UNHURRIED
@given(
    st.sampled_from(MACHINES),
    st.tuples(st.booleans(), st.booleans()),
    st.integers(0, 600) | st.integers(0, _X32_BIT - 1),
    st.lists(_arguments, min_size=6, max_size=6),
)
def test_a_program_says_what_its_policy_does(
    machine: str, options: tuple[bool, bool], number: int, arguments: list[int]
) -> None:
    """Neither the tree nor the jumps between checks may change a verdict."""
    sealed, scratch = options
    calls = allowed_calls(MACHINES.index(machine), PID, sealed=sealed, scratch=scratch)
    rules, refusal = calls.get(number, Treatment(()))
    passes = any(
        all(arguments[argument] & mask in values for argument, mask, values in rule)
        for rule in rules
    )
    program = program_of(machine, sealed=sealed, scratch=scratch)
    assert program.verdict(machine, number, *arguments) == (ALLOW if passes else refused(refusal))


@pytest.mark.parametrize("machine", MACHINES)
def test_no_verdict_takes_many_steps(machine: str) -> None:
    """Every call pays for the filter on kernels that do not remember verdicts (before 5.11)."""
    program = program_of(machine, scratch=True)
    assert max(program.verdict_and_steps(machine, number)[1] for number in NUMBERS) <= 30


def test_the_calls_left_out_on_aarch64_do_not_exist_there() -> None:
    for name in _NOT_ON["aarch64"]:
        assert pyseccomp.resolve_syscall(pyseccomp.Arch.AARCH64, name) < 0


def test_refusals_come_with_their_errno_and_condition() -> None:
    rule = ((0, 0xFFFFFFFF, (7,)),)
    program = Program(seccomp.refuse_list({5: errno.EACCES}, [(9, rule, errno.EINVAL), (9, (), 0)]))
    assert program.verdict("x86_64", 4) == ALLOW
    assert program.verdict("x86_64", 5) == refused(errno.EACCES)
    assert program.verdict("x86_64", 9, 7) == refused(errno.EINVAL)
    assert program.verdict("x86_64", 9, 8) == ALLOW


def test_a_condition_that_lets_pass_comes_before_the_refusal() -> None:
    rule = ((0, 0xFFFFFFFF, (7,)),)
    program = Program(seccomp.refuse_list({9: errno.EPERM}, [(9, rule, 0)]))
    assert program.verdict("x86_64", 9, 7) == ALLOW
    assert program.verdict("x86_64", 9, 8) == refused(errno.EPERM)


def test_a_long_program_still_finds_its_way() -> None:
    """A comparison jumps over 255 instructions at most; beyond, there is another jump."""
    program = Program(seccomp.refuse_list({number: number for number in range(2, 1200, 2)}))
    for number in range(2, 1200, 2):
        assert program.verdict("x86_64", number) == refused(number)
        assert program.verdict("x86_64", number + 1) == ALLOW


def test_programs_that_the_kernel_would_not_take_are_told() -> None:
    for code in ((0x20, 0, 0, 0), (0x15, 5, 0, 0), (0x05, 0, 0, 9), (0x99, 0, 0, 0)):
        with pytest.raises(ValueError, match="instruction"):
            Program(struct.pack("HBBI", *code) + struct.pack("HBBI", 0x99, 0, 0, 0))
