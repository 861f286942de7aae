"""The system calls a confined REPL may make, each with its reason: numbers and argument rules.

What is not named here is denied. In particular: every change of a file, its owner, mode or times;
sockets beyond one's own pairs; new processes, programs and namespaces; anything done to another
process, asking after it included; io_uring, memfd, bpf, perf, keys, userfaultfd, inotify, System V
and POSIX queues; mounts. Filters cannot look behind pointers: which *files* are read is the
business of Landlock, the private root, or of "sealed", which has no call with a path at all.
"""

import errno
from typing import NamedTuple

__all__ = ["Rule", "Treatment", "allowed_calls"]

Check = tuple[int, int, tuple[int, ...]]
"""Holds when (argument & mask) is one of the values; more than one only of 32-bit arguments."""
Rule = tuple[Check, ...]
"""Holds when every check does; without checks, always."""


class Treatment(NamedTuple):
    """A call passes when one of the rules holds, else gets the errno."""

    rules: tuple[Rule, ...]
    refusal: int = errno.EPERM


_ALWAYS = Treatment(((),))

# name, x86-64 number, aarch64 number; "-" where the architecture has no such call.
# Memory: allocators, numpy, the loader. mprotect and PROT_EXEC stay open: whoever can run Python
# with ctypes can run code, and extension modules are mapped so.
_MEMORY = "mmap 9 222; munmap 11 215; brk 12 214; mprotect 10 226; mremap 25 216"
# Descriptors one has: files that were opened for reading, pipes, one's own socket pairs.
_DESCRIPTORS = """
    read 0 63; write 1 64; readv 19 65; writev 20 66; pread64 17 67; pwrite64 18 68; lseek 8 62;
    close 3 57; fstat 5 80; dup 32 23; dup2 33 -; dup3 292 24; pipe 22 -; pipe2 293 59;
    shutdown 48 210
"""
# Waiting: select, selectors and asyncio; eventfd2 wakes the loops of extension modules in Rust.
_WAITING = """
    poll 7 -; ppoll 271 73; select 23 -; pselect6 270 72; epoll_create1 291 20; epoll_ctl 233 21;
    epoll_wait 232 -; epoll_pwait 281 22; eventfd2 290 19
"""
# Clocks, mostly behind the vDSO; timers that signal oneself, for cells with signal.alarm.
_TIME = """
    clock_gettime 228 113; clock_getres 229 114; clock_nanosleep 230 115; nanosleep 35 101;
    gettimeofday 96 169; time 201 -; times 100 153; alarm 37 -; setitimer 38 103;
    getitimer 36 102; pause 34 -; restart_syscall 219 128
"""
_SIGNALS = """
    rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139; rt_sigpending 127 136;
    rt_sigsuspend 130 133; rt_sigtimedwait 128 137; sigaltstack 131 132
"""
# What libc does as a thread starts and ends. Robust lists of others (get_robust_list) are not.
_THREADS = """
    set_robust_list 273 99; set_tid_address 218 96; rseq 334 293; sched_yield 24 124;
    getcpu 309 168; gettid 186 178; exit 60 93; exit_group 231 94
"""
# Facts about oneself; not getpriority, which takes any process. Of the machine: uname, for
# `platform`, and sysinfo, because libc's sysconf(_SC_PHYS_PAGES) gives back rubbish without it.
_OWN_FACTS = """
    getpid 39 172; getppid 110 173; getpgrp 111 -; getuid 102 174; geteuid 107 175; getgid 104 176;
    getegid 108 177; getresuid 118 148; getresgid 120 150; getgroups 115 158; getrlimit 97 163;
    getrusage 98 165; uname 63 160; sysinfo 99 179; getrandom 318 278; getcwd 79 17
"""
_PLAIN = (_MEMORY, _DESCRIPTORS, _WAITING, _TIME, _SIGNALS, _THREADS, _OWN_FACTS)
# Importing and looking at files; left out when sealed. getdents64 takes no path, but what it
# lists was opened by one.
_PATHS = """
    stat 4 -; lstat 6 -; newfstatat 262 79; statx 332 291; access 21 -; faccessat 269 48;
    faccessat2 439 439; readlink 89 -; readlinkat 267 78; getdents64 217 61
"""
# A writable folder, sqlite's journals in it included. Without renameat2 (its whiteouts are device
# nodes), fallocate (it can take room beyond a file's size, which RLIMIT_FSIZE does not see) and
# flock (sqlite locks by fcntl).
_SCRATCH = """
    mkdir 83 -; mkdirat 258 34; rmdir 84 -; unlink 87 -; unlinkat 263 35; rename 82 -;
    renameat 264 38; ftruncate 77 46; fsync 74 82; fdatasync 75 83; msync 26 227
"""
_CHECKED = """
    clone 56 220; clone3 435 435; futex 202 98; madvise 28 233; membarrier 324 283; kill 62 129;
    tgkill 234 131; getpgid 121 155; getsid 124 156; sched_getaffinity 204 123; prctl 157 167;
    prlimit64 302 261; fcntl 72 25; ioctl 16 29; socketpair 53 199; sendto 44 206; recvfrom 45 207;
    getsockopt 55 209
"""
_CHECKED_PATHS = "open 2 -; openat 257 56"

_INT = 0xFFFFFFFF
_WORD = 0xFFFFFFFFFFFFFFFF

