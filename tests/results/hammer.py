"""A process that reads and writes one cache as fast as it can, until killed or done.

    python -m tests.results.hammer FOLDER SEED ROUNDS [--file-bytes N]

Prints "ready" once it has written, and at the end how many replies came back wrong. With
`--file-bytes`, no file of this process may grow beyond that: to the cache, a disk that is full.
"""

import argparse
import asyncio
import hashlib
import random
import resource
import signal
from pathlib import Path

from rlm_local.results.disk_cache import DiskCache

__all__ = ["key_of", "reply_of"]

_BATCH = 40
_KEYS = 4000


def key_of(number: int) -> bytes:
    """The key that every process uses for this number."""
    return hashlib.blake2b(b"%d" % number, digest_size=32).digest()


def reply_of(number: int) -> str:
    """The one right reply, of a length of its own."""
    return f"reply {number} " * (number % 90 + 1)


async def _hammer(cache: DiskCache, seed: int, rounds: int) -> int:
    chance, wrong = random.Random(seed), 0
    for round_number in range(rounds):
        numbers = [chance.randrange(_KEYS) for _ in range(_BATCH)]
        found = await cache.get([key_of(number) for number in numbers])
        wrong += sum(
            key_of(number) in found and found[key_of(number)] != reply_of(number)
            for number in numbers
        )
        for number in numbers:
            cache.put(key_of(number), reply_of(number))
        if round_number == 1:
            print("ready", flush=True)
    return wrong


def main() -> None:
    """Hammer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--max-bytes", type=int, default=1 << 30)
    parser.add_argument("--file-bytes", type=int)
    asked = parser.parse_args()
    if asked.file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked.file_bytes, asked.file_bytes))
    with DiskCache(asked.folder, warn=print, max_bytes=asked.max_bytes) as cache:
        wrong = asyncio.run(_hammer(cache, asked.seed, asked.rounds))
    print(f"wrong: {wrong}", flush=True)


if __name__ == "__main__":
    main()
