"""Cells that do not end, do not end well, or try to take the REPL's protocol with them.

Every kind that was measured while the sandbox was designed, and what must become of it. The code
is run inside REPLs only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["KINDS", "Ending", "Runaway"]

Ending: TypeAlias = Literal["interrupted", "restarted", "ends"]
"""`interrupted`: stopped at its limit, variables kept. `restarted`: the process had to go, the
text is there again. `ends`: over by itself, variables kept."""


@dataclass(frozen=True, slots=True)
class Runaway:
    """One kind of cell, and the ways in which it may end."""

    name: str
    endings: tuple[Ending, ...]
    code: str
    setup: str = ""
    """Runs before it, with time."""
    needs_time: bool = False
    """It is to end by itself, so that its limit is long."""


_SETUPS = {
    "long number as text": "import sys; sys.set_int_max_str_digits(0); number = 7 ** 200_000",
    "count": "text = 'a' * 10**7",
    "find": "text = 'a' * 10**7",
    "sub-calls of 3 MB": "prompt = 'x' * 3 * 10**6",
    "prompt of 64 MB": "prompt = 'x' * 64 * 10**6",
    "matrices": "import numpy; a = numpy.ones((200, 200))",
}
_FORGE = """
import json, os, struct, time
def frame(header):
    data = json.dumps(header).encode()
    return struct.pack('>III', 8 + len(data), len(data), 0) + data
"""


def _kinds(codes: Mapping[str, str], *endings: Ending) -> tuple[Runaway, ...]:
    needs_time = endings[0] == "ends"
    return tuple(
        Runaway(name, endings, code.strip(), _SETUPS.get(name, _FORGE), needs_time)
        for name, code in codes.items()
    )


_INTERRUPTED = {
    "endless loop": "while True: pass",
    "bare except": """
while True:
    try:
        while True: pass
    except: pass
""",
    "sleep": "time.sleep(600)",
    "regex": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "power": "7 ** 10**8",
    "long number as text": "while True: str(number)",
    "sort": "sorted(range(5 * 10**6), key=lambda n: n * 2654435761 % 4294967296)",
    "count": "while True: text.count('ab')",
    "find": "while True: text.find('ab')",
    "join a thread": """
import threading
thread = threading.Thread(target=time.sleep, args=(600,), daemon=True)
thread.start()
thread.join()
""",
    "deadlock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "endless sub-calls": "while True: llm_query('x')",
    "sub-calls of 3 MB": "while True: llm_query(prompt)",
    "endless repr": """
class R:
    def __repr__(self):
        while True: pass
R()
""",
    "matrices": "while True: a @ a",
    "endless print": "while True: print('x' * 1000)",
    "flood of output": "while True: os.write(1, b'x' * 65536)",
    "await": "import asyncio\nawait asyncio.sleep(600)",
}
# What is interrupted here is no code of the cell that could go on: its error is another one's.
_STOPPED = {
    "endless str of an error": """
class E(Exception):
    def __str__(self):
        while True: pass
raise E
""",
    "endless del": """
class D:
    def __del__(self):
        while True: pass
D()
None
""",
}
_KILLED = {
    "sum in C": "sum(range(10**12))",
    "list in C": "list(iter(int, 1))",
    "interrupt ignored": """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True: pass
""",
    "interrupt blocked": """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
while True: pass
""",
    "half a frame": "os.write(3, b'\\x00\\x00')\nsum(range(10**12))",
    "a frame never whole": "os.write(3, struct.pack('>III', 1 << 20, 100, 0)); None",
    "a frame byte by byte": """
for byte in struct.pack('>III', 1 << 20, 100, 0) * 1000:
    os.write(3, bytes([byte]))
    time.sleep(0.1)
""",
}
_DEAD = {
    "os._exit": "os._exit(3)",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "abort": "os.abort()",
    "exit of libc": "import ctypes; ctypes.CDLL(None).exit(0)",
    "protocol closed": "os.close(3)",
}
_VIOLATIONS = {
    name: f"os.write(3, {data})\ntime.sleep(600)"
    for name, data in (
        ("length of 4 GiB", "b'\\xff' * 12"),
        ("no JSON", "struct.pack('>III', 11, 3, 0) + b'abc'"),
        ("deep JSON", "struct.pack('>III', 200008, 200000, 0) + b'[' * 200000"),
        ("long integer", "struct.pack('>III', 10008, 10000, 0) + b'1' * 10000"),
        ("no object", "struct.pack('>III', 10, 2, 0) + b'[]'"),
        ("forged ready", "frame({'op': 'ready', 'report': {'seccomp': 'active'}})"),
    )
}
_HARMLESS = {
    "sys.exit": "import sys; sys.exit(1)",
    "no builtins": """
import builtins
for name in list(vars(builtins)): vars(builtins).pop(name)
""",
    "raises an interrupt": "raise KeyboardInterrupt",
    "str of an error raises": """
class E(Exception):
    def __str__(self):
        raise ValueError
raise E
""",
    "error of 200 MB": "raise ValueError('x' * 200_000_000)",
    "prompt of 64 MB": "llm_query(prompt)",
    "forged result": """
os.write(3, frame({'op': 'done', 'cell': 99, 'texts': [], 'vars': [], 'stdout_chars': 0}))
""",
    "json.dumps replaced": "json.dumps = lambda *_, **__: 'x' * 10**7",
    "print of 300 MB": "for _ in range(300): print('x' * 10**6)",
    "200 sub-calls at once": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(32) as pool:
    list(pool.map(llm_query, map(str, range(200))))
""",
    "thread left spinning": """
import threading
def spin():
    while True: pass
threading.Thread(target=spin, daemon=True).start()
""",
    "memory": "blocks = []\nwhile True: blocks.append(bytearray(64 << 20))",
    "descriptors": "ends = []\nwhile True: ends.append(os.pipe())",
    "threads": """
import threading
while True: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
""",
}
# Which of them depends on where it hurts first, or on the layers that are there.
_EITHER = {
    "memory in small pieces": "pieces = []\nwhile True: pieces += map(str, range(10**5))",
    "kills itself": "import signal; os.kill(os.getpid(), signal.SIGKILL)",
}
_DEEP = {
    "deep recursion": """
import sys
sys.setrecursionlimit(10**9)
def deeper(n):
    return deeper([n])
deeper(0)
"""
}

KINDS: tuple[Runaway, ...] = (
    *_kinds(_INTERRUPTED, "interrupted"),
    *_kinds(_STOPPED, "interrupted", "ends"),
    *_kinds(_KILLED, "restarted"),
    *_kinds(_DEAD, "restarted"),
    *_kinds(_VIOLATIONS, "restarted"),
    *_kinds(_HARMLESS, "ends"),
    *_kinds(_EITHER, "ends", "restarted", "interrupted"),
    *_kinds(_DEEP, "interrupted", "restarted", "ends"),
)
