"""Which cores each CPU server's threads are bound to, so that two never share one. Pure."""

import itertools
from collections.abc import Sequence

__all__ = ["SMALL_MACHINE_CORES", "as_ranges", "thread_shares"]

SMALL_MACHINE_CORES = 4
"""Up to this many, a core kept free would cost a quarter or more of the prefill speed."""


def thread_shares(
    cores: Sequence[Sequence[int]], quota: float | None, n_servers: int
) -> tuple[tuple[int, ...], ...]:
    """Logical cores for each server; an empty share leaves the choice to vLLM.

    One server on a machine of its own is left to vLLM, which keeps one core free for its other
    processes; on a small machine that is too much of it, so there every core is bound.
    Otherwise one thread a physical core (as vLLM does itself), no more cores than the container
    has time for, and disjoint shares. With fewer cores than servers, nothing can be disjoint and
    nothing is bound.
    """
    threads = [siblings[0] for siblings in cores]
    if len(threads) < n_servers:  # siblings are better than sharing
        threads = [thread for siblings in cores for thread in siblings]
    usable = len(threads) if quota is None else min(len(threads), max(n_servers, int(quota)))
    left_to_vllm = n_servers == 1 and usable == len(threads) > SMALL_MACHINE_CORES
    if usable < n_servers or left_to_vllm:
        return ((),) * n_servers
    bounds = [round(usable * k / n_servers) for k in range(n_servers + 1)]
    return tuple(tuple(threads[start:end]) for start, end in itertools.pairwise(bounds))


def as_ranges(cores: Sequence[int]) -> str:
    """Cores as vLLM's VLLM_CPU_OMP_THREADS_BIND takes them, such as `0-3,8`."""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][-1] + 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
