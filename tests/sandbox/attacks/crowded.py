"""A host whose user has a hundred other processes: starts a REPL and thirty threads in it.

`python -m tests.sandbox.attacks.crowded [itself | --as-user | --readable]`
"""

import asyncio
import subprocess
import sys

from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from tests.fakes.memory_context import EchoHost, MemoryContext
from tests.sandbox.attacks.as_user import become_user

_N_OTHERS = 100
_CODE = """
import threading
stop = threading.Event()
threads = [threading.Thread(target=stop.wait) for _ in range(30)]
for thread in threads: thread.start()
stop.set()
for thread in threads: thread.join()
print(len(threads), "threads")
"""


async def _try() -> None:
    context = MemoryContext("text")
    pool = await ZygotePool.open(context, ReplFacts(1000, 100))
    try:
        repl = await pool.start()
        result = await repl.run(_CODE, EchoHost(), timeout_s=30)
        print(result.stdout + (result.error or ""), end="")
    finally:
        await pool.aclose()
        context.close()


def main() -> None:
    """Become whom the argument says, then try."""
    who = sys.argv[1]
    if who != "itself":
        become_user(["itself"], "tests.sandbox.attacks.crowded", stay_root=who == "--readable")
    others = [subprocess.Popen(["/bin/sleep", "600"]) for _ in range(_N_OTHERS)]
    try:
        asyncio.run(_try())
    finally:
        for other in others:
            other.kill()
        for other in others:
            other.wait()


if __name__ == "__main__":
    main()
