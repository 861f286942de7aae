"""Attacks on files: read, list, write, change, probe (cases 1-8, 27)."""

from tests.sandbox.attacks.case import Attack
from tests.sandbox.attacks.tables import attack

__all__ = ["ATTACKS"]

_READING: list[Attack] = [
    attack("read", 1, "secret", "LRXU", "open(CANARY).read()"),
    attack("read what all may read", 1, "secret", "LRX", "open(SHARED).read()"),
    attack("read by symlink", 1, "secret", "LRXU", "open(LINK).read()"),
    attack("read by hard link", 1, "secret", "LRXU", "open(HARD).read()"),
    attack("read by dots", 1, "secret", "LRX", "open('/usr/lib/../..' + SHARED).read()"),
    attack("read by proc", 1, "secret", "LRX", "open('/proc/self/root' + SHARED).read()"),
    attack("read by thread", 1, "secret", "LRX", "open('/proc/thread-self/root' + SHARED).read()"),
    attack("read by proc cwd", 1, "secret", "LRX", "open('/proc/self/cwd' + SHARED).read()"),
    attack("read by openat2", 1, "secret", "LRXS", """
        how = struct.pack("QQQ", os.O_RDONLY, 0, 0)
        fd = call("openat2", -100, os.fsencode(SHARED), how, len(how))
        os.read(fd, 100)
    """),
    attack("read through O_PATH", 1, "secret", "LRX", """
        beneath = os.open(FOLDER, os.O_PATH)
        os.read(os.open("shared", os.O_RDONLY, dir_fd=beneath), 100)
    """),
    attack("reopen an O_PATH descriptor", 1, "secret", "LRX", """
        beneath = os.open(SHARED, os.O_PATH)
        open(f"/proc/self/fd/{beneath}").read()
    """),
    attack("read by handle", 1, "secret", "LRXSCP", """
        handle = ctypes.create_string_buffer(HANDLE, len(HANDLE))
        mount = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
        os.read(call("open_by_handle_at", mount, handle, os.O_RDONLY), 100)
    """, flags="absent"),
    attack("map a file", 1, "secret", "LRX", """
        import mmap
        mmap.mmap(os.open(SHARED, os.O_RDONLY), 0, prot=mmap.PROT_READ)[:]
    """),
    attack("read by C", 1, "secret", "LRX", """
        libc.fopen.restype = ctypes.c_void_p
        stream = libc.fopen(os.fsencode(SHARED), b"r")
        buffer = ctypes.create_string_buffer(200)
        libc.fgets(buffer, 200, ctypes.c_void_p(stream)) if stream else 0
        buffer.value
    """),
    attack("read by an import", 8, "secret", "LRX", """
        import sys
        sys.path.insert(0, FOLDER)
        import planted_module
        planted_module.LOOT
    """),
    attack("read by linecache", 1, "secret", "LRX", "import linecache; linecache.getlines(SHARED)"),
    attack("read by sqlite", 1, "secret", "LRXS", """
        import sqlite3
        database = sqlite3.connect(":memory:")
        database.enable_load_extension(True) if hasattr(database, "enable_load_extension") else 0
        try:
            sqlite3.connect(SHARED).execute("select 1 from sqlite_master")
        except sqlite3.DatabaseError as error:
            told = str(error)  # "file is not a database": it was read
        open(SHARED).read() if told == "file is not a database" else told
    """),
    attack("read passwd", 1, "word", "LRX", "assert 'root' in open('/etc/passwd').read()"),
    attack("list", 2, "secret", "LRX", "os.listdir(FOLDER)"),
    attack("list by scandir", 2, "secret", "LRX", "list(os.scandir(FOLDER))"),
    attack("list by glob", 2, "secret", "LRX", "import glob; glob.glob(FOLDER + '/*')"),
    attack("list /", 2, "word", "LRX", "assert 'proc' in os.listdir('/')"),
    attack("list /etc", 2, "word", "LRX", "assert 'passwd' in os.listdir('/etc')"),
    attack("list processes", 2, "word", "LRX", "assert any(map(str.isdigit, os.listdir('/proc')))"),
    attack("load a planted library", 8, "word", "LRX", "ctypes.CDLL(PLANTED)"),
]  # fmt: skip

