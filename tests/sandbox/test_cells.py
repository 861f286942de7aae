"""What a cell's code does: notebook semantics, in a real REPL process."""

import pytest

from tests.sandbox.conftest import OpenRepl


async def test_the_value_of_a_last_expression_is_shown(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    assert (await repl("x = 40\nx + 2")).result == "42"
    assert (await repl("_ * 2")).result == "84"
    assert (await repl("x = 1")).result is None
    assert (await repl("x;")).result is None
    assert (await repl("print('hi')")).result is None


@pytest.mark.parametrize(
    "line",
    [
        "6 * 7", "6 * 7;", "6 * 7  # a comment", "'a text'", "None", "(kept := 5)", "lambda: 1 =",
        "print('a'); 6", "x = y = 6", "[n async for n in counted()]", "await asyncio.sleep(0, 6)",
        "yield 1", "return 1", "pass", "1 / 0", "f() = 1", "FINAL(6)", "", "# nothing", "6\f",
        "__import__('math').pi", "sorted({'=': 1}, key=lambda k: k)", "dict(a = 1)", "print('x')",
        "('a'", "*[6]",
    ],
)  # fmt: skip
async def test_a_cell_of_one_line_gives_what_the_line_gives_after_others(
    open_repl: OpenRepl, line: str
) -> None:
    repl = await open_repl(policy="off")
    before = "import asyncio\nasync def counted():\n    yield 6\n"
    assert (await repl(before)).error is None
    alone, after = await repl(line), await repl(before + line)
    assert (alone.result, alone.stdout, alone.final) == (after.result, after.stdout, after.final)
    assert alone.error_type == after.error_type


async def test_printed_text_and_errors_share_one_stream_in_order(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')")
    assert result.stdout == "a\nb\nc\n"
    assert result.stdout_chars == 6


async def test_variables_survive_a_failing_cell(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    failed = await repl("kept = 1\n_hidden = 2\nkept / 0")
    assert failed.error_type == "ZeroDivisionError"
    assert failed.error is not None
    assert "kept / 0" in failed.error
    assert (await repl("kept + _hidden")).result == "3"


async def test_functions_see_names_defined_later(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    await repl("def f():\n    return later()")
    await repl("def later():\n    return 'seen'")
    assert (await repl("f()")).result == "'seen'"


async def test_a_traceback_shows_the_cells_lines_only(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    await repl("import re\ndef parse(p):\n    return re.compile(p)")
    error = (await repl("parse('(')")).error
    assert error is not None
    assert "return re.compile(p)" in error
    assert "parse('(')" in error
    assert "sandbox" not in error
    assert "_parser.py" not in error


async def test_a_syntax_error_shows_its_line(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("x = 1\ny = = 2")
    assert result.error_type == "SyntaxError"
    assert result.error is not None
    assert "y = = 2" in result.error
    assert "line 2" in result.error


async def test_await_works_at_the_top_level(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    code = "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 5\nawait f()"
    assert (await repl(code)).result == "5"
    assert (await repl("asyncio.run(f())")).result == "5"


async def test_long_output_is_cut_in_the_middle_with_the_true_length_told(
    open_repl: OpenRepl,
) -> None:
    repl = await open_repl()
    result = await repl("print('begin')\nfor i in range(1000): print('x' * 1000)\nprint('end')")
    assert result.stdout_chars == 6 + 1000 * 1001 + 4
    assert len(result.stdout) < 25_000
    assert result.stdout.startswith("begin\n")
    assert result.stdout.endswith("end\n")
    assert "1,001,010 characters left out" in result.stdout
    shown = (await repl("'y' * 1_000_000")).result
    assert shown is not None
    assert len(shown) < 15_000


async def test_one_gigabyte_printed_is_counted_and_dropped(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("s = 'x' * 1_000_000\nfor i in range(1000): print(s, end='')")
    assert result.stdout_chars == 10**9
    assert len(result.stdout) < 25_000
    assert (await repl("len(s)")).result == "1000000"


async def test_lone_surrogates_do_no_harm(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("print('a\\ud800b')\nraise ValueError('\\udfff')")
    assert result.stdout == "a?b\n"
    assert result.error_type == "ValueError"
    assert (await repl("llm_query('\\ud800')")).result == "'<?>'"


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(): f()\nf()", "RecursionError"),
        ("raise type('E', (Exception,), {'__str__': lambda s: 1 / 0})()", "E"),
        ("x = [0] * 10**11", "MemoryError"),
        ("raise ValueError('v' * 200_000_000)", "ValueError"),
        ("class R:\n    def __repr__(s): raise OSError('no')\nR()", "OSError"),
        ("raise ExceptionGroup('g', [ValueError(str(i)) for i in range(10000)])", "ExceptionGroup"),
        ("input()", "EOFError"),
    ],
)
async def test_whatever_a_cell_raises_the_repl_lives_on(
    open_repl: OpenRepl, code: str, error_type: str
) -> None:
    repl = await open_repl()
    await repl("kept = 1")
    result = await repl(code)
    assert result.error_type == error_type
    assert result.error is not None
    assert len(result.error) < 6000
    assert not result.restarted
    assert (await repl("kept")).result == "1"


async def test_memory_that_runs_out_in_small_objects_is_a_memory_error(
    open_repl: OpenRepl,
) -> None:
    repl = await open_repl(memory_bytes=400 << 20)
    result = await repl("kept = 1\nhoard = []\nwhile True: hoard.append(str(len(hoard)) * 50)")
    assert result.error_type == "MemoryError"
    assert (await repl("hoard.clear(); kept")).result == "1"


async def test_what_a_cell_breaks_of_the_interpreter_is_mended(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    await repl("import sys, json, signal\nsys.stdout = None\njson.dumps = None")
    await repl("signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert (await repl("print('still here')")).stdout == "still here\n"
    stopped = await repl("while True: pass", timeout_s=0.3)
    assert stopped.interrupted
    assert not stopped.restarted


async def test_dataclasses_and_pickle_find_the_module_of_a_cell(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    code = (
        "from dataclasses import dataclass\nimport pickle\n"
        "@dataclass\nclass P:\n    x: int\n"
        "pickle.loads(pickle.dumps(P(3)))"
    )
    assert (await repl(code)).result == "P(x=3)"


USEFUL = {
    "re": "import re; re.findall(r'\\d+', 'a1b22')",
    "json": "import json; json.loads(json.dumps({'a': [1]}))",
    "collections": "from collections import Counter; Counter('aab').most_common(1)",
    "datetime": "from datetime import datetime; datetime.strptime('2024-02-03', '%Y-%m-%d').year",
    "statistics": "import statistics; statistics.median([1, 2, 9])",
    "asyncio": "import asyncio\nasync def f(): return 1\nasyncio.run(f())",
    "threads": "from concurrent.futures import ThreadPoolExecutor as T\n"
    "with T(8) as t: r = list(t.map(str, range(3)))\nr",
    "csv": "import csv, io; list(csv.reader(io.StringIO('a,b')))",
    "hashlib": "import hashlib; hashlib.sha256(b'').hexdigest()[:8]",
    "sqlite3": "import sqlite3; sqlite3.connect(':memory:').execute('select 1+1').fetchone()",
    "random": "import random; random.seed(1); random.randint(1, 9)",
    "uuid": "import uuid; len(str(uuid.uuid4()))",
    "decimal": "from decimal import Decimal; Decimal('0.1') * 3",
    "time": "import time; time.sleep(0.001); time.time() > 0",
}


@pytest.mark.parametrize("policy", ["auto", "sealed"])
async def test_useful_code_works(open_repl: OpenRepl, policy: str) -> None:
    repl = await open_repl(policy="sealed" if policy == "sealed" else "auto")
    for name, code in USEFUL.items():
        result = await repl(code)
        assert result.error is None, (name, result.error)
        assert result.result is not None, name


async def test_numpy_works(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    assert (await repl("import numpy as np\nint(np.arange(5).sum())")).result == "10"
    sealed = await open_repl(policy="sealed")
    assert (await sealed("import numpy as np\nint(np.ones((9, 9)).dot(np.ones(9)).sum())")).result


async def test_a_sealed_repl_says_which_modules_there_are(open_repl: OpenRepl) -> None:
    repl = await open_repl(policy="sealed")
    error = (await repl("import this_is_not_there")).error
    assert error is not None
    assert "not pre-loaded in sealed mode" in error
    assert "statistics" in error


@pytest.mark.parametrize(
    "code",
    [
        "import builtins; builtins.compile = None",
        "import builtins; builtins.eval = builtins.type = builtins.len = None",
        "import builtins; builtins.__dict__.clear()",
        "__builtins__ = {}",
        "del __builtins__",
    ],
)
async def test_a_cell_that_breaks_the_builtins_breaks_only_itself(
    open_repl: OpenRepl, code: str
) -> None:
    repl = await open_repl()
    assert (await repl("kept = 1")).error is None
    await repl(code)
    assert (await repl("kept + len('1')")).result == "2"
    last = await repl("x = 5\nprint(x)\nFINAL(x)")
    assert (last.error, last.stdout, last.final, last.restarted) == (None, "5\n", "5", False)


HOSTILE_KEY = """
class Key(str):
    def __hash__(self):
        return hash("context")
    def __eq__(self, other):
        raise ZeroDivisionError

del globals()["context"]
globals()[Key("other")] = 1
"""


async def test_a_namespace_that_takes_no_tools_is_replaced(open_repl: OpenRepl) -> None:
    repl = await open_repl("the text")
    await repl(HOSTILE_KEY)
    assert (await repl("1")).restarted
    assert (await repl("context")).result == "'the text'"
