"""Attacks on other processes: look into, trace, signal, slow down, start (12-16, 23, 30)."""

from tests.sandbox.attacks.case import Attack
from tests.sandbox.attacks.tables import attack

__all__ = ["ATTACKS"]

_LOOKING: list[Attack] = [
    attack("environment of the host", 12, "word", "LRXNU/C", """
        assert open(f"/proc/{HOST}/environ", "rb").read()
    """),
    attack("environment of a process", 12, "secret", "LRXNU/C", """
        open(f"/proc/{VICTIM}/environ").read()
    """),
    attack("arguments of a process", 12, "secret", "LRX", "open(f'/proc/{VICTIM}/cmdline').read()"),
    attack("memory file of the host", 12, "secret", "LRXNU/C", """
        memory = open(f"/proc/{HOST}/mem", "rb", 0)
        memory.seek(HEAP)
        memory.read(HEAP_BYTES)
    """),
    attack("write to the host's memory file", 12, "memory", "LRXNUS/C", """
        memory = open(f"/proc/{HOST}/mem", "r+b", 0)
        memory.seek(HEAP)
        memory.write(b"nope")
    """),
    attack("map of the host", 12, "word", "LRXNU/C", "assert open(f'/proc/{HOST}/maps').read()"),
    attack("descriptors of the host", 12, "secret", "LRXNU/C", """
        open(f"/proc/{HOST}/fd/{HOST_FD}").read()
    """),
    attack("rewrite the host's context", 29, "memory", "LRXNUSM/C", """
        with open(f"/proc/{HOST}/fd/{CONTEXT_FD}", "r+b") as file:
            file.write(b"nope")
    """),
    attack("root of the host", 12, "secret", "LRXNU/C", """
        open(f"/proc/{HOST}/root" + CANARY).read()
    """),
    attack("root of init", 12, "secret", "LRXNUP/C", "open('/proc/1/root' + CANARY).read()",
           flags="unsafe"),
    attack("folder of the host", 12, "word", "LRXNU/C", "assert os.listdir(f'/proc/{HOST}/cwd')"),
    attack("stack of the template", 30, "word", "LRXNU/C", """
        above = [line for line in open("/proc/self/status") if line.startswith("PPid")]
        assert open(f"/proc/{int(above[0].split()[1])}/maps").read()
    """),
    attack("own memory by file", 12, "word", "LRX", """
        with open("/proc/self/mem", "rb", 0) as memory:
            memory.seek(id(CANARY))
            assert memory.read(8)
    """),
]  # fmt: skip

_READ_MEMORY = """
def read_memory(pid, address, size):
    buffer = ctypes.create_string_buffer(size)
    ours = struct.pack("QQ", ctypes.addressof(buffer), size)
    theirs = struct.pack("QQ", address, size)
    call("process_vm_readv", pid, ours, 1, theirs, 1, 0)
    return buffer.raw
"""
_TRACING: list[Attack] = [
    attack("read a process's memory", 13, "secret", "SXLNU/C",
           _READ_MEMORY + "read_memory(VICTIM, VICTIM_ADDRESS, VICTIM_BYTES)"),
    attack("read the host's memory", 13, "secret", "SXLNU/C",
           _READ_MEMORY + "read_memory(HOST, HEAP, HEAP_BYTES)"),
    attack("read another REPL's memory", 30, "secret", "SXLN",
           _READ_MEMORY + "read_memory(SIBLING, SIBLING_ADDRESS, SIBLING_BYTES)"),
    attack("write the host's memory", 13, "memory", "SXLNU/C", """
        text = ctypes.create_string_buffer(b"nope", 4)
        ours = struct.pack("QQ", ctypes.addressof(text), 4)
        call("process_vm_writev", HOST, ours, 1, struct.pack("QQ", HEAP, 4), 1, 0)
    """),
    attack("attach to a process", 13, "victim", "SXLNU/C", "call('ptrace', 16, VICTIM, 0, 0)"),
    attack("seize a process", 13, "victim", "SXLNU/C", "call('ptrace', 0x4206, VICTIM, 0, 0)"),
    attack("attach to another REPL", 30, "word", "SXLN", "call('ptrace', 0x4206, SIBLING, 0, 0)"),
    attack("ask to be traced", 13, "word", "SX", "call('ptrace', 0, 0, 0, 0)"),
    attack("open a process", 13, "word", "SXN", "call('pidfd_open', VICTIM, 0)"),
    attack("take a descriptor of the host", 13, "secret", "SXLNU/C", """
        taken = call("pidfd_getfd", call("pidfd_open", HOST, 0), HOST_FD, 0)
        os.pread(taken, 100, 0)
    """),
    attack("take a descriptor of a process", 13, "secret", "SXLNU/C", """
        taken = call("pidfd_getfd", call("pidfd_open", VICTIM, 0), 0, 0)
        os.pread(taken, 100, 0)
    """),
    attack("take another REPL's socket", 30, "word", "SXLN", """
        call("pidfd_getfd", call("pidfd_open", SIBLING, 0), 3, 0)
    """),
    attack("compare with the host", 13, "word", "SXLNU/C", """
        call("kcmp", HOST, HOST, 1, 0, 0)
    """, flags="absent"),
]  # fmt: skip