_CHANGING: list[Attack] = [
    attack("append", 3, "files", "LRXUSM", "open(CANARY, 'a').write('changed')"),
    attack("overwrite", 3, "files", "LRXUS", "open(CANARY, 'w').close()"),
    attack("create", 3, "files", "LRXUS", "open(FOLDER + '/new', 'w').close()"),
    attack("create where programs can", 3, "files", "LRXS", """
        for path in DROPS:
            try:
                open(path, "w").close()
            except OSError as error:
                last = error
        raise last
    """),
    attack("create by open by C", 3, "files", "LRXUS", """
        libc.creat(os.fsencode(FOLDER + "/new"), 0o600)
    """),
    attack("poison the interpreter", 3, "files", "LRXUPS", """
        import json
        open(os.path.dirname(json.__file__) + f"/__pycache__/rlm-attack-{TOKEN}", "w").close()
    """),
    attack("write through a mapping", 3, "files", "LRXUS", """
        import mmap
        mapped = mmap.mmap(os.open(CANARY, os.O_RDWR), 0)
        mapped[:4] = b"nope"
        mapped.flush()
    """),
    attack("log to a file", 3, "files", "LRXUS", """
        import faulthandler
        faulthandler.dump_traceback(open(FOLDER + "/trace", "w"))
    """),
    attack("truncate", 4, "files", "LRXUS", "os.truncate(CANARY, 0)"),
    attack("truncate when opening", 4, "files", "LRXUS", """
        os.open(CANARY, os.O_WRONLY | os.O_TRUNC)
    """),
    attack("ftruncate", 4, "files", "LRXUS", "os.ftruncate(os.open(CANARY, os.O_RDWR), 0)"),
    attack("fallocate", 4, "files", "LRXUS", """
        os.posix_fallocate(os.open(CANARY, os.O_RDWR), 0, 9999)
    """),
    attack("chmod", 4, "files", "RXUS", "os.chmod(CANARY, 0o777)"),
    attack("fchmodat2", 4, "files", "RXUS", """
        call("fchmodat2", -100, os.fsencode(CANARY), 0o777, 0)
    """, flags="absent"),
    attack("chown", 4, "files", "RXUSCNP", "os.chown(CANARY, 1, 1)"),
    attack("utime", 4, "files", "RXUS", "os.utime(CANARY, (1, 1))"),
    attack("setxattr", 4, "files", "RXUS", """
        os.setxattr(CANARY, "user.mine", b"1")
    """, flags="absent"),
    attack("removexattr", 4, "files", "RXUS", """
        os.removexattr(SHARED, "user.secret")
    """, flags="absent"),
    attack("setxattrat", 4, "files", "RXUS", """
        value = ctypes.create_string_buffer(b"1")
        arguments = struct.pack("QII", ctypes.addressof(value), 1, 0)
        call("setxattrat", -100, os.fsencode(CANARY), 0, b"user.mine", arguments, len(arguments))
    """, flags="absent"),
    attack("lock", 4, "files", "LRXUS", """
        import fcntl
        kept = os.open(CANARY, os.O_RDONLY)
        fcntl.flock(kept, fcntl.LOCK_EX)
    """),
    attack("lease", 4, "word", "LRXUS", """
        import fcntl
        kept = os.open(SHARED, os.O_RDONLY)
        fcntl.fcntl(kept, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(kept, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    """, flags="absent"),
    attack("unlink", 5, "files", "LRXUS", "os.unlink(LINK)"),
    attack("remove a folder", 5, "files", "LRXUS", "os.rmdir(FOLDER + '/empty')"),
    attack("rename", 5, "files", "LRXUS", "os.rename(LINK, LINK + '2')"),
    attack("make a folder", 5, "files", "LRXUS", "os.mkdir(FOLDER + '/made')"),
    attack("make a pipe", 5, "files", "LRXUS", "os.mkfifo(FOLDER + '/fifo')"),
    attack("make a device", 5, "files", "LRXUSCNP", """
        import stat
        os.mknod(FOLDER + "/device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    """),
    attack("make a symlink", 5, "files", "LRXUS", "os.symlink('/etc', FOLDER + '/symlink')"),
    attack("make a hard link", 5, "files", "LRXUS", "os.link(CANARY, FOLDER + '/second')"),
    attack("replace a file by race", 5, "files", "LRXUS", """
        for _ in range(50):
            os.symlink("/etc/passwd", FOLDER + "/racing")
            os.rename(FOLDER + "/racing", CANARY)
    """),
    attack("write to the terminal", 27, "terminal", "LRXU", """
        os.write(os.open(TERMINAL, os.O_WRONLY | os.O_NOCTTY), b"\\x1b]52;c;cm0gLXJmIH4=\\x07")
    """, flags="absent"),
    attack("type into the terminal", 27, "word", "LRXUS", """
        import fcntl, termios
        os.setsid()
        mine = os.open(TERMINAL, os.O_RDWR)
        fcntl.ioctl(mine, termios.TIOCSCTTY, 1)
        fcntl.ioctl(mine, termios.TIOCSTI, b"x")
    """, flags="absent unsafe"),
    attack("open a device", 27, "word", "LRX", """
        opened = []
        for name in ("mem", "kvm", "vda", "sda", "nvme0n1", "nvidia0", "nvidiactl", "nvidia-uvm",
                     "dri/card0", "dri/renderD128", "fuse", "net/tun", "tty", "ptmx", "zero"):
            try:
                os.close(os.open("/dev/" + name, os.O_RDONLY | os.O_NONBLOCK))
                opened.append(name)
            except OSError:
                pass
        assert opened
    """),
    attack("open the kernel's knobs", 0, "word", "LRXUSP", """
        opened = []
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                     "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"):
            try:
                os.close(os.open(path, os.O_WRONLY))
                opened.append(path)
            except OSError:
                pass
        assert opened
    """),
]  # fmt: skip

