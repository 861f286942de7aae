"""Life and death of the processes of a pool."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from rlm_local.errors import SandboxError
from rlm_local.sandbox.zygote_pool import ZygotePool
from rlm_local.types import ContextSlice
from tests.fakes.memory_context import EchoHost, MemoryContext
from tests.sandbox.conftest import FACTS, OpenPool, Repl

_HOST = """
import asyncio, json, os, sys, psutil
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from tests.fakes.memory_context import EchoHost, MemoryContext

async def main():
    pool = await ZygotePool.open(MemoryContext("text"), ReplFacts(1000, 100))
    repls = [await pool.start() for _ in range(3)]
    busy = asyncio.create_task(repls[0].run("while True: pass", EchoHost(), timeout_s=600))
    await repls[1].run("import threading", EchoHost(), timeout_s=60)
    children = psutil.Process().children(recursive=True)
    print(json.dumps([child.pid for child in children]), flush=True)
    await busy

asyncio.run(main())
"""


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _children() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True)]


def _descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_when_the_host_is_killed_no_process_is_left() -> None:
    host = subprocess.Popen([sys.executable, "-c", _HOST], stdout=subprocess.PIPE, text=True)
    try:
        assert host.stdout is not None
        pids = json.loads(host.stdout.readline())
        host.stdout.close()
        assert len(pids) == 5  # launcher, template process, three REPLs
        assert all(map(_is_alive, pids))
    finally:
        host.send_signal(signal.SIGKILL)
        host.wait()
    while any(map(_is_alive, pids)):  # the test's own timeout is the limit
        os.sched_yield()


async def test_closing_a_pool_leaves_no_process_and_no_descriptor() -> None:
    context = MemoryContext("text")
    before = (_children(), _descriptors())
    for _ in range(2):
        pool = await ZygotePool.open(context, FACTS)
        repls = [await pool.start() for _ in range(2)]
        await repls[0].run("1", EchoHost(), timeout_s=10)
        await pool.aclose()
        await pool.aclose()
    assert (_children(), _descriptors()) == before
    with pytest.raises(SandboxError, match="closed"):
        await pool.start()
    context.close()


async def test_a_killed_template_process_is_replaced(open_pool: OpenPool) -> None:
    pool = await open_pool("the text")
    repl = Repl(await pool.start(), EchoHost())
    await repl("kept = 1")
    for zygote in _zygotes():
        os.kill(zygote, signal.SIGKILL)
    await asyncio.sleep(0.2)
    result = await repl("context")
    assert result.result == "'the text'"
    assert result.restarted
    assert result.lost_names == ("kept",)
    another = Repl(await pool.start(), EchoHost())
    assert (await another("context")).result == "'the text'"


def _launchers() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if "rlm_local.sandbox.child" in Path(f"/proc/{child.pid}/cmdline").read_text()
    ]


def _zygotes() -> list[int]:
    return [child.pid for launcher in _launchers() for child in launcher.children()]


async def test_a_killed_launcher_takes_everything_with_it(open_pool: OpenPool) -> None:
    pool = await open_pool("the text")
    repl = Repl(await pool.start(), EchoHost())
    await repl("kept = 1")
    descendants = [p.pid for one in _launchers() for p in one.children(recursive=True)]
    assert len(descendants) == 2
    for launcher in _launchers():
        launcher.kill()
    while any(map(_is_alive, descendants)):  # the test's own timeout is the limit
        os.sched_yield()
    assert (await repl("context")).restarted


async def test_a_worker_killed_from_outside_is_replaced(open_pool: OpenPool) -> None:
    pool = await open_pool("the text")
    repl = Repl(await pool.start(), EchoHost())
    await repl("kept = 1")
    for zygote in _zygotes():
        for worker in psutil.Process(zygote).children():
            worker.kill()
    await asyncio.sleep(0.2)
    result = await repl("context")
    assert result.result == "'the text'"
    assert result.restarted


async def test_a_part_is_cut_by_characters_and_so_are_its_documents(open_pool: OpenPool) -> None:
    books = [("one", "ärste\n"), ("two", "🙂 zweite\n"), ("three", "dritte\n")]
    pool = await open_pool(documents=books)
    context = MemoryContext(documents=books)
    start = context.documents[1].start_char
    part = ContextSlice(start + 2, len(context.text) - 3)
    repl = Repl(await pool.start(part=part), EchoHost())
    assert (await repl("context")).result == repr(context.read(part))
    names = (await repl("[(d.name, d.text) for d in documents]")).result
    assert names == str([("two", "zweite\n"), ("three", "dritt")])
    context.close()


async def test_a_part_and_a_text_together_are_refused(open_pool: OpenPool) -> None:
    pool = await open_pool("text")
    with pytest.raises(ValueError, match="not both"):
        await pool.start(part=ContextSlice(0, 1), text="t")


async def test_many_repls_run_side_by_side(open_pool: OpenPool) -> None:
    pool = await open_pool("text")
    repls = [Repl(await pool.start(), EchoHost()) for _ in range(8)]
    results = await asyncio.gather(
        *(repl(f"llm_query('{number}')") for number, repl in enumerate(repls))
    )
    assert [result.result for result in results] == [f"'<{number}>'" for number in range(8)]


async def test_a_spawning_thread_may_end(open_pool: OpenPool) -> None:
    pool = await open_pool("text")
    repl = Repl(await pool.start(), EchoHost())
    await asyncio.to_thread(lambda: None)
    assert (await repl("1")).result == "1"
