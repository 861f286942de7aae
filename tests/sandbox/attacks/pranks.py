"""What a cell can do to its own interpreter, and to its end of the wire: code by name.

None of it is a way out; what it must not do is hang, confuse or end the host.
"""

__all__ = ["DEADLY", "FORGERIES", "HARMLESS", "RUINOUS"]

_LINK = """
import gc
link = next(thing for thing in gc.get_objects() if type(thing).__name__ == "HostLink")
"""

HARMLESS = {
    "patched struct": "import struct; struct.pack = struct.unpack_from = None",
    "patched time": "import time; time.monotonic = lambda: 1 / 0",
    "patched threading": "import threading; threading.active_count = lambda: 'many'",
    "exit": "exit()",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "no standard output": "import sys; sys.stdout = sys.stderr = None; print('x')",
    "close standard output": "import sys; sys.stdout.close()",
    "a trace function": "import sys; sys.settrace(lambda *_: 1 / 0)",
    "a profile function": "import sys\ndef profile(*_): raise KeyError\nsys.setprofile(profile)",
    "hooks": "import sys; sys.excepthook = sys.displayhook = sys.unraisablehook = None",
    "patched json": "import json; json.dumps = json.loads = None",
    "patched decoder": (
        "import json\njson.JSONEncoder.encode = json.JSONDecoder.decode = lambda *_: 'x'"
    ),
    "patched linecache": "import linecache; linecache.getline = linecache.checkcache = None; 1 / 0",
    "no linecache": "import sys; sys.modules['linecache'] = None; 1 / 0",
    "patched print": "import builtins; builtins.print = None",
    "the caller's locals": """
import sys
frame = sys._getframe()
while frame is not None:
    frame.f_locals.clear()
    frame = frame.f_back
""",
    "no finders": "import sys; sys.meta_path.clear(); sys.path.clear()",
    "a handler of SIGINT": "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "every signal blocked": (
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())"
    ),
    "an exit handler": "import atexit, os; atexit.register(os._exit, 7)",
    "a fault handler": "import faulthandler; faulthandler.enable(open(1, 'w', closefd=False))",
    "no garbage collection": "import gc; gc.disable(); gc.set_threshold(0)",
    "a callback of the collector": "import gc; gc.callbacks.append(lambda *_: 1 / 0)",
    "a low recursion limit": "import sys; sys.setrecursionlimit(60)",
    "no switching of threads": "import sys; sys.setswitchinterval(1e6)",
    "an error that cannot be shown": """
class Shy(Exception):
    def __str__(self): raise self
    __repr__ = __str__
raise Shy
""",
    "an error that lies about its class": """
class Liar(Exception):
    @property
    def __class__(self): return SystemExit
raise Liar("x")
""",
    "an error of 200 MB": "raise ValueError('x' * (200 << 20))",
    "a group of groups": """
group = ExceptionGroup("g", [ValueError(n) for n in range(100)])
for _ in range(2): group = ExceptionGroup("g", [group] * 10)
raise group
""",
    "an endless chain of causes": """
first = error = ValueError(0)
for n in range(50_000):
    error.__cause__ = ValueError(n)
    error = error.__cause__
raise first
""",
    "a name of a million characters": "raise type('x' * 10**6, (Exception,), {})()",
    "variables of odd names": "globals().update({'\\ud800': 1, 'x' * 10**6: 2, '\\x1b[2J': 3})",
    "a result that is no text": """
class Odd(str):
    def __repr__(self): return Odd("odd")
    def __len__(self): return -1
Odd("x")
""",
    "a thread that lives on": """
import threading, time
def go_on():
    while True: time.sleep(0.001)
threading.Thread(target=go_on, daemon=True).start()
""",
    "a thread that asks late": """
import threading, time
def ask():
    time.sleep(0.05)
    llm_query("late")
threading.Thread(target=ask, daemon=True).start()
""",
    "tools that are overwritten": "llm_query = context = FINAL = None",
    "a death that comes with the next garbage": """
class Last:
    def __del__(self): raise SystemExit
kept = Last()
kept.me = kept
del kept
""",
    "odd codecs": "import codecs; codecs.register(lambda name: 1 / 0); 'x'.encode('mine')",
    "a monkey in the wire": (
        "import sys; sys.modules['rlm_local.sandbox.child.wire'].FrameError = 1"
    ),
}

