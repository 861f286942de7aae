"""The system calls a confined REPL may make: an allow-list as a classic BPF program.

Wrong architecture or a 32-bit number kills the process; every other call that is not listed gets
EPERM, which Python shows as `PermissionError`, so that the REPL lives on. "Sealed" leaves out
every call that takes a path. The tables hold x86-64 and aarch64 numbers, from the kernel's own
headers. Filters cannot look behind pointers, so which *files* are read is Landlock's business.
"""

import ctypes
import errno
import struct

from rlm_local.sandbox.child.syscalls import MACHINE, KernelRefusal, syscall

__all__ = ["allow_list", "install", "is_supported", "refuse_list"]

# name, x86-64 number, aarch64 number; "-" where the architecture has no such call.
_PLAIN = """
    read 0 63; write 1 64; close 3 57; futex 202 98; mmap 9 222; munmap 11 215; brk 12 214;
    madvise 28 233; mprotect 10 226; mremap 25 216; clock_gettime 228 113;
    clock_nanosleep 230 115; nanosleep 35 101; poll 7 -; ppoll 271 73; select 23 -;
    pselect6 270 72; epoll_create 213 -; epoll_create1 291 20; epoll_ctl 233 21;
    epoll_wait 232 -; epoll_pwait 281 22; epoll_pwait2 441 441; eventfd 284 -; eventfd2 290 19;
    readv 19 65; writev 20 66; pread64 17 67; pwrite64 18 68; lseek 8 62; fstat 5 80; dup 32 23;
    dup2 33 -; dup3 292 24; pipe 22 -; pipe2 293 59; close_range 436 436; rt_sigaction 13 134;
    rt_sigprocmask 14 135; rt_sigreturn 15 139; rt_sigpending 127 136; rt_sigsuspend 130 133;
    rt_sigtimedwait 128 137; sigaltstack 131 132; restart_syscall 219 128; pause 34 -;
    alarm 37 -; setitimer 38 103; getitimer 36 102; clock_getres 229 114; gettimeofday 96 169;
    time 201 -; times 100 153; getrandom 318 278; membarrier 324 283; rseq 334 293;
    futex_waitv 449 449; get_robust_list 274 100; set_robust_list 273 99; set_tid_address 218 96;
    sched_yield 24 124; sched_getaffinity 204 123; sched_getscheduler 145 120;
    sched_getparam 143 121; sched_get_priority_max 146 125; sched_get_priority_min 147 126;
    getcpu 309 168; getpid 39 172; gettid 186 178; getppid 110 173; getuid 102 174;
    geteuid 107 175; getgid 104 176; getegid 108 177; getresuid 118 148; getresgid 120 150;
    getgroups 115 158; getpgrp 111 -; getpgid 121 155; getsid 124 156; getpriority 140 141;
    getrlimit 97 163; getrusage 98 165; sysinfo 99 179; uname 63 160; mincore 27 232;
    msync 26 227; exit 60 93; exit_group 231 94; recvfrom 45 207; shutdown 48 210;
    getsockopt 55 209
"""
_PATHS = """
    open 2 -; openat 257 56; stat 4 -; lstat 6 -; newfstatat 262 79; statx 332 291; access 21 -;
    faccessat 269 48; faccessat2 439 439; readlink 89 -; readlinkat 267 78; getdents64 217 61;
    getcwd 79 17
"""
_CHECKED = """
    clone 56 220; clone3 435 435; kill 62 129; tgkill 234 131; prctl 157 167; prlimit64 302 261;
    fcntl 72 25; ioctl 16 29; socketpair 53 199; sendto 44 206
"""
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000
_NR_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_GET_ACTION_AVAIL = 2
_SECCOMP_FILTER_FLAG_TSYNC = 1

# A check holds when (argument & mask) == value; a call passes when all checks of one rule hold.
_Check = tuple[int, int, int]
_Rule = tuple[_Check, ...]
_INT = 0xFFFFFFFF
_WORD = 0xFFFFFFFFFFFFFFFF

_THREAD_MUST = 0x10F00  # CLONE_VM | FS | FILES | SIGHAND | THREAD
_THREAD_MAY = 0x7D0F00  # what glibc and musl add for a thread; no CLONE_NEW* is among it
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030, 1032, 1034)  # F_DUPFD .. F_SETFL, F_GETPIPE_SZ, F_GET_SEALS
_IOCTLS = (0x5401, 0x541B, 0x5421, 0x5450, 0x5451, 0x5413)  # TCGETS FIONREAD FIONBIO FIO(N)CLEX ..
_PRCTLS = (3, 15, 16, 0x53564D41)  # GET_DUMPABLE, SET_NAME, GET_NAME, SET_VMA
_AF_UNIX, _SOCK_STREAM, _SOCK_FLAGS = 1, 1, 0x80800

