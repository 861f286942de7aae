"""What an honest cell needs still works, sealed or not (cases 55-57)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_local.config import SandboxPolicy
from tests.fakes.memory_context import EchoHost
from tests.sandbox.conftest import OpenPool, Repl

POLICIES: list[SandboxPolicy] = ["auto", "sealed"]
both = pytest.mark.parametrize("policy", POLICIES)
LINE = "the quick brown fox jumps over the lazy dog, number 1234567\n"
NEEDLE = "needle-42"

USEFUL = {
    "re": (r"import re; re.findall(r'\d+', 'a1b22')", "['1', '22']"),
    "json": ("import json; json.loads(json.dumps({'a': [1, None]}))", "{'a': [1, None]}"),
    "collections": (
        "from collections import Counter; Counter('abca').most_common(1)", "[('a', 2)]"
    ),
    "datetime": (
        "from datetime import datetime; str(datetime.strptime('3 May 2024', '%d %B %Y'))",
        "'2024-05-03 00:00:00'",
    ),
    "asyncio": (
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 7\n"
        "asyncio.run(f())",
        "7",
    ),
    "gather": (
        "import asyncio\nasync def f(n): return n\nawait asyncio.gather(*map(f, range(3)))",
        "[0, 1, 2]",
    ),
    "thread pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool: found = list(pool.map(len, ['a', 'bb']))\nfound",
        "[1, 2]",
    ),
    "sub-calls in a thread pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    found = list(pool.map(llm_query, map(str, range(40))))\n"
        "found == [f'<{n}>' for n in range(40)]",
        "True",
    ),
    "sqlite": (
        "import sqlite3\nwith sqlite3.connect(':memory:') as db:\n"
        "    db.execute('create table t (a)')\n    db.execute('insert into t values (5)')\n"
        "    found = db.execute('select a from t').fetchall()\ndb.close()\nfound",
        "[(5,)]",
    ),
    "hashlib": ("import hashlib; hashlib.sha256(b'x').hexdigest()[:8]", "'2d711642'"),
    "zoneinfo": (
        "from datetime import datetime\nfrom zoneinfo import ZoneInfo\n"
        "datetime(2024, 7, 1, tzinfo=ZoneInfo('UTC')).utcoffset().total_seconds()",
        "0.0",
    ),
    "decimal": ("from decimal import Decimal; str(Decimal('0.1') + Decimal('0.2'))", "'0.3'"),
    "csv": ("import csv, io; list(csv.reader(io.StringIO('a,\"b,c\"')))", "[['a', 'b,c']]"),
    "statistics": ("import statistics; statistics.median([3, 1, 2])", "2"),
    "difflib": (
        "import difflib; difflib.get_close_matches('appel', ['ape', 'apple'])[0]", "'apple'"
    ),
    "heapq": ("import heapq; heapq.nlargest(2, [1, 5, 3])", "[5, 3]"),
    "textwrap": ("import textwrap; textwrap.wrap('aa bb', 2)", "['aa', 'bb']"),
    "unicodedata": ("import unicodedata; unicodedata.name('ä')[:5]", "'LATIN'"),
    "xml": (
        "import xml.etree.ElementTree as e; e.fromstring('<a><b>1</b></a>')[0].text", "'1'"
    ),
    "numpy": ("import numpy; numpy.linalg.det(numpy.eye(3)) + numpy.fft.fft([1, 2])[0].real", None),
    "big search": (f"context.count('fox'), context.find({NEEDLE!r})", None),
    "big pattern": ("import re; sum(1 for _ in re.finditer(r'number (\\d+)', context))", None),
    "big split": ("len(context.splitlines())", None),
}  # fmt: skip


@both
async def test_useful_code_works_over_40_mb_with_little_memory_of_its_own(
    open_pool: OpenPool, policy: SandboxPolicy
) -> None:
    n_lines = (40 << 20) // len(LINE)
    text = LINE * n_lines + NEEDLE
    pool = await open_pool(text, policy=policy)
    repl = Repl(await pool.start(), EchoHost())
    large = {
        "numpy": "4.0",
        "big search": str((n_lines, len(LINE) * n_lines)),
        "big pattern": str(n_lines),
        "big split": str(n_lines + 1),
    }
    for name, (code, expected) in USEFUL.items():
        result = await repl(code, timeout_s=60)
        assert result.error is None, (name, result.error)
        assert result.result in {expected or large[name], f"np.float64({large.get(name)})"}, name
    another = Repl(await pool.start(), EchoHost())
    assert (await another("len(context)")).result == str(len(text))
    assert _own_bytes(another) < 40 << 20


def _own_bytes(repl: Repl) -> int:
    """Memory that is this process's alone, as the kernel tells the host."""
    pid = repl.worker.pid
    assert pid is not None
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    sizes = dict(line.split(":", 1) for line in rollup.splitlines()[1:])
    return sum(int(sizes[name].split()[0]) for name in ("Private_Dirty", "Private_Clean")) * 1024


async def test_a_package_that_is_not_installed_is_an_import_error(open_pool: OpenPool) -> None:
    pool = await open_pool("text")
    repl = Repl(await pool.start(), EchoHost())
    result = await repl("import surely_not_installed")
    assert result.error_type == "ModuleNotFoundError"
    assert (await repl("1 + 1")).result == "2"


@pytest.mark.parametrize("who", ["itself", "--as-user", "--readable"])
def test_repls_start_and_have_threads_however_the_host_runs(who: str, tmp_path: Path) -> None:
    """With a hundred other processes of the same user, which a limit must not count."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.attacks.crowded", who],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert ran.stdout == "30 threads\n", ran.stderr
