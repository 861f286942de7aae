"""Whether a long session leaks on the host: memory, descriptors, processes, tasks.

    python -m benchmarks.sandbox_soak [--cells 10000] [--restarts 200]

One REPL runs cells of all sorts; in between it dies in every way a cell can make it die, is
interrupted, cancelled, and other REPLs come and go beside it. What the host holds is counted before
the pool is opened, at even distances (each time after a restart, so that like is compared with
like), and after all is closed. Exit status 1 when anything grew.
"""

import argparse
import asyncio
import gc
import os
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

from benchmarks.repls import InstantHost, conditions, open_pool, text_of
from benchmarks.report import Measure, Report, Value, print_report
from rlm_local.config import check_sandbox_policy
from rlm_local.context.mapped_file import MappedContext
from rlm_local.interfaces import Interpreter
from rlm_local.sandbox.zygote_pool import ZygotePool
from rlm_local.types import CellResult, ContextSlice

__all__ = ["COUNTED", "Holdings", "Soak", "grown", "main", "slope"]

COUNTED = ("descriptors", "processes", "zombies", "tasks", "descriptors_below")
"""Fields of `Holdings` that must not grow by one."""

_MIB = 2**20
_SETTLED_WITHIN_S = 10.0
_ALLOWED = {"rss_bytes": _MIB, "rss_below_bytes": _MIB, "objects": 500}
"""Growth over the second half of a run that is no leak: the allocator's, and our own records."""

_CELLS = (
    "x = sum(range(1000)); x",
    "print('line of output\\n' * 3000)",
    "raise ValueError('x' * 10000)",
    "llm_query('one prompt')",
    "replies = llm_query_batched([f'prompt {n}' for n in range(50)]); len(replies)",
    "context.count('e'), len(documents)",
    "llm_query('x' * 100_000)",
    "[{'n': n, 'text': context[n : n + 50]} for n in range(500)]",
    "import os; os.write(1, b'past Python' * 1000)",
    "def twice(text):\n    return text * 2\ntwice('ab')",
    "from concurrent.futures import ThreadPoolExecutor\n"
    "with ThreadPoolExecutor(4) as pool: print(list(pool.map(llm_query, 'abcdefgh')))",
    "search('function', k=2)",
)
_DEATHS = (
    "import os; os._exit(3)",
    "import os; os.write(3, b'garbage ' * 10); import time; time.sleep(600)",
    "import ctypes; ctypes.string_at(0)",
    "import os; os.close(3)",
    "sum(range(10**12))",
)
_SPIN = "while True: pass"
_SHORT_S = 0.05
_LONG_S = 60.0


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the host holds at one moment; `below` is of the processes under it."""

    cells: int
    restarts: int
    rss_bytes: int
    descriptors: int
    processes: int
    zombies: int
    tasks: int
    objects: int
    """Containers the collector knows, after a collection."""
    rss_below_bytes: int
    descriptors_below: int

    @property
    def counts(self) -> tuple[int, ...]:
        """Those of `COUNTED`."""
        return tuple(getattr(self, name) for name in COUNTED)

    def row(self) -> dict[str, Value]:
        """As printed."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name.replace("_bytes", " MiB"): n / _MIB if name.endswith("_bytes") else n
            for name, n in told.items()
        }


