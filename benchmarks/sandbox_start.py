"""What the sandbox adds to the start of a REPL over a large text.

    python -m benchmarks.sandbox_start [--chars 40000000] [--repeats 30] [--without LAYER,...]

Measured on the host, from the call of `pool.start()` to a REPL that is confined, checked and ready,
with no spare one left: what a child run and a restart wait for. Each round starts one REPL of each
kind, so that all see the same load: as the policy has it, with the sandbox off, and with one layer
left out at a time, which tells what each layer costs (less what another does then in its place).
"""

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from benchmarks.repls import InstantHost, conditions, open_pool, text_of
from benchmarks.report import Measure, Report, Value, median, print_report
from rlm_local.config import SandboxPolicy, check_sandbox_policy
from rlm_local.context.mapped_file import MappedContext
from rlm_local.sandbox.zygote_pool import ZygotePool

__all__ = ["LAYERS", "Kind", "main"]

LAYERS = (
    "namespaces", "private_root", "uid", "landlock", "capabilities", "rlimits", "seccomp",
)  # fmt: skip
_CHECKS = frozenset({"self_probe", "outside_check"})
_LIMIT_MS = 15.0
_COST_LIMIT_MS = 8.0
_MS = 1e3


@dataclass(slots=True)
class Kind:
    """One way to confine, and what its starts took."""

    name: str
    policy: SandboxPolicy
    without: frozenset[str] = frozenset()
    beside: "Kind | None" = None
    """The kind that lacks one thing less."""
    open_s: float = 0.0
    starts_s: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """Of a start."""
        return median(self.starts_s) * _MS

    def row(self) -> dict[str, Value]:
        """As printed."""
        return {
            "kind": self.name,
            "median ms": self.median_ms,
            "least": min(self.starts_s) * _MS,
            "most": max(self.starts_s) * _MS,
            "so it costs ms": self.beside.median_ms - self.median_ms if self.beside else None,
            "pool open ms": self.open_s * _MS,
        }


def kinds_of(arguments: argparse.Namespace) -> list[Kind]:
    """The whole sandbox first, then none, then those with something left out."""
    policy = check_sandbox_policy(arguments.policy)
    left_out = frozenset(filter(None, arguments.without.split(",")))
    whole = Kind(policy, policy)
    kinds = [whole, Kind("off", "off", beside=whole)]
    if left_out:
        kinds.append(Kind(f"without {','.join(sorted(left_out))}", policy, left_out, whole))
    if arguments.each_layer:
        unchecked = Kind("without checks", policy, _CHECKS, whole)
        kinds += [
            Kind(f"without {check}", policy, frozenset({check}), whole) for check in sorted(_CHECKS)
        ]
        kinds.append(unchecked)
        kinds += [
            Kind(f"without checks, {layer}", policy, _CHECKS | {layer}, unchecked)
            for layer in LAYERS
        ]
    return kinds


async def _opened(stack: AsyncExitStack, context: MappedContext, kind: Kind) -> ZygotePool:
    called_s = time.perf_counter()
    pool = await stack.enter_async_context(
        open_pool(context, policy=kind.policy, without=kind.without)
    )
    kind.open_s = time.perf_counter() - called_s
    await (await pool.start()).aclose()  # the spare one
    return pool


async def _start_s(pool: ZygotePool, n_chars: int) -> float:
    called_s = time.perf_counter()
    repl = await pool.start()
    took_s = time.perf_counter() - called_s
    shown = await repl.run("len(context)", InstantHost(), timeout_s=60)
    await repl.aclose()
    if shown.result != str(n_chars):
        raise SystemExit(f"a REPL over the text does not see it: {shown}")
    return took_s


async def measure(arguments: argparse.Namespace) -> Report:
    """Open a pool of each kind, start their REPLs in turn, compare."""
    load = os.getloadavg()
    kinds = kinds_of(arguments)
    with text_of(arguments.chars) as context:
        async with open_pool(context, policy="off"):
            pass  # the first of a process is slower, whatever its kind
        async with AsyncExitStack() as stack:
            pools = [await _opened(stack, context, kind) for kind in kinds]
            for _ in range(arguments.repeats):
                for kind, pool in zip(kinds, pools, strict=True):
                    kind.starts_s.append(await _start_s(pool, context.facts.chars))
            states = "; ".join(f"{layer} {state}" for layer, state in pools[0].report.items())
    whole, off = kinds[:2]
    against_off = f"{off.name}, same run"
    measures = (
        Measure("REPL ready, median", whole.median_ms, "ms", "limit", _LIMIT_MS),
        Measure("the same, largest", max(whole.starts_s) * _MS, "ms", "limit", _LIMIT_MS),
        Measure("the same, median", whole.median_ms, "ms", against_off, off.median_ms),
        Measure(
            "cost of the sandbox", whole.median_ms - off.median_ms, "ms", "limit", _COST_LIMIT_MS
        ),
        Measure("opening the pool", whole.open_s * _MS, "ms", against_off, off.open_s * _MS),
    )
    return Report(
        f"Start of a REPL over {arguments.chars:,} characters, {arguments.repeats} of each kind",
        measures,
        tuple(kind.row() for kind in kinds),
        {**conditions(load), "layers": states},
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chars", type=int, default=40_000_000)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--policy", default="auto", help="auto, require-full or sealed")
    parser.add_argument("--without", default="", help="layers, with commas: also without them all")
    parser.add_argument("--each-layer", action="store_true", help="also without each, one by one")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    print_report(asyncio.run(measure(arguments)), as_json=arguments.json)


if __name__ == "__main__":
    main()
