import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from rlm_local.errors import RunError, UserError
from rlm_local.session.loop_thread import LoopThread
from tests.architecture.repository import ROOT

INTERRUPTED = """
import asyncio, os, signal, sys, time
from rlm_local.session.loop_thread import LoopThread

async def work():
    try:
        {before}
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.05)
        print("cleaned up", flush=True)
        {after}

loop = LoopThread()
try:
    loop.call(work())
except KeyboardInterrupt:
    print("passed on")
finally:
    loop.close()
    loop.close()
"""


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    running = LoopThread()
    yield running
    running.close()


async def _after(pause_s: float, value: int) -> int:
    await asyncio.sleep(pause_s)
    return value


async def _fail(error: Exception) -> None:
    raise error


async def _thread_name() -> str:
    return threading.current_thread().name


def test_a_call_gives_the_result(loop: LoopThread) -> None:
    assert loop.call(_after(0, 3)) == 3


def test_an_error_comes_through_as_it_is(loop: LoopThread) -> None:
    with pytest.raises(UserError, match="as it is"):
        loop.call(_fail(UserError("as it is")))


async def test_it_works_where_a_loop_already_runs(loop: LoopThread) -> None:
    assert loop.call(_after(0, 4)) == 4
    assert await asyncio.wrap_future(loop.submit(_after(0, 5))) == 5


def test_all_calls_share_one_loop_in_one_thread(loop: LoopThread) -> None:
    assert {loop.call(_thread_name()) for _ in range(3)} == {"rlm_local"}


def test_calls_from_several_threads_run_side_by_side(loop: LoopThread) -> None:
    both = asyncio.Event()
    arrived: list[int] = []

    async def meet(number: int) -> None:
        arrived.append(number)
        if len(arrived) == 2:
            both.set()
        await both.wait()

    threads = [threading.Thread(target=lambda n=n: loop.call(meet(n))) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(arrived) == [0, 1]


def test_closing_ends_what_others_wait_for() -> None:
    loop, told = LoopThread(), []
    waits = threading.Event()

    async def wait() -> None:
        waits.set()
        await asyncio.sleep(3600)

    def call() -> None:
        try:
            loop.call(wait())
        except RunError as error:
            told.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    waits.wait(10)
    loop.close()
    loop.close()
    thread.join(10)
    assert told == ["this was closed while a question was under way"]


def test_a_submitted_call_that_is_cancelled_stops() -> None:
    loop = LoopThread()
    begun, stopped = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.set()

    future = loop.submit(wait())
    assert begun.wait(10)
    future.cancel()
    assert stopped.wait(10)
    loop.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("os.kill(os.getpid(), signal.SIGINT)", "pass"),
        ("os.kill(os.getpid(), signal.SIGINT)", "raise ValueError('while it was cleaned up')"),
    ],
    ids=["plain", "an error on the way out"],
)
def test_an_interrupt_waits_until_the_work_has_cleaned_up(before: str, after: str) -> None:
    done = _run(INTERRUPTED.format(before=before, after=after))
    assert (done.stdout, done.stderr) == ("cleaned up\npassed on\n", "")


def test_an_interrupt_before_the_work_has_begun_is_passed_on() -> None:
    """The loop is kept busy, so that the signal arrives first."""
    program = INTERRUPTED.format(before="pass", after="pass").replace(
        "try:\n    loop.call",
        "loop._loop.call_soon_threadsafe(lambda: (time.sleep(0.2),"
        " os.kill(os.getpid(), signal.SIGINT), time.sleep(0.3)))\n"
        "try:\n    loop.call",
    )
    done = _run(program)
    assert done.stderr == ""
    assert done.stdout.endswith("passed on\n")


def _run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