DEADLY = {
    "os._exit": ("import os; os._exit(3)", "exit status 3"),
    "abort": ("import os; os.abort()", ""),  # told as SIGSEGV in a PID namespace
    "libc exit": ("import ctypes; ctypes.CDLL(None).exit(4)", "exit status 4"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "overflown stack": ("""
import sys
sys.setrecursionlimit(10**9)
def down(*_): return sorted([1, 2], key=down)
down()
""", "SIGSEGV"),
    "closed wire": ("import os; os.close(3)", ""),
    "every descriptor closed": ("import os; os.closerange(0, 256)", ""),
    "wire replaced": ("import os; os.dup2(os.pipe()[1], 3)", ""),
    "death in a finaliser": ("""
import os
class Last:
    def __del__(self): os._exit(9)
kept = Last()
del kept
""", "exit status 9"),
    "death by a timer": (
        "import faulthandler, time\n"
        "faulthandler.dump_traceback_later(0.01, exit=True, file=open(1, 'w', closefd=False))\n"
        "time.sleep(9)",
        "exit status 1",
    ),
    "None overwritten": ("import ctypes; ctypes.memset(id(None), 0, 16)", ""),
}  # fmt: skip

RUINOUS = {
    "no builtins": "import builtins; builtins.__dict__.clear()",
    "other builtins": "import builtins; builtins.len = builtins.isinstance = lambda *_: None",
    "an audit hook": "import sys\ndef hook(*_): raise RuntimeError('no')\nsys.addaudithook(hook)",
    "no modules": "import sys; sys.modules.clear()",
    "a bomb of groups": """
group = ExceptionGroup("g", [ValueError(n) for n in range(100)])
for _ in range(10): group = ExceptionGroup("g", [group] * 10)
raise group
""",
    "no cache of lines": "import linecache; linecache.cache = None",
    "another 1": "import ctypes; ctypes.memmove(id(1) + 24, id(2) + 24, 4)",
    "a monkey in the link": _LINK + "type(link).send = lambda *_: None",
    "a monkey in the frames": """
import sys
sys.modules["rlm_local.sandbox.child.wire"].FrameReader.next_frame = lambda self: None
""",
    "a runner that is gone": """
import gc
for thing in gc.get_objects():
    if type(thing).__name__ in ("CellRunner", "Interrupts", "Toolbox"):
        vars(thing).clear()
""",
}
"""A cell may ruin its own session; then the host has to see that, or go on with its errors."""

FORGERIES = {
    "another ready": (
        "link.send({'op': 'ready', 'report': {'seccomp': 'active: forged'}})", "protocol"
    ),
    "an unknown operation": ("link.send({'op': '__proto__'})", "protocol"),
    "no operation": ("link.send({})", "protocol"),
    "an unknown function": (
        "link.send({'op': 'call', 'cell': CELL, 'id': 9, 'fn': 'open', 'args': {}}, ('/etc',))",
        "protocol",
    ),
    "wrong types": (
        "link.send({'op': 'done', 'cell': [], 'texts': 3, 'vars': 'x'})", "protocol"
    ),
    "one id twice": (
        "for _ in range(2): link.send({'op': 'call', 'cell': CELL, 'id': 7, 'fn': 'llm_query',"
        " 'args': {}}, ('x',))",
        "",
    ),
    "a result of another cell": (
        "link.send({'op': 'done', 'cell': CELL + 1, 'texts': ['final'], 'stdout_chars': 0,"
        " 'error_type': None, 'interrupted': False, 'seconds': 0, 'vars': [], 'threads': 0},"
        " ('forged',))",
        "",
    ),
    "a call of another cell": (
        "link.send({'op': 'call', 'cell': CELL - 1, 'id': 7, 'fn': 'llm_query', 'args': {}},"
        " ('x',))",
        "",
    ),
    "a flood of strays": (
        "for _ in range(5000): link.send({'op': 'done', 'cell': 99, 'texts': [],"
        " 'stdout_chars': 0, 'error_type': None, 'interrupted': False, 'seconds': 0, 'vars': [],"
        " 'threads': 0})",
        "protocol",
    ),
    "descriptors": ("""
import _socket, array
wire = _socket.socket(fileno=3)
try:
    wire.sendmsg([b"\\0\\0\\0\\x0a\\0\\0\\0\\2\\0\\0\\0\\0{}"],
                 [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [0, 1]))])
finally:
    wire.detach()
""", ""),
    "raw garbage": ("import os; os.write(3, b'garbage' * 9)", "protocol"),
    "a pickle": (
        "import pickle, os\n"
        "class Evil:\n    def __reduce__(self): return os.system, ('touch /tmp/' + TOKEN,)\n"
        "link.send({'op': 'done', 'cell': CELL, 'texts': ['final'], 'stdout_chars': 0,"
        " 'error_type': None, 'interrupted': False, 'seconds': 0, 'vars': [], 'threads': 0},"
        " (pickle.dumps(Evil()).decode('latin-1'),))",
        "",
    ),
}  # fmt: skip
"""What is sent, and what the restart tells; "" where the cell may go on."""

for _name, (_code, _told) in FORGERIES.items():
    FORGERIES[_name] = (_LINK + _code, _told)
