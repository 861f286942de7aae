"""Attacks on the kernel's surface, on privileges and on the filter itself (22, 24-26)."""

from tests.sandbox.attacks.case import Attack
from tests.sandbox.attacks.tables import attack

__all__ = ["ATTACKS"]


def _word(name: str, number: int, stops: str, code: str, *, flags: str = "") -> Attack:
    return attack(name, number, "word", stops, code, flags=flags)


_SURFACE: list[Attack] = [
    attack("memory file", 22, "descriptor", "SX", "kept = call('memfd_create', b'x', 0)"),
    _word("secret memory", 22, "SX", "call('memfd_secret', 0)", flags="absent"),
    attack("io_uring", 22, "descriptor", "SX", """
        kept = call("io_uring_setup", 4, ctypes.create_string_buffer(120))
    """, flags="absent"),
    _word("add a key", 22, "SX", """
        call("add_key", b"user", b"mine", b"key", 3, -2)
    """, flags="absent"),
    _word("join a keyring", 22, "SX", "call('keyctl', 1, 0, 0, 0, 0)", flags="absent"),
    _word("ask for a key", 22, "SX", """
        try:
            call("request_key", b"user", b"mine", 0, -2)
        except OSError as error:
            if error.errno != errno.ENOKEY:  # ENOKEY: it was looked for
                raise
    """, flags="absent"),
    attack("userfaultfd", 22, "descriptor", "SX", """
        kept = call("userfaultfd", 1)  # UFFD_USER_MODE_ONLY: for everybody
    """, flags="absent"),
    attack("bpf", 22, "descriptor", "SXCNP", """
        kept = call("bpf", 0, struct.pack("IIIII", 2, 4, 4, 1, 0) + bytes(100), 120)
    """, flags="absent"),
    attack("performance counters", 22, "descriptor", "SXP/CN", """
        attributes = ctypes.create_string_buffer(struct.pack("IIQ", 1, 128, 0), 128)
        kept = call("perf_event_open", attributes, 0, -1, -1, 0)
    """, flags="absent"),
    attack("the host's shared memory", 22, "secret", "SXNU", """
        libc.shmat.restype = ctypes.c_void_p
        address = libc.shmat(SEGMENT, None, 0)
        ctypes.string_at(address, 100) if address != 2**64 - 1 else os.strerror(ctypes.get_errno())
    """),
    _word("shared memory", 22, "SX", "call('shmget', 0, 4096, 0o1600)"),
    _word("message queue", 22, "SX", "call('msgget', 0, 0o1600)"),
    _word("semaphores", 22, "SX", "call('semget', 0, 1, 0o1600)"),
    _word("named queue", 22, "SX", """
        call("mq_open", b"rlm-attack", os.O_RDWR | os.O_CREAT, 0o600, 0)
        libc.mq_unlink(b"/rlm-attack")
    """, flags="absent"),
    _word("signal descriptor", 22, "SX", """
        call("signalfd4", -1, ctypes.create_string_buffer(8), 8, 0)
    """),
    _word("change the address layout", 22, "SX", "call('personality', 0x0040000)"),
    _word("own segments of the processor", 22, "SX", "call('modify_ldt', 0, bytes(64), 64)",
          flags="absent x86_64"),
    _word("splice pages into a pipe", 22, "SX", """
        reader, writer = os.pipe()
        text = ctypes.create_string_buffer(b"x")
        call("vmsplice", writer, struct.pack("QQ", ctypes.addressof(text), 1), 1, 0)
    """),
    _word("grow a pipe", 33, "SX", """
        import fcntl
        assert fcntl.fcntl(os.pipe()[1], 1031, 1 << 20) == 1 << 20
    """),
    _word("seal a file", 22, "SX", """
        import fcntl
        fcntl.fcntl(os.memfd_create("x", 2), fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL)
    """),
    _word("timer with a signal", 22, "SX", """
        event = ctypes.create_string_buffer(struct.pack("Qii", 0, 10, 0), 64)
        call("timer_create", 1, event, ctypes.create_string_buffer(8))
    """),
    _word("what only the machine's owner may", 22, "SXCNP", """
        tried = {
            "init_module": (0, 0, 0), "delete_module": (0, 0), "kexec_load": (-1, -1, 0, 0),
            "swapon": (b"/nonexistent", 0), "acct": (b"/nonexistent",),
        }
        reached = []
        for name, arguments in tried.items():
            try:
                call(name, *arguments)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOSYS):
                    reached.append(name)
        assert reached
    """),
    _word("read the kernel's log", 22, "SXCNP", "call('syslog', 10, 0, 0)"),
]  # fmt: skip