_Instruction = tuple[int, int, int, int]
_LOAD, _EQUAL, _BITS_SET, _AND, _RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_DENY = _ERRNO | errno.EPERM


def is_supported() -> bool:
    """Whether the tables cover this machine's architecture."""
    return MACHINE in _ARCHITECTURES


def allow_list(pid: int, *, sealed: bool) -> bytes:
    """The program for a REPL with that process id; `sealed` leaves out all calls with paths."""
    column, architecture = _ARCHITECTURES[MACHINE]
    program = _prologue(architecture)
    for number in _numbers(_PLAIN if sealed else _PLAIN + ";" + _PATHS, column).values():
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    checked = _numbers(_CHECKED, column)
    for name, rules in _argument_rules(pid).items():
        program += _checked_call(checked[name], rules)
    # glibc falls back to clone, whose flags a filter can see, when clone3 is not there.
    program += [(_EQUAL, 0, 1, checked["clone3"]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    program.append((_RETURN, 0, 0, _DENY))
    return _assemble(program)


def refuse_list(refusals: dict[int, int]) -> bytes:
    """A program that allows everything but some call numbers, which get an errno each.

    Stands in for kernels that lack a feature, in tests.
    """
    program: list[_Instruction] = [(_LOAD, 0, 0, 0)]
    for number, code in refusals.items():
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | code)]
    program.append((_RETURN, 0, 0, _ALLOW))
    return _assemble(program)


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


def _numbers(table: str, column: int) -> dict[str, int]:
    rows = (row.split() for row in table.split(";"))
    return {row[0]: int(row[1 + column]) for row in rows if row and row[1 + column] != "-"}


def _argument_rules(pid: int) -> dict[str, tuple[_Rule, ...]]:
    thread = ((0, _THREAD_MUST, _THREAD_MUST), (0, _WORD & ~_THREAD_MAY, 0))
    stream_pair = ((0, _INT, _AF_UNIX), (1, _INT & ~_SOCK_FLAGS, _SOCK_STREAM))
    return {
        "clone": (thread,),
        "kill": (((0, _INT, pid),),),
        "tgkill": (((0, _INT, pid),),),
        "prctl": tuple(((0, _INT, option),) for option in _PRCTLS),
        "prlimit64": (((0, _INT, 0), (2, _WORD, 0)),),
        "fcntl": tuple(((1, _INT, command),) for command in _FCNTL_COMMANDS),
        "ioctl": tuple(((1, _INT, request),) for request in _IOCTLS),
        "socketpair": (stream_pair,),
        "sendto": (((4, _WORD, 0),),),
    }


def _prologue(architecture: int) -> list[_Instruction]:
    program: list[_Instruction] = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
    ]
    if MACHINE == "x86_64":
        program += [(_BITS_SET, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL_PROCESS)]
    return program


def _checked_call(number: int, rules: tuple[_Rule, ...]) -> list[_Instruction]:
    """If it is this call: allowed when a rule holds, else denied; if it is not, falls through."""
    body: list[_Instruction] = []
    for rule in rules:
        body += _rule(rule)
    body.append((_RETURN, 0, 0, _DENY))
    return [(_EQUAL, 0, len(body), number), *body]


def _rule(rule: _Rule) -> list[_Instruction]:
    """Returns ALLOW when every check holds, else falls through."""
    steps: list[tuple[int, int, int]] = []  # offset in seccomp_data, mask, value; 32 bits each
    for argument, mask, value in rule:
        for half in (0, 1):
            part = (mask >> (32 * half)) & _INT
            if part:
                steps.append((16 + 8 * argument + 4 * half, part, (value >> (32 * half)) & _INT))
    body: list[_Instruction] = []
    left = 3 * len(steps) + 1
    for offset, mask, value in steps:
        left -= 3
        body += [(_LOAD, 0, 0, offset), (_AND, 0, 0, mask), (_EQUAL, 0, left, value)]
    body.append((_RETURN, 0, 0, _ALLOW))
    return body


def _assemble(program: list[_Instruction]) -> bytes:
    return b"".join(struct.pack("HBBI", code, yes, no, k) for code, yes, no, k in program)