_SIGNALLING: list[Attack] = [
    attack("probe the host by signal", 14, "word", "SXLNU", "os.kill(HOST, 0)"),
    # The kernel says 0 where there is anybody at all, allowed or not: only who sees nobody fails.
    attack("probe everybody by signal", 14, "word", "SXN", "os.kill(-1, 0)"),
    attack("kill a process", 14, "victim", "SXLNU", "os.kill(VICTIM, 9)"),
    attack("stop a process", 14, "victim", "SXLNU", "os.kill(VICTIM, 19)"),
    attack("kill a group", 14, "victim", "SXLNU", "os.killpg(VICTIM, 9)"),
    attack("kill a thread", 14, "victim", "SXLNU", "call('tkill', VICTIM, 9)"),
    attack("queue a signal", 14, "victim", "SXLNU", """
        information = ctypes.create_string_buffer(struct.pack("iii", 9, 0, -1), 128)
        call("rt_sigqueueinfo", VICTIM, 9, information)
    """),
    attack("kill by pidfd", 14, "victim", "SXLNU", """
        call("pidfd_send_signal", call("pidfd_open", VICTIM, 0), 9, 0, 0)
    """),
    attack("kill another REPL", 30, "sibling", "SXLN", "os.kill(SIBLING, 9)"),
    attack("kill the template process", 14, "sibling", "SXLNU", """
        import signal
        os.kill(TEMPLATE, signal.SIGKILL)
    """, flags="unsafe"),
    # A REPL is alone in its group: even without a PID namespace it hits nobody but itself.
    attack("kill its own group", 14, "sibling", "-", "os.kill(0, 9)"),
    attack("signal by F_SETOWN", 15, "victim", "SXLNU", """
        import fcntl
        reader, writer = os.pipe()
        fcntl.fcntl(reader, fcntl.F_SETOWN, VICTIM)
        fcntl.fcntl(reader, 10, 9)  # F_SETSIG
        fcntl.fcntl(reader, fcntl.F_SETFL, fcntl.fcntl(reader, fcntl.F_GETFL) | os.O_ASYNC)
        os.write(writer, b"x")
    """),
    attack("signal by F_SETOWN_EX", 15, "victim", "SXLNU", """
        import fcntl
        reader, writer = os.pipe()
        fcntl.fcntl(reader, 15, struct.pack("ii", 1, VICTIM))
        fcntl.fcntl(reader, 10, 9)
        fcntl.fcntl(reader, fcntl.F_SETFL, fcntl.fcntl(reader, fcntl.F_GETFL) | os.O_ASYNC)
        os.write(writer, b"x")
    """),
    attack("signal by FIOSETOWN", 15, "victim", "SXLNU", """
        import _socket, fcntl
        a, b = _socket.socketpair()
        fcntl.ioctl(a.fileno(), 0x8901, struct.pack("i", VICTIM))
        fcntl.fcntl(a.fileno(), 10, 9)
        fcntl.ioctl(a.fileno(), 0x5452, struct.pack("i", 1))  # FIOASYNC
        b.send(b"x")
    """),
    attack("limit a process", 16, "victim", "SXNU", """
        import resource
        resource.prlimit(VICTIM, resource.RLIMIT_NOFILE, (16, 16))
    """),
    attack("read a process's limits", 16, "word", "SXNU", """
        import resource
        resource.prlimit(VICTIM, resource.RLIMIT_NOFILE)
    """),
    attack("slow a process down", 16, "victim", "SXNU/C", """
        os.setpriority(os.PRIO_PROCESS, VICTIM, 19)
    """),
    attack("bind a process to a core", 16, "victim", "SXNU/C", """
        os.sched_setaffinity(VICTIM, {max(os.sched_getaffinity(0))})
    """),
    attack("schedule a process as idle", 16, "victim", "SXNU/C", """
        call("sched_setscheduler", VICTIM, 5, struct.pack("i", 0))
    """),
    attack("schedule a process's disk", 16, "word", "SXNU/C", """
        call("ioprio_set", 1, VICTIM, 3 << 13)
    """),
    attack("offer a process to the memory killer", 16, "victim", "LRXUS", """
        with open(f"/proc/{VICTIM}/oom_score_adj", "w") as file:
            file.write("999")
    """),
    attack("move a process's memory", 16, "word", "SXNU/C", """
        call("move_pages", VICTIM, 0, 0, 0, 0, 0)
    """, flags="absent"),
]  # fmt: skip