_PROBING: list[Attack] = [
    attack("stat", 6, "secret", "RX", "os.stat(SHARED).st_mtime_ns"),
    attack("stat by statx", 6, "secret", "RX", """
        buffer = ctypes.create_string_buffer(256)
        assert libc.statx(-100, os.fsencode(SHARED), 0, 0x7FF, buffer) == 0
        seconds, part = struct.unpack_from("qI", buffer, 112)
        seconds * 10**9 + part
    """),
    attack("access", 6, "word", "RX", "assert os.access(SHARED, os.F_OK)"),
    attack("exists", 6, "word", "RX", "assert os.path.exists(FOLDER)"),
    attack("readlink", 6, "secret", "RX", "os.readlink(FOLDER + '/dangling')"),
    attack("realpath", 6, "secret", "RX", "os.path.realpath(FOLDER + '/dangling')"),
    attack("read an attribute", 6, "secret", "RXS", """
        os.getxattr(SHARED, "user.secret")
    """, flags="absent"),
    attack("list attributes", 6, "word", "RXS", """
        assert "user.secret" in os.listxattr(SHARED)
    """, flags="absent"),
    attack("statfs", 6, "word", "RXS", "os.statvfs(FOLDER)"),
    attack("change folder", 6, "word", "RXS", "os.chdir(FOLDER)"),
    attack("list mounts", 6, "word", "S", """
        request = struct.pack("IIQQQ", 24, 0, 0xFFFFFFFFFFFFFFFF, 0, 0)
        found = ctypes.create_string_buffer(8 * 64)
        call("listmount", request, found, 64, 0)
    """, flags="absent"),
    attack("watch by inotify", 7, "word", "RXS", """
        call("inotify_add_watch", call("inotify_init1", 0), os.fsencode(FOLDER), 0xFFF)
    """),
    attack("watch by fanotify", 7, "word", "RXS", """
        watcher = call("fanotify_init", 0x200, os.O_RDONLY)  # FAN_REPORT_FID: for everybody
        call("fanotify_mark", watcher, 1, 0x2, -100, os.fsencode(FOLDER))
    """, flags="absent"),
    attack("watch by dnotify", 7, "word", "LRXS", """
        import fcntl
        fcntl.fcntl(os.open(FOLDER, os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_CREATE)
    """, flags="absent"),
]  # fmt: skip

ATTACKS: list[Attack] = [*_READING, *_CHANGING, *_PROBING]
