"""What cells may import in sealed mode, where no file can be opened any more."""

import subprocess
import sys
from pathlib import Path

import pytest

from rlm_local.config import SandboxPolicy
from tests.architecture.repository import ROOT
from tests.sandbox.conftest import OpenRepl

USEFUL = {
    "pandas reads, groups, joins": """
        import io
        import pandas as pd
        frame = pd.read_csv(io.StringIO("a,b\\n1,x\\n2,y\\n3,x\\n"))
        joined = frame.merge(frame, on="b").pivot_table(index="b", values="a_x")
        print(int(frame.groupby("b").a.sum()["x"]), len(joined), frame.describe().shape[0])
        """,
    "pandas prints in every form": """
        frame.info()
        print(frame, frame.to_string(), frame.to_html(), frame.to_csv(), frame.to_json())
        print(repr(frame.b), frame.a.to_dict(), frame.T)
        """,
    "pandas knows time zones": """
        print(pd.Timestamp("2024-01-01", tz="Europe/Berlin"), pd.date_range("2024", periods=3))
        print(pd.to_datetime(["2024-01-02"]).tz_localize("America/New_York").tz_convert("UTC"))
        """,
    "numpy": """
        import numpy as np
        print(np.fft.fft([1, 2]), np.random.default_rng(1).random(3), np.linalg.inv(np.eye(2)))
        print(np.polynomial.Polynomial([1, 2])(3), np.ma.masked_array([1], [0]).sum())
        """,
    "time zones": """
        import datetime, zoneinfo
        zone = zoneinfo.ZoneInfo("Asia/Tokyo")
        print(datetime.datetime(2024, 1, 1, tzinfo=zone), len(zoneinfo.available_timezones()))
        assert zoneinfo.ZoneInfo.no_cache("Asia/Tokyo").utcoffset(datetime.datetime(2024, 1, 1))
        """,
    "rare codecs": """
        for name in ("cp437", "shift_jis", "koi8_r", "gb18030", "utf_16_be", "punycode", "idna"):
            assert "abc".encode(name)
        """,
    "dates in words": """
        print(datetime.datetime.strptime("3 March 2024", "%d %B %Y").date())
        """,
    "threads and asyncio": """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        print(asyncio.run(asyncio.sleep(0, 5)), list(ThreadPoolExecutor(4).map(str, range(5))))
        """,
    "a database in memory": """
        import sqlite3
        base = sqlite3.connect(":memory:")
        base.execute("create table t (x)")
        base.executemany("insert into t values (?)", [(n,) for n in range(5)])
        print(base.execute("select sum(x) from t").fetchone())
        """,
    "formats and digests": """
        import hashlib, json, tomllib, configparser, ipaddress, statistics, textwrap, difflib
        import xml.etree.ElementTree as tree
        print(hashlib.sha256(b"x").hexdigest(), tomllib.loads("a = 1"), tree.fromstring("<a/>"))
        """,
}  # fmt: skip

FAKE = """
import threading
try:
    import {wanted}
except ImportError:
    pass
"""


@pytest.mark.parametrize("policy", ["sealed", "auto"])
async def test_what_an_analysis_needs_works_in_a_cell(
    open_repl: OpenRepl, policy: SandboxPolicy
) -> None:
    repl = await open_repl("some text\n", policy=policy)
    failed = {}
    for name, code in USEFUL.items():
        lines = [line.removeprefix(" " * 8) for line in code.strip("\n").splitlines()]
        done = await repl("\n".join(lines))
        if done.error is not None:
            failed[name] = done.error
    assert failed == {}


async def test_a_module_that_is_not_there_says_which_ones_are(open_repl: OpenRepl) -> None:
    repl = await open_repl("some text\n", policy="sealed")
    done = await repl("import requests")
    assert done.error is not None
    assert "'requests' is not pre-loaded in sealed mode; available: abc, " in done.error
    assert ", pandas, " in done.error


def test_a_broken_package_costs_itself_and_one_with_threads_stays_out(tmp_path: Path) -> None:
    def write(name: str, code: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(code)

    write("numpy", "raise RuntimeError('built for another version')")
    write("pandas", FAKE.format(wanted="pyarrow"))
    write("pyarrow", "import threading\nthreading.Thread(target=threading.Event().wait).start()")
    code = (
        "import sys, threading\n"
        "from rlm_local.sandbox.child.preload import import_allowed_modules\n"
        f"import_allowed_modules(({str(tmp_path)!r},))\n"
        "print('numpy' in sys.modules, 'pandas' in sys.modules, 'pyarrow' in sys.modules,"
        " threading.active_count())"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["False", "True", "False", "1"]