_STARTING: list[Attack] = [
    attack("fork", 23, "process", "SX", """
        if os.fork() == 0:
            import time
            time.sleep(60)
    """),
    attack("vfork", 23, "word", "SX", """
        if call("vfork") == 0:
            libc._exit(0)
    """, flags="x86_64 unsafe"),  # unstopped, the child ruins the stack it shares
    attack("clone", 23, "process", "SX", """
        if call("clone", 17, 0, 0, 0, 0) == 0:
            import time
            time.sleep(60)
    """),
    attack("clone3", 23, "process", "SX", """
        arguments = struct.pack("QQQQQQQQ", 0, 0, 0, 0, 17, 0, 0, 0)
        if call("clone3", arguments, 64) == 0:
            import time
            time.sleep(60)
    """),
    attack("clone into a namespace", 24, "word", "SX", """
        if call("clone", 17 | 0x10000000, 0, 0, 0, 0) == 0:
            libc._exit(0)
    """),
    attack("a thread in a namespace", 24, "word", "SX", """
        # A thread of its own user namespace: refused by the kernel itself, with EINVAL.
        call("clone", 0x10000000 | 17 | 0x4000, 0, 0, 0, 0) or libc._exit(0)
    """),
    attack("run a program", 23, "secret", "SXLRU", """
        import subprocess
        subprocess.run(["/bin/cat", CANARY], capture_output=True, text=True).stdout
    """),
    attack("run by shell", 23, "secret", "SXLRU", "os.popen(f'cat {CANARY}').read()"),
    attack("run by system", 23, "secret", "SXLRU", "os.system(f'cat {CANARY}')"),
    attack("run by spawn", 23, "process", "SXLR", """
        os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    """),
    attack("become a program", 23, "secret", "SXLRU", "os.execv('/bin/cat', ['cat', CANARY])"),
    attack("become a program by the loader", 23, "secret", "SXLRU", """
        import glob
        loader = sorted(glob.glob("/lib*/ld-linux*.so*") + glob.glob("/lib/*/ld-linux*.so*"))[0]
        os.execv(loader, [loader, "/bin/cat", CANARY])
    """),
    attack("become a program by descriptor", 23, "secret", "SXLRU", """
        program = os.open("/bin/cat", os.O_RDONLY)
        os.execve(program, ["cat", CANARY], {})
    """),
    attack("become a program in memory", 23, "secret", "SXLRUM", """
        program = os.memfd_create("program", 0)
        os.write(program, open("/bin/cat", "rb").read())
        os.execve(program, ["cat", CANARY], {})
    """),
    attack("preload a library", 8, "secret", "SXLRU", """
        os.execve("/bin/cat", ["cat", CANARY], {"LD_PRELOAD": PLANTED})
    """),
    attack("multiprocessing", 23, "process", "SX", """
        import multiprocessing, time
        context_of_forks = multiprocessing.get_context("fork")
        started = context_of_forks.Process(target=time.sleep, args=(60,))
        started.start()
    """),
    attack("a terminal of its own", 23, "process", "SXLR", """
        import pty, time
        if pty.fork()[0] == 0:
            time.sleep(60)
    """, flags="absent"),
]  # fmt: skip

ATTACKS: list[Attack] = [*_LOOKING, *_TRACING, *_SIGNALLING, *_STARTING]