class Soak:
    """One run; `holdings` has the first and the last moment, and those in between."""

    def __init__(self, *, cells: int, restarts: int, samples: int = 20) -> None:
        self.holdings: list[Holdings] = []
        self._n_cells, self._n_restarts = cells, restarts
        self._every = max(1, cells // restarts)
        self._sample_every = max(self._every, cells // samples)
        self._host = InstantHost()
        self._cells = self._restarts = 0
        self._before = set(psutil.Process().children(recursive=True))

    async def run(self, context: MappedContext, *, policy: str = "auto") -> list[Holdings]:
        """Open a pool, wear it out, close it."""
        await self._sample(None)
        async with open_pool(context, policy=check_sandbox_policy(policy)) as pool:
            repl = await pool.start()
            await self._die(repl)
            while self._cells < self._n_cells or self._restarts < self._n_restarts:
                await self._round(pool, repl, context)
                if self._cells // self._sample_every >= len(self.holdings):
                    await self._sample(self._reference())
        await self._sample(self.holdings[0])
        return self.holdings

    def _reference(self) -> Holdings | None:
        """The first moment after everything was in use once; counts must come back to it."""
        return self.holdings[1] if len(self.holdings) > 1 else None

    async def _round(self, pool: ZygotePool, repl: Interpreter, context: MappedContext) -> None:
        """Cells up to the next restart, and what else happens meanwhile; ends with a restart."""
        for _ in range(self._every - 2):
            await self._cell(repl, _CELLS[self._cells % len(_CELLS)])
        match self._restarts % 4:
            case 0:
                await self._beside(pool, text="a text of its own")
            case 1:
                await self._beside(pool, part=ContextSlice(10, context.facts.chars // 2))
            case 2:
                await self._cancelled(repl)
            case _:
                await self._cell(repl, _SPIN, timeout_s=_SHORT_S)
        await self._die(repl)
        await self._cell(repl, "len(context)")

    async def _cell(
        self, repl: Interpreter, code: str, *, timeout_s: float = _LONG_S
    ) -> CellResult:
        self._cells += 1
        result = await repl.run(code, self._host, timeout_s=timeout_s)
        self._restarts += result.restarted
        return result

    async def _die(self, repl: Interpreter) -> None:
        code = _DEATHS[self._restarts % len(_DEATHS)]
        result = await self._cell(repl, code, timeout_s=_SHORT_S)
        if not result.restarted:
            raise SystemExit(f"{code!r} was to end the process: {result}")

    async def _cancelled(self, repl: Interpreter) -> None:
        self._cells += 1
        running = asyncio.create_task(repl.run(_SPIN, self._host, timeout_s=_LONG_S))
        await asyncio.sleep(_SHORT_S)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async def _beside(
        self, pool: ZygotePool, *, part: ContextSlice | None = None, text: str | None = None
    ) -> None:
        other = await pool.start(part=part, text=text)
        await self._cell(other, "len(context)")
        await other.aclose()

    async def _sample(self, expected: Holdings | None) -> None:
        """Count; where more is held than expected, wait whether that is let go."""
        deadline_s = asyncio.get_running_loop().time() + _SETTLED_WITHIN_S
        gc.collect()
        seen = self._holdings()
        while expected and seen.counts != expected.counts:
            if asyncio.get_running_loop().time() > deadline_s:
                break
            await asyncio.sleep(0.05)
            seen = self._holdings()
        self.holdings.append(seen)

    def _holdings(self) -> Holdings:
        me = psutil.Process()
        below = [one for one in me.children(recursive=True) if one not in self._before]
        dead = [one for one in below if _is_zombie(one)]
        living = [one for one in below if one not in dead]
        return Holdings(
            cells=self._cells,
            restarts=self._restarts,
            rss_bytes=_rss_bytes(me),
            descriptors=_n_descriptors(me.pid),
            processes=len(living),
            zombies=len(dead),
            tasks=len(asyncio.all_tasks()),
            objects=len(gc.get_objects()),
            rss_below_bytes=sum(map(_rss_bytes, living)),
            descriptors_below=sum(_n_descriptors(one.pid) for one in living),
        )


def grown(holdings: Sequence[Holdings]) -> list[str]:
    """What was held at the end or meanwhile that was not held before; empty when nothing leaks."""
    first, after_use, last = holdings[0], holdings[1], holdings[-1]
    found = []
    for name in COUNTED:
        before, after = getattr(first, name), getattr(last, name)
        if after != before:
            found.append(
                f"{name}: {before} before the pool was opened, {after} after it was closed"
            )
        most = max(getattr(one, name) for one in holdings[1:-1])
        if most > getattr(after_use, name):
            found.append(f"{name}: {getattr(after_use, name)} at first, later {most}")
    return found


def slope(holdings: Sequence[Holdings], name: str) -> float:
    """Growth a cell over the second half of a run, the end left out; 0.0 of too few moments."""
    later = holdings[len(holdings) // 2 : -1]
    if len(later) < 3:
        return 0.0
    line = statistics.linear_regression(
        [one.cells for one in later], [getattr(one, name) for one in later]
    )
    return float(line.slope)


def _leaks(holdings: Sequence[Holdings]) -> list[str]:
    """`grown`, and memory that grows steadily."""
    found = grown(holdings)
    span = _later_cells(holdings)
    for name, allowed in _ALLOWED.items():
        growth = slope(holdings, name) * span
        if growth > allowed:
            found.append(f"{name}: {growth:,.0f} more over the last {span:,} cells")
    return found


def _later_cells(holdings: Sequence[Holdings]) -> int:
    return max(1, holdings[-1].cells - holdings[len(holdings) // 2].cells)


def _is_zombie(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return False


def _rss_bytes(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


def _n_descriptors(pid: int) -> int:
    """Open ones; 0 of a process that is gone or not ours to look into."""
    with suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir())) - (pid == os.getpid())
    return 0


def _report(seen: Sequence[Holdings], leaks: Sequence[str], load: dict[str, Value]) -> Report:
    first, middle, last = seen[0], seen[len(seen) // 2], seen[-1]
    measures = [
        Measure(name.replace("_", " "), getattr(last, name), "", "before", getattr(first, name))
        for name in COUNTED
    ]
    measures += [
        Measure(
            f"{name.replace('_', ' ')} more a cell, second half",
            slope(seen, name),
            "",
            "bar",
            allowed / _later_cells(seen),
        )
        for name, allowed in _ALLOWED.items()
    ]
    measures.append(
        Measure(
            "host RSS at the end", last.rss_bytes / _MIB, "MiB", "middle", middle.rss_bytes / _MIB
        )
    )
    title = f"{last.cells:,} cells and {last.restarts:,} restarts in one run"
    notes = tuple(f"LEAK: {leak}" for leak in leaks) or ("nothing leaked",)
    return Report(title, tuple(measures), tuple(one.row() for one in seen), load, notes)


async def _measure(arguments: argparse.Namespace) -> list[Holdings]:
    with text_of(arguments.chars) as context:
        soak = Soak(cells=arguments.cells, restarts=arguments.restarts)
        return await soak.run(context, policy=arguments.policy)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--restarts", type=int, default=200)
    parser.add_argument("--chars", type=int, default=1_000_000)
    parser.add_argument("--policy", default="auto", help="auto, require-full, sealed or off")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    load = os.getloadavg()
    seen = asyncio.run(_measure(arguments))
    leaks = _leaks(seen)
    print_report(_report(seen, leaks, conditions(load)), as_json=arguments.json)
    if leaks:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
