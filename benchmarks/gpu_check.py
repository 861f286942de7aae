"""Everything of rlm_local that a card changes, in one run; behind `scripts/gpu_check`.

    python -m benchmarks.gpu_check [--stack S] [--weights FOLDER] [--prompts 500]
    python -m benchmarks.gpu_check --device cpu --stack cpu-tiny --prompts 40

Runs the command line as a user does (`doctor`, `pull`, `plan`, `up`, `status`, `ask`, `down`) and
between `up` and `down` measures the servers that are up through the engine. A step that fails is
told with its cause, and those that do not need it go on. One JSON object on stdout.
"""

import argparse
import asyncio
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import rlm_local
from benchmarks import gpu_check_steps as steps
from benchmarks.gpu_check_steps import Check, Facts
from rlm_local.errors import RlmError
from rlm_local.planner.hardware import Hardware, probe
from rlm_local.planner.placement import fitting_stacks
from rlm_local.session.servers import Machine

__all__ = ["main"]


@dataclass(frozen=True, slots=True)
class _Step:
    """What is run, and which steps must have passed before."""

    run: Callable[[Check], Facts]
    needs: tuple[str, ...] = ()


_STEPS = {
    "doctor": _Step(steps.doctor),
    "sandbox": _Step(steps.sandbox),
    "weights": _Step(steps.weights),
    "plan": _Step(steps.plan),
    "up": _Step(steps.up, needs=("weights",)),
    "pool": _Step(steps.pool, needs=("plan", "up")),
    "batch": _Step(steps.batch, needs=("up",)),
    "root": _Step(steps.root, needs=("up",)),
    "structured": _Step(steps.structured, needs=("up",)),
    "ask": _Step(steps.ask, needs=("up",)),
    "status": _Step(steps.status, needs=("up",)),
    "down": _Step(steps.down, needs=("up",)),
    "leftovers": _Step(steps.leftovers),
}


@dataclass(slots=True)
class _Outcome:
    ok: bool | None
    """None: it was not run."""
    seconds: float = 0.0
    facts: Facts = field(default_factory=dict)
    cause: str = ""

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"ok": self.ok, "seconds": round(self.seconds, 2), **self.facts}
        return {**shown, "cause": self.cause} if self.cause else shown


def _run(step: _Step, check: Check, earlier: dict[str, _Outcome]) -> _Outcome:
    missing = [name for name in step.needs if not earlier[name].ok]
    if missing:
        return _Outcome(None, cause=f"not run: {', '.join(missing)} did not pass")
    started_s = time.monotonic()
    try:
        facts, cause = step.run(check), ""
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, the report says it
        facts, cause = {}, _told(error)
    cause = cause or str(facts.pop("cause", ""))
    return _Outcome(not cause, time.monotonic() - started_s, facts, cause)


def _told(error: BaseException) -> str:
    own_words = isinstance(error, RlmError | SystemExit | steps.StepFailed)
    return str(error) if own_words else f"{type(error).__name__}: {error}"


def _stack(arguments: argparse.Namespace, machine: Machine, seen: Hardware) -> str:
    """The stack asked for, or the largest that fits this device.

    Raises:
        SystemExit: no card, no such stack, or nothing fits.
    """
    if arguments.device == "cuda" and not seen.gpus:
        notes = "; ".join(seen.notes)
        raise _Refusal(
            f"there is no NVIDIA card here{f' ({notes})' if notes else ''}; the same steps without "
            "one: --device cpu --stack cpu-tiny"
        )
    if arguments.stack:
        chosen = machine.registry.stack(arguments.stack)
        if chosen.backend != "vllm" or chosen.device != arguments.device:
            raise _Refusal(
                f"stack {arguments.stack} runs by {chosen.backend} on {chosen.device}; this checks "
                f"vllm on {arguments.device}"
            )
        return str(arguments.stack)
    for name in fitting_stacks(machine.registry, seen, machine.knowledge()):
        stack = machine.registry.stack(name)
        if stack.device == arguments.device and stack.backend == "vllm":
            return name
    raise _Refusal("no stack fits this machine; `rlm-local plan` says what is missing")


class _Refusal(Exception):
    """There is nothing to check until the user changes something."""


def _report(check: Check, outcomes: dict[str, _Outcome], seconds: float) -> dict[str, Any]:
    return {
        "ok": all(outcome.ok for outcome in outcomes.values()),
        "device": check.device,
        "stack": check.stack,
        "command": ["scripts/gpu_check", *sys.argv[1:]],
        "rlm_local": rlm_local.__version__,
        "python": platform.python_version(),
        "seconds": round(seconds, 1),
        "machine": steps.described(check.seen),
        "steps": {name: outcome.as_json() for name, outcome in outcomes.items()},
    }


def _show(outcomes: dict[str, _Outcome]) -> None:
    table = Table("step", "", "s", "what came of it", box=None)
    for name, outcome in outcomes.items():
        verdict = {True: "ok", False: "FAILED", None: "-"}[outcome.ok]
        said = outcome.cause or ", ".join(
            f"{key} {value}"
            for key, value in outcome.facts.items()
            if isinstance(value, str | int | float)
        )
        table.add_row(name, verdict, f"{outcome.seconds:.1f}", said[:300])
    console = Console(stderr=True, highlight=False, markup=False)
    console.print(table)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--stack", help="entry of models.yaml; default: the largest that fits")
    parser.add_argument("--weights", type=Path, help="folder to take the weights from")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--flood", type=int, default=200, help="prompts beside a root turn")
    parser.add_argument("--out", type=Path, help="write the report here too")
    parser.add_argument("--no-setup", action="store_true", help="for scripts/gpu_check")
    arguments = parser.parse_args(argv)
    try:
        machine, seen = Machine.here(), probe()
        stack = _stack(arguments, machine, seen)
    except (_Refusal, RlmError) as refusal:
        print(f"gpu_check: {refusal}", file=sys.stderr)
        raise SystemExit(2) from None
    check = Check(
        arguments.device,
        stack,
        machine,
        seen,
        arguments.weights,
        arguments.prompts,
        arguments.flood,
    )
    started_s, outcomes = time.monotonic(), dict[str, _Outcome]()
    try:
        for name, step in _STEPS.items():
            print(f"gpu_check: {name} ...", file=sys.stderr)
            outcomes[name] = _run(step, check, outcomes)
    finally:
        asyncio.run(check.stop_what_is_left())
    report = _report(check, outcomes, time.monotonic() - started_s)
    text = json.dumps(report, ensure_ascii=False, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    _show(outcomes)
    print(text)
    raise SystemExit(0 if report["ok"] else 1)


if __name__ == "__main__":
    main()
