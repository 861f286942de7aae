"""What a cell costs between host and REPL, beside a bare echo of the same bytes.

    python -m benchmarks.cell_round_trip [--cells 2000] [--queries 5000]

A cell is measured from `run()` to its result: send, wake the process, compile, run, report, pause.
The echo is a forked child behind a socket pair that answers as many bytes as a cell's report has
to as many as a cell's code, with blocking calls: the least two processes can do. Echoes and cells
take turns, so that both see the same load.
"""

import argparse
import asyncio
import os
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.repls import InstantHost, conditions, open_pool, text_of
from benchmarks.report import Measure, Report, Value, median, print_report
from rlm_local.config import check_sandbox_policy
from rlm_local.interfaces import Interpreter
from rlm_local.sandbox.child.wire import encode_frame

__all__ = ["Times", "echo", "main"]

_CODE = "1+1"
_QUERY = "llm_query('x')"
_LIMIT_US = 200.0
_US = 1e6
_ROUNDS = 20
_REQUEST = encode_frame({"op": "exec", "cell": 1}, (_CODE,))
_REPORT = encode_frame(
    {
        "op": "done", "cell": 1, "texts": ["stdout", "result"], "stdout_chars": 0,
        "error_type": None, "interrupted": False, "vars": ["_"],
    },
    ("", "2"),
)  # fmt: skip


@dataclass(slots=True)
class Times:
    """Seconds of one thing done again and again."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median_us(self) -> float:
        """Microseconds."""
        return median(self.seconds) * _US

    def row(self) -> dict[str, Value]:
        """As printed."""
        return {
            "what": self.name,
            "n": len(self.seconds),
            "median us": self.median_us,
            "p99": statistics.quantiles(self.seconds, n=100, method="inclusive")[-1] * _US,
            "least": min(self.seconds) * _US,
            "most": max(self.seconds) * _US,
        }


@contextmanager
def echo(request: bytes, report: bytes) -> Iterator[socket.socket]:
    """A forked process that answers `report` to each `request`."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        while _read(theirs, len(request)):
            theirs.sendall(report)
        os._exit(0)
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        os.waitpid(pid, 0)


def _read(sock: socket.socket, n_bytes: int) -> bool:
    left = n_bytes
    while left:
        data = sock.recv(left)
        if not data:
            return False
        left -= len(data)
    return True


def _time_echoes(sock: socket.socket, times: Times, n: int) -> None:
    for _ in range(n):
        began_s = time.perf_counter()
        sock.sendall(_REQUEST)
        _read(sock, len(_REPORT))
        times.seconds.append(time.perf_counter() - began_s)


async def _time_cells(repl: Interpreter, code: str, times: Times, n: int) -> None:
    host = InstantHost()
    for _ in range(n):
        began_s = time.perf_counter()
        result = await repl.run(code, host, timeout_s=60)
        times.seconds.append(time.perf_counter() - began_s)
        if result.error is not None or result.result is None:
            raise SystemExit(f"the cell {code!r} did not run: {result}")


async def _time_queries(repl: Interpreter, times: Times, n: int) -> None:
    """One cell with so many sub-calls, one after the other; a mean goes into `times`."""
    host = InstantHost()
    code = f"for number in range({n}):\n    llm_query(str(number))"
    began_s = time.perf_counter()
    result = await repl.run(code, host, timeout_s=600)
    times.seconds.append((time.perf_counter() - began_s) / n)
    if result.error is not None or host.n_calls != n:
        raise SystemExit(f"not every sub-call was made: {result}")


async def measure(arguments: argparse.Namespace, bare: socket.socket) -> Report:
    """Echoes, cells, cells with a query, and cells full of queries, in turns."""
    load = os.getloadavg()
    echoes, cells = Times("bare echo"), Times(f"cell {_CODE}")
    queries, full = Times(f"cell {_QUERY}"), Times(f"sub-call, {arguments.queries:,} in one cell")
    share = max(1, arguments.cells // _ROUNDS)
    with text_of(arguments.chars) as context:
        policy = check_sandbox_policy(arguments.policy)
        async with open_pool(context, policy=policy) as pool:
            repl = await pool.start()
            await _time_cells(repl, _QUERY, Times("warm-up"), 50)
            for number in range(_ROUNDS):
                _time_echoes(bare, echoes, share)
                await _time_cells(repl, _CODE, cells, share)
                await _time_cells(repl, _QUERY, queries, share)
                if number % 5 == 0:
                    await _time_queries(repl, full, arguments.queries)
    measures = (
        Measure(cells.name, cells.median_us, "us", "limit", _LIMIT_US),
        Measure(cells.name, cells.median_us, "us", "bare echo, same run", echoes.median_us),
        Measure(queries.name, queries.median_us, "us", "two bare echoes", 2 * echoes.median_us),
        Measure(full.name, full.median_us, "us", "bare echo, same run", echoes.median_us),
    )
    return Report(
        f"Round trip of a cell, policy {arguments.policy}, medians",
        measures,
        tuple(times.row() for times in (echoes, cells, queries, full)),
        conditions(load),
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=5000, help="sub-calls in one cell")
    parser.add_argument("--chars", type=int, default=1_000_000)
    parser.add_argument("--policy", default="auto", help="auto, require-full, sealed or off")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    with echo(_REQUEST, _REPORT) as bare:  # forked before there is any thread
        report = asyncio.run(measure(arguments, bare))
    print_report(report, as_json=arguments.json)


if __name__ == "__main__":
    main()