_THREAD_MUST = 0x10F00  # CLONE_VM | FS | FILES | SIGHAND | THREAD
_THREAD_MAY = 0x7D0F00  # what glibc and musl add for a thread; no CLONE_NEW* is among it
# WAKE and WAIT, with bits or without, WAKE_OP, (CMP_)REQUEUE; no priority inheritance, whose
# history is bad. FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME may be added.
_FUTEX_FLAGS, _FUTEXES = 0x180, (1, 0, 9, 10, 5, 4, 3)
# NORMAL to DONTNEED, FREE, HUGEPAGE, NOHUGEPAGE, DONTDUMP, DODUMP (allocators), GUARD_INSTALL and
# GUARD_REMOVE (stacks of glibc from 2.42 on). Not MERGEABLE, by which one can find out what other
# processes and machines hold, nor PAGEOUT or HWPOISON.
_ADVICES = (0, 1, 2, 3, 4, 8, 14, 15, 16, 17, 102, 103)
_MEMBARRIERS = (0, 8, 16)  # QUERY, (REGISTER_)PRIVATE_EXPEDITED: the others disturb every core
_PRCTLS = (15, 16)  # SET_NAME, GET_NAME: of threads
_FCNTLS = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC
_F_SETFL, _O_ASYNC = 4, 0x2000  # F_SETFL without O_ASYNC: no signals by descriptor
_LOCKS = (5, 6)  # F_GETLK, F_SETLK
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS and TIOCGWINSZ (isatty of glibc and musl), FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""
_AF_UNIX, _SOCK_STREAM, _SOCK_FLAGS = 1, 1, 0x80800  # datagram pairs can be sent elsewhere
_SEND_FLAGS = 0x4040  # MSG_DONTWAIT, MSG_NOSIGNAL
_RECEIVE_FLAGS = 0x142  # MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL; never MSG_OOB, see CVE-2025-38236
# SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_PROTOCOL, SO_DOMAIN of SOL_SOCKET: what `socket` and
# asyncio ask. Not SO_PEERCRED and SO_PEERPIDFD, which tell of the host.
_SOL_SOCKET, _SOCKET_OPTIONS = 1, (3, 4, 7, 8, 38, 39)
_OPENED_TO_CHANGE = 0x400243  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE's own bit


def allowed_calls(column: int, pid: int, *, sealed: bool, scratch: bool) -> dict[int, Treatment]:
    """What is done with each call that is not simply denied, by its number.

    `column`: 0 x86-64, 1 aarch64. `pid` is the process's own id as it sees it. `sealed` wins over
    `scratch`.
    """
    scratch = scratch and not sealed
    plain, checked = [*_PLAIN], [_CHECKED]
    if not sealed:
        plain.append(_PATHS)
        checked.append(_CHECKED_PATHS)
    if scratch:
        plain.append(_SCRATCH)
    treatments = {**_process_rules(pid), **_descriptor_rules(scratch=scratch)}
    return {
        **dict.fromkeys(_numbers(plain, column).values(), _ALWAYS),
        **{number: treatments[name] for name, number in _numbers(checked, column).items()},
    }


def _numbers(tables: list[str], column: int) -> dict[str, int]:
    rows = (row.split() for table in tables for row in table.split(";"))
    return {row[0]: int(row[1 + column]) for row in rows if row and row[1 + column] != "-"}


def _process_rules(pid: int) -> dict[str, Treatment]:
    """Threads, memory, and what may be done to a process: to this one."""
    itself = _one((0, _INT, (0, pid)))
    return {
        "clone": _one((0, _THREAD_MUST, (_THREAD_MUST,)), (0, _WORD & ~_THREAD_MAY, (0,))),
        # Its flags are behind a pointer; libc falls back to clone when it is not there.
        "clone3": Treatment((), errno.ENOSYS),
        "futex": _one((1, _INT & ~_FUTEX_FLAGS, _FUTEXES)),
        "madvise": _one((2, _INT, _ADVICES)),
        "membarrier": _one((0, _INT, _MEMBARRIERS)),
        "kill": _one((0, _INT, (pid,))),  # 0 would be its process group
        "tgkill": _one((0, _INT, (pid,))),
        "getpgid": itself,
        "getsid": itself,
        # glibc's pthread_getattr_np asks by thread id, and makes do with ENOSYS alone.
        "sched_getaffinity": Treatment(itself.rules, errno.ENOSYS),
        "prctl": _one((0, _INT, _PRCTLS)),
        "prlimit64": _one((0, _INT, (0, pid)), (2, _WORD, (0,))),  # asks, sets nothing
    }


def _descriptor_rules(*, scratch: bool) -> dict[str, Treatment]:
    commands = _FCNTLS + _LOCKS if scratch else _FCNTLS
    may_change = 0 if scratch else _OPENED_TO_CHANGE
    set_flags = ((1, _INT, (_F_SETFL,)), (2, _O_ASYNC, (0,)))
    return {
        "open": _one((1, may_change, (0,))),
        "openat": _one((2, may_change, (0,))),
        "fcntl": Treatment((((1, _INT, commands),), set_flags)),
        "ioctl": _one((1, _INT, _IOCTLS)),
        "socketpair": _one((0, _INT, (_AF_UNIX,)), (1, _INT & ~_SOCK_FLAGS, (_SOCK_STREAM,))),
        "sendto": _one((3, _INT & ~_SEND_FLAGS, (0,)), (4, _WORD, (0,))),
        "recvfrom": _one((3, _INT & ~_RECEIVE_FLAGS, (0,))),
        "getsockopt": _one((1, _INT, (_SOL_SOCKET,)), (2, _INT, _SOCKET_OPTIONS)),
    }


def _one(*checks: Check) -> Treatment:
    return Treatment((checks,))
