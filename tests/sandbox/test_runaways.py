"""Every kind of runaway: which are stopped with their variables kept, which cost the process.

Groups share a pool, and their cells run side by side.
"""

import asyncio
from collections.abc import Mapping

import pytest

from rlm_local.cell_limits import CellLimits
from rlm_local.types import CellCall, CellReply, CellResult
from tests.fakes.memory_context import EchoHost
from tests.sandbox.conftest import OpenPool, OpenRepl, Repl

LIMITS = CellLimits(grace_s=1.0)
TIMEOUT_S = 0.5
AT_ONCE = 4

PYTHON = {
    "loop": "while True: pass",
    "bare except": "while True:\n    try:\n        while True: pass\n    except: pass",
    "swallows each interrupt": "import time\nwhile True:\n"
    "    try: time.sleep(60)\n    except BaseException: break\nprint('out')",
    "generator": "def g():\n    while True: yield\nfor _ in g(): pass",
    "await": "import asyncio\nawait asyncio.sleep(60)",
}
C_CODE = {
    "sleep": "import time; time.sleep(60)",
    "regex": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "power": "x = 7 ** 10 ** 8",
    "digits": "import sys; sys.set_int_max_str_digits(0); s = str(1 << 40_000_000)",
    "sort": "import random\nx = [random.random() for _ in range(100_000)]\nwhile True: sorted(x)",
    "count and find": "s = 'ab' * 1_000_000\nwhile True: s.count('ba'); s.find('c')",
    "numpy": "import numpy\na = numpy.ones((300, 300))\nwhile True: a @ a",
}
WAITS = {
    "join": "import threading, time\nt = threading.Thread(target=time.sleep, args=(60,),"
    " daemon=True)\nt.start()\nt.join()",
    "deadlock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "queue": "import queue; queue.Queue().get()",
    "pool": "from concurrent.futures import ThreadPoolExecutor\nimport threading\n"
    "stop = threading.Event()\npool = ThreadPoolExecutor(4)\nlist(pool.map(stop.wait, [60] * 4))",
    "queries": "while True: llm_query('x')",
    "long queries": "while True: llm_query('x' * 3_000_000)",
}
METHODS = {
    "repr": "class R:\n    def __repr__(s):\n        while True: pass\nR()",
    "str of an error": "class E(Exception):\n"
    "    def __str__(s):\n        while True: pass\nraise E",
    "del": "class D:\n    def __del__(s):\n        while True: pass\nd = D()\ndel d",
    "del of an error": "class D:\n    def __del__(s):\n        while True: pass\n"
    "raise ValueError(D())",
    "del of a local of an error": "class D:\n    def __del__(s):\n        while True: pass\n"
    "def f():\n    d = D()\n    1 / 0\nf()",
    "del in a cycle": "import gc\nclass D:\n    def __del__(s):\n        while True: pass\n"
    "d = D()\nd.me = d\ndel d\ngc.collect()",
    "traced": "import sys\ndef trace(*a):\n    while True: pass\nsys.settrace(trace)\n"
    "def f(): pass\nf()",
}
NOT_INTERRUPTIBLE = {
    "sum": "sum(range(10**12))",
    "list of an endless iterator": "list(iter(int, 1))",
    "ignored": "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    "blocked": "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
    "while True: pass",
    "half a frame": "import os; os.write(3, b'\\x00\\x00')\nwhile True: pass",
}
DEATHS = {
    "exit": ("import os; os._exit(3)", "exit status 3"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "abort": ("import os; os.abort()", "restarted: it"),
    "exit of libc": ("import ctypes; ctypes.CDLL(None).exit(7)", "exit status 7"),
    "closed protocol": ("import os; os.close(3)", "restarted: it"),
}
HARMLESS = {
    "no builtins": "import builtins; builtins.__dict__.clear()",
    "exit": "import sys; sys.exit(1)",
    "raised interrupt": "raise KeyboardInterrupt",
    "an error that cannot be shown": "class E(Exception):\n    def __str__(s): 1 / 0\nraise E",
    "an error with a class of its own": "class E(Exception):\n"
    "    @property\n    def __class__(s): 1 / 0\nraise E",
    "a type with a name of its own": "class M(type):\n    @property\n    def __name__(c): 1 / 0\n"
    "class E(Exception, metaclass=M): pass\nraise E",
    "a huge error": "raise ValueError('x' * 50_000_000)",
    "a group of errors": "raise ExceptionGroup('g', [ValueError(str(i)) for i in range(10_000)])",
    "a variable with a class of its own": "class V:\n    @property\n    def __class__(s): 1 / 0\n"
    "v = V()",
    "a name that is no text": "globals()[1] = 2",
    "a text with methods of its own": "class S(str):\n"
    "    def encode(s, *a): 1 / 0\n    def __len__(s): return 1\n"
    "class R:\n    def __repr__(s): return S('x' * 50)\nprint(S('y'))\nR()",
    "profiled": "import sys\ndef f(*a): 1 / 0\nsys.setprofile(f)",
    "traced": "import sys\ndef f(*a): 1 / 0\nsys.settrace(f)",
    "little recursion": "import sys; sys.setrecursionlimit(40)",
    "no output": "import sys; sys.stdout = None; sys.stderr = None",
    "no json": "import json, json.encoder\njson.dumps = json.loads = json.JSONEncoder = None",
    "no signals": "import signal; signal.signal = None",
    "print": "for _ in range(300): print('x' * 1_000_000)",
    "a flood past Python": "import os\nfor _ in range(1000): os.write(1, b'x' * 65536)",
}


async def _run_all(
    open_pool: OpenPool, codes: Mapping[str, str], timeout_s: float
) -> dict[str, tuple[CellResult, CellResult]]:
    """Each code in a fresh REPL where `kept` is 1; its result, and that of a look at `kept`."""
    pool = await open_pool("the text", cells=LIMITS)
    turns = asyncio.Semaphore(AT_ONCE)
    host = EchoHost()

    async def run(code: str) -> tuple[CellResult, CellResult]:
        async with turns:
            repl = Repl(await pool.start(), host)
            await repl("kept = 1")
            result = await repl(code, timeout_s=timeout_s)
            after = await repl("context, globals().get('kept')")
            await repl.worker.aclose()
            return result, after

    results = await asyncio.gather(*map(run, codes.values()))
    return dict(zip(codes, results, strict=True))


@pytest.mark.parametrize(
    "codes", [PYTHON, C_CODE, WAITS, METHODS], ids=["python", "c", "waits", "methods"]
)
async def test_a_runaway_is_stopped_and_its_variables_are_kept(
    open_pool: OpenPool, codes: dict[str, str]
) -> None:
    for name, (result, after) in (await _run_all(open_pool, codes, TIMEOUT_S)).items():
        assert not result.restarted, (name, result.error)
        assert result.interrupted, (name, result)
        assert result.error is not None
        assert result.error.startswith("Stopped after 0.5 s. Variables are kept."), name
        assert after.result == "('the text', 1)", name


async def test_what_cannot_be_interrupted_is_killed_and_the_text_is_there_again(
    open_pool: OpenPool,
) -> None:
    results = await _run_all(open_pool, NOT_INTERRUPTIBLE, TIMEOUT_S)
    for name, (result, after) in results.items():
        assert result.restarted, (name, result)
        assert result.error is not None
        assert result.error.startswith("The REPL was restarted after 0.5 s: "), name
        assert "Lost: kept." in result.error, name
        assert after.result == "('the text', None)", name


async def test_recursion_without_a_limit_costs_the_process_at_most(open_pool: OpenPool) -> None:
    code = "import sys; sys.setrecursionlimit(10**9)\ndef f(): f()\nf()"
    [(result, after)] = (await _run_all(open_pool, {"": code}, TIMEOUT_S)).values()
    assert result.error is not None
    assert after.result == f"('the text', {None if result.restarted else 1})"


async def test_a_death_is_told_with_its_reason(open_pool: OpenPool) -> None:
    codes = {name: code for name, (code, _) in DEATHS.items()}
    for name, (result, after) in (await _run_all(open_pool, codes, 20.0)).items():
        assert result.restarted, (name, result)
        assert DEATHS[name][1] in (result.error or ""), (name, result.error)
        assert after.result == "('the text', None)", name


async def test_what_is_harmless_costs_nothing(open_pool: OpenPool) -> None:
    for name, (result, after) in (await _run_all(open_pool, HARMLESS, 20.0)).items():
        assert not result.restarted, (name, result.error)
        assert not result.interrupted, name
        assert len(result.error or "") < 6000, name
        assert len(result.stdout) < 21_000, name
        assert after.result == "('the text', 1)", (name, after)


async def test_a_signal_blocked_in_one_cell_is_not_in_the_next(open_repl: OpenRepl) -> None:
    repl = await open_repl(cells=LIMITS)
    await repl("import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})")
    result = await repl("while True: pass", timeout_s=0.3)
    assert (result.interrupted, result.restarted) == (True, False)


async def test_processor_time_of_all_threads_is_limited(open_repl: OpenRepl) -> None:
    repl = await open_repl(cells=CellLimits(cpu_s=0.3, grace_s=0.3))
    result = await repl("kept = 1\nwhile True: pass", timeout_s=60.0)
    assert result.interrupted
    assert result.error is not None
    assert result.error.startswith(
        "Stopped after 0.3 s of processor time over all its threads. Variables are kept."
    )
    assert (await repl("kept")).result == "1"
    stuck = await repl("sum(range(10**12))", timeout_s=60.0)
    assert "The REPL was restarted after 0.3 s of processor time" in (stuck.error or "")


async def test_a_hundred_interrupts_at_random_moments_lose_nothing(open_pool: OpenPool) -> None:
    pool = await open_pool()
    repls = [Repl(await pool.start(), EchoHost()) for _ in range(2)]

    async def interrupt(repl: Repl, code: str, first_s: float) -> None:
        await repl("kept = 1")
        for number in range(50):
            result = await repl(code, timeout_s=first_s + number * 0.0023)
            assert not result.restarted, result.error
            assert result.interrupted
        assert (await repl("kept")).result == "1"

    await asyncio.gather(
        interrupt(repls[0], "while True: llm_query('x' * 3_000_000)", 0.02),
        interrupt(repls[1], "while True: llm_query('x')", 0.01),
    )


async def test_two_hundred_calls_from_threads_get_each_their_own_answer(
    open_repl: OpenRepl,
) -> None:
    class ShuffledHost(EchoHost):
        async def call(self, call: CellCall) -> CellReply:
            await asyncio.sleep(hash(call.texts) % 7 / 100)
            return await super().call(call)

    repl = await open_repl(host=ShuffledHost(lambda p: None if p == "17" else f"<{p}>"))
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(40) as pool:\n"
        "    replies = list(pool.map(llm_query, map(str, range(200))))\n"
        "[n for n, r in enumerate(replies) if r != f'<{n}>'], replies[17]"
    )
    assert (await repl(code)).result == "([17], <sub-call failed: no luck>)"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("llm_query('x' * 17_000_000)", "a prompt of 17,000,000 bytes; at most 16,000,000"),
        ("llm_query('x' * 70_000_000)", "llm_query cannot be sent"),
        ("llm_query('x', choices=[str(i) for i in range(300_000)])", "llm_query cannot be sent"),
        ("s = {}\nfor _ in range(500): s = {'a': s}\nllm_query('x', schema=s)", "levels deep"),
        ("llm_query('x', schema={'a': float('nan')})", "not JSON compliant"),
        ("llm_query_batched(['x'], schema={1: 2, '1': 3, 'n': '\\ud800'})", ""),
        ("llm_query('x', choices=['\\ud800'])", ""),
        ("len(llm_query_batched(['x'] * 10_000))", ""),
    ],
)
async def test_what_cannot_be_asked_is_an_error_in_the_cell(
    open_repl: OpenRepl, code: str, told: str
) -> None:
    repl = await open_repl()
    await repl("kept = 1")
    result = await repl(code)
    assert not result.restarted, result.error
    if told:
        assert told in (result.error or "")
    else:
        assert result.error is None
    assert (await repl("kept")).result == "1"