_PRIVILEGES: list[Attack] = [
    _word("a user namespace", 24, "SX", "call('unshare', 0x10000000)"),
    _word("a mount namespace", 24, "SXCQ", "call('unshare', 0x20000)"),
    _word("namespaces at once", 24, "SX", "call('unshare', 0x10000000 | 0x7E020000)"),
    _word("mount in a nested namespace", 24, "SXRL", """
        call("unshare", 0x10000000 | 0x20000)
        call("mount", 0, b"/", 0, 0x44000, 0)
        call("mount", b"tmpfs", os.fsencode(FOLDER), b"tmpfs", 0, 0)
    """),
    _word("proc in a nested namespace", 24, "SXLR", """
        call("unshare", 0x10000000 | 0x20000 | 0x20000000)
        if (child := os.fork()) == 0:
            try:
                call("mount", b"proc", b"/proc", b"proc", 0, 0)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    """, flags="absent"),
    _word("mount", 24, "SXLCQ", """
        call("unshare", 0x20000)
        call("mount", 0, b"/", 0, 0x44000, 0)
        call("mount", b"tmpfs", b"/", b"tmpfs", 0, 0)
    """),
    _word("mount by descriptor", 24, "SXCNP", "call('fsopen', b'tmpfs', 0)"),
    _word("copy a mount", 24, "SXCNP", "call('open_tree', -100, b'/', 1)"),
    _word("change a mount", 24, "SXCQ", """
        call("unshare", 0x20000)
        call("mount_setattr", -100, b"/", 0x8000, struct.pack("QQQQ", 0, 0, 1 << 18, 0), 32)
    """),
    _word("enter the host's namespaces", 24, "SXLRNUPC", """
        for name in ("net", "uts", "mnt"):
            call("setns", os.open(f"/proc/{HOST}/ns/{name}", os.O_RDONLY), 0)
    """),
    _word("enter init's namespaces", 24, "SXLRNUPC", """
        call("setns", os.open("/proc/1/ns/net", os.O_RDONLY), 0)
    """, flags="unsafe"),
    _word("enter by pidfd", 24, "SXLNUPC", """
        call("setns", call("pidfd_open", HOST, 0), 0x40000000)
    """),
    _word("change root", 24, "SXCQ", "os.chroot('/')"),
    _word("pivot root", 24, "SXCNP", """
        try:
            call("pivot_root", b"/nonexistent", b"/nonexistent")
        except FileNotFoundError:
            pass  # looked for: with a folder that is there it would have been done
    """),
    _word("be another user", 24, "SXCNP", "os.setresuid(12345, 12345, 12345)"),
    _word("be root", 24, "SXU P", "os.setuid(0); assert os.getuid() == 0"),
    _word("be another group", 24, "SXCNP", "os.setgid(12345)"),
    _word("drop groups", 24, "SXCNP", "os.setgroups([])"),
    _word("raise its limits", 16, "SXCNPU", """
        import resource
        more = resource.getrlimit(resource.RLIMIT_NOFILE)[1] + 1
        if libc.setrlimit(resource.RLIMIT_NOFILE, struct.pack("QQ", more, more)) != 0:
            raise OSError(ctypes.get_errno(), "setrlimit")
    """, flags="absent"),
    _word("raise its priority", 16, "SXCNPU", "os.setpriority(os.PRIO_PROCESS, 0, -20)"),
]  # fmt: skip

_FILTER: list[Attack] = [
    _word("another filter", 26, "SX", """
        program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000), 8)
        head = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
        call("prctl", 38, 1, 0, 0, 0)
        call("seccomp", 1, 0, head)
    """),
    _word("another filter by prctl", 26, "SX", """
        program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000), 8)
        call("prctl", 38, 1, 0, 0, 0)
        call("prctl", 22, 2, struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))
    """),
    _word("another Landlock", 26, "SX", """
        rules = call("landlock_create_ruleset", struct.pack("Q", 4), 8, 0)
        call("prctl", 38, 1, 0, 0, 0)
        call("landlock_restrict_self", rules, 0)
    """, flags="absent"),
    _word("be dumpable", 26, "SX", "call('prctl', 4, 1, 0, 0, 0)"),
    _word("outlive the parent", 26, "SX", "call('prctl', 1, 0, 0, 0, 0)"),
    _word("keep capabilities", 26, "SX", "call('prctl', 8, 1, 0, 0, 0)"),
    _word("speculate", 26, "SX", "call('prctl', 52, 0, 0, 0, 0)", flags="absent"),
    _word("a child reaper", 26, "SX", "call('prctl', 36, 1, 0, 0, 0)"),
    _word("trap its system calls", 26, "SX", "call('prctl', 59, 0, 0, 0, 0)", flags="absent"),
    _word("give itself capabilities", 26, "SXCQ", """
        header = struct.pack("Ii", 0x20080522, 0)
        everything = struct.pack("IIIIII", *(0xFFFFFFFF & (1 << 21),) * 3, 0, 0, 0)
        call("capset", header, everything)
    """),
    attack("x32 call", 25, "word", "SX", "call('x32')", death="SIGSYS", flags="x86_64 absent"),
    attack("int 0x80", 25, "word", "SX", """
        import mmap
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\\x53\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\x5b\\xc3")  # getpid of 32 bits
        entry = ctypes.addressof(ctypes.c_char.from_buffer(code))
        result = ctypes.CFUNCTYPE(ctypes.c_long)(entry)()
        if result <= 0:
            raise OSError(errno.ENOSYS, "no 32-bit calls in this kernel")
    """, death="SIGSYS", flags="x86_64 absent"),
]  # fmt: skip

ATTACKS: list[Attack] = [*_SURFACE, *_PRIVILEGES, *_FILTER]
