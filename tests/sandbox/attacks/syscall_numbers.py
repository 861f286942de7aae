"""Numbers of the system calls that attacks make by hand: x86-64 and aarch64.

Kept apart from the filter's own table, so that one mistake is not made in both.
"""

import os

__all__ = ["NUMBERS"]

_TABLE = """
    openat 257 56; clone 56 220; fork 57 -; vfork 58 -; clone3 435 435; execve 59 221;
    execveat 322 281; unshare 272 97; setns 308 268; mount 165 40; umount2 166 39;
    pivot_root 155 41; chroot 161 51; open_tree 428 428; move_mount 429 429; fsopen 430 430;
    fsconfig 431 431; fsmount 432 432; fspick 433 433; mount_setattr 442 442; memfd_create 319 279;
    memfd_secret 447 447; io_uring_setup 425 425; keyctl 250 219; add_key 248 217;
    request_key 249 218; userfaultfd 323 282; bpf 321 280; perf_event_open 298 241; shmget 29 194;
    shmat 30 196; msgget 68 186; semget 64 190; mq_open 240 180; ptrace 101 117;
    process_vm_readv 310 270; process_vm_writev 311 271; pidfd_open 434 434; pidfd_getfd 438 438;
    pidfd_send_signal 424 424; kcmp 312 272; rt_sigqueueinfo 129 138; tkill 200 130;
    inotify_init1 294 26; inotify_add_watch 254 27; fanotify_init 300 262; fanotify_mark 301 263;
    open_by_handle_at 304 265; openat2 437 437; personality 135 92; seccomp 317 277;
    setuid 105 146; setgid 106 144; setgroups 116 159; setresuid 117 147; ioprio_set 251 30;
    sched_setscheduler 144 119; setrlimit 160 164; landlock_create_ruleset 444 444;
    landlock_restrict_self 446 446; reboot 169 142; init_module 175 105; delete_module 176 106;
    kexec_load 246 104; swapon 167 224; acct 163 89; clock_settime 227 112; syslog 103 116;
    quotactl 179 60; sethostname 170 161; modify_ldt 154 -; signalfd4 289 74;
    sendmmsg 307 269; getpid 39 172; gettid 186 178; prctl 157 167;
    listmount 458 458; fchmodat2 452 452; setxattrat 463 463; timer_create 222 107;
    move_pages 279 239; migrate_pages 256 238; process_madvise 440 440; vmsplice 278 75;
    sched_setattr 314 274; setfsuid 122 151; capset 126 91; lookup_dcookie 212 18; splice 275 76;
    tee 276 77; statmount 457 457; fsetxattr 190 7; mbind 237 235; process_mrelease 448 448
"""

NUMBERS: dict[str, int] = {}
"""Name -> number on this machine; what it does not have is left out."""

for _row in _TABLE.split(";"):
    _name, _x86_64, _aarch64 = _row.split()
    _number = _x86_64 if os.uname().machine == "x86_64" else _aarch64
    if _number != "-":
        NUMBERS[_name] = int(_number)
