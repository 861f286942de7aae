"""``python -m tests.sandbox.fuzz --inputs N --exchanges N --seed N``: fuzz the host's reading.

Ends with status 1 and the input, in base64, when a promise is broken.
"""

import argparse
import asyncio
import base64
import hashlib
import resource
import time
import tracemalloc

from tests.sandbox.fuzz.exchanges import Exchanges
from tests.sandbox.fuzz.mutate import Mutator
from tests.sandbox.fuzz.reading import read_all
from tests.sandbox.fuzz.record import record_frames

_TOLD_EVERY = 100_000
_TRACED = 10_000
_SILENT = 100
_MAX_KEPT_BYTES, _MAX_HELD_BYTES = 4 << 20, 64 << 20


def main() -> None:
    """Record seeds, then mutate and feed them."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="mutated inputs to the reader")
    parser.add_argument("--exchanges", type=int, default=1000, help="cells with a hostile worker")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    frames = asyncio.run(record_frames())
    kinds = sorted({str(frame.header.get("op")) for frame in frames})
    print(f"{len(frames)} recorded frames of a session: {', '.join(kinds)}", flush=True)
    _fuzz_reading(Mutator(frames, options.seed), options.inputs)
    asyncio.run(_fuzz_exchanges(Mutator(frames, options.seed + 1), options.exchanges))


def _fuzz_reading(mutator: Mutator, n_inputs: int) -> None:
    started_s = time.monotonic()
    digest, total = hashlib.sha256(), [0, 0, 0]
    tracemalloc.start()  # of the first inputs only: it takes most of the time
    for number in range(1, n_inputs + 1):
        data = mutator.next_input()
        digest.update(data)
        try:
            n_frames, n_messages = read_all(mutator.pieces(data))
        except Exception:  # raised again: the input is what a fault is found by
            print(f"input {number} broke a promise: {base64.b64encode(data).decode()}", flush=True)
            raise
        total = [total[0] + len(data), total[1] + n_frames, total[2] + n_messages]
        if number == min(_TRACED, n_inputs):
            now, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert now < _MAX_KEPT_BYTES, f"{now:,} bytes are kept"
            assert peak < _MAX_HELD_BYTES, f"{peak:,} bytes were held at once"
            print(f"reading: {number:,} inputs: {now:,} bytes kept, at most {peak:,} held")
        if number % _TOLD_EVERY == 0 or number == n_inputs:
            print(
                f"reading: {number:,} inputs, {total[0]:,} bytes, {total[1]:,} frames and "
                f"{total[2]:,} messages let through, peak {_peak_kib():,} KiB, "
                f"{time.monotonic() - started_s:.0f} s",
                flush=True,
            )
    print(f"reading: no promise broken; inputs' sha256 {digest.hexdigest()[:16]}", flush=True)


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def _fuzz_exchanges(mutator: Mutator, n_exchanges: int) -> None:
    started_s = time.monotonic()
    with Exchanges() as exchanges:
        for number in range(1, n_exchanges + 1):
            data = mutator.next_input()
            try:
                await exchanges.run(
                    mutator.pieces(data), n_early=number % 3, then_silent=number % _SILENT == 0
                )
                exchanges.check_nothing_is_left()
            except Exception:  # raised again: the input is what a fault is found by
                told = base64.b64encode(data).decode()
                print(f"exchange {number} broke a promise: {told}", flush=True)
                raise
        ends = ", ".join(f"{count:,} {end}" for end, count in sorted(exchanges.ends.items()))
    print(
        f"exchanges: {n_exchanges:,} cells, {ends}; peak {_peak_kib():,} KiB, "
        f"{time.monotonic() - started_s:.0f} s; no promise broken",
        flush=True,
    )


if __name__ == "__main__":
    main()
