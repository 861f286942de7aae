"""The steps of `gpu_check`: each runs or measures one thing and returns what it found.

A step raises, or puts a `cause` among its facts, when it did not pass. Order and report are
`gpu_check`'s.
"""

import asyncio
import dataclasses
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import psutil

from benchmarks.needle import make_needle
from benchmarks.report import median
from benchmarks.scripted_root import Batch, send_batch
from rlm_local.engine.models import Models
from rlm_local.interfaces import Model
from rlm_local.planner.hardware import Hardware, probe
from rlm_local.sandbox.doctor import sandbox_report
from rlm_local.serving.failure_causes import tail_of
from rlm_local.serving.server_metrics import read_metrics
from rlm_local.serving.server_records import StackRecord
from rlm_local.serving.start_report import read_report
from rlm_local.session.servers import Machine
from rlm_local.session.settings import Settings
from rlm_local.session.stacks import open_stack
from rlm_local.types import Choices, Constraint, JsonSchema, Message, ModelRequest, Regex, Sampling

__all__ = ["Check", "Facts", "StepFailed", "described"]

Facts: TypeAlias = dict[str, Any]

_COMMAND_S = 7200.0
_POOL_SLACK = 0.10
_TIMES = 5
_LABELS = ["location", "number", "person", "entity", "abbreviation", "description"]
_INSTRUCTION = (
    "You label questions by the kind of answer they ask for. Kinds: location (a place, city, "
    "country or other region), number (a count, a date, a measure, a price or another figure), "
    "person (the name of somebody, or of a group of people), entity (a thing, an animal, a plant, "
    "a work or an event), abbreviation (what letters stand for), description (a definition, a "
    "manner, a reason). Reply with the one kind that fits best and nothing else. Question: "
)


class StepFailed(Exception):
    """A step did not pass; the message is the cause."""


@dataclass(slots=True)
class Check:
    """What is checked, and what the steps leave for those after them."""

    device: str
    stack: str
    machine: Machine
    seen: Hardware
    weights: Path | None
    n_prompts: int
    n_flood: int
    planned: list[Facts] = field(default_factory=list)
    processes: list[psutil.Process] = field(default_factory=list)
    was_up: bool = False

    def record(self) -> StackRecord:
        """The servers that are up.

        Raises:
            StepFailed: they are not.
        """
        found = self.machine.records.read(self.stack)
        if found is None:
            raise StepFailed(f"the servers of {self.stack} are not up any more")
        return found

    async def stop_what_is_left(self) -> None:
        """Servers that this check started, if a step or Ctrl-C left them up."""
        found = None if self.was_up else self.machine.records.read(self.stack)
        if found is not None and self.processes:
            await self.machine.records.stop(found)


class _Silence:
    def phase(self, name: str, elapsed_s: float) -> None:
        pass

    def warn(self, message: str) -> None:
        pass


def described(seen: Hardware) -> Facts:
    """The machine, without anything that names it."""
    return {
        "cores": len(seen.cores),
        "cpu_level": seen.cpu_level,
        "ram_total_gib": round(seen.ram_total_bytes / 2**30, 1),
        "ram_free_gib": round(seen.ram_available_bytes / 2**30, 1),
        "gpus": [
            {
                "name": gpu.name,
                "total_gib": round(gpu.total_bytes / 2**30, 1),
                "free_gib": round(gpu.free_bytes / 2**30, 1),
                "compute_capability": ".".join(map(str, gpu.compute_capability)),
            }
            for gpu in seen.gpus
        ],
    }


def _rlm_local(*arguments: str, codes: Sequence[int] = (0,)) -> Facts:
    """One command as a user runs it; its JSON.

    Raises:
        StepFailed: another exit code, or no JSON: with its last words.
    """
    done = subprocess.run(
        [sys.executable, "-m", "rlm_local", *arguments, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_COMMAND_S,
        check=False,
    )
    words = " ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-3:])
    if done.returncode not in codes:
        raise StepFailed(f"`rlm-local {arguments[0]}` exited with {done.returncode}: {words}")
    try:
        told: Facts = json.loads(done.stdout)
    except ValueError:
        raise StepFailed(f"`rlm-local {arguments[0]}` printed no JSON: {words}") from None
    return told


def doctor(check: Check) -> Facts:
    """What `doctor` finds wrong is told; it fails the step."""
    told = _rlm_local("doctor", codes=(0, 1, 2))
    broken = [
        f"{item['name']}: {item['detail']}"
        for item in told["checks"]
        if item["level"] not in ("ok", "warning")
    ]
    return {"checks": told["checks"], "cause": "" if told["ok"] else "; ".join(broken)}


def sandbox(check: Check) -> Facts:
    """How cells are confined on this machine."""
    report = asyncio.run(sandbox_report())
    cause = report.reason if report.level == "unavailable" else ""
    return {"level": report.level, "record": report.as_record(), "cause": cause}


def weights(check: Check) -> Facts:
    """Fetched and checked, or taken from the folder given."""
    source = ("--source", str(check.weights)) if check.weights else ()
    return {"pulled": _rlm_local("pull", check.stack, *source)["pulled"]}


def plan(check: Check) -> Facts:
    """What the planner promises, with the exact commands."""
    told = _rlm_local("plan", "--stack", check.stack)
    check.planned = told["placement"]["servers"]
    keys = ("model", "roles", "weight_bytes", "kv_cache_bytes", "overhead_bytes", "max_model_len")
    more = ("max_num_seqs", "tensor_parallel_size", "kv_cache_tokens", "worker_concurrency")
    return {
        "servers": [{key: server[key] for key in (*keys, *more)} for server in check.planned],
        "cuts": told["placement"]["cuts"],
        "commands": [command["argv"] for command in told["commands"]],
    }


def up(check: Check) -> Facts:
    """Started by the command, or found up."""
    check.was_up = check.machine.records.read(check.stack) is not None
    told = _rlm_local("up", "--stack", check.stack, "--quiet")
    for server in check.record().servers:
        guardian = psutil.Process(server.guardian_pid)
        check.processes += [guardian, *guardian.children(recursive=True)]
    return {"was_up_before": check.was_up, "servers": told["servers"]}


def pool(check: Check) -> Facts:
    """The cache's size as planned against what vLLM says, and memory of the device."""
    rows = []
    for planned, server in zip(check.planned, check.record().servers, strict=True):
        reported = read_report(tail_of(server.log_path))
        tokens = reported.kv_cache_tokens
        ratio = tokens / planned["kv_cache_tokens"] if tokens else None
        rows.append(
            {
                "model": server.model,
                "planned_tokens": planned["kv_cache_tokens"],
                "reported_tokens": tokens,
                "reported_over_planned": None if ratio is None else round(ratio, 4),
                **{f"reported_{key}": value for key, value in dataclasses.asdict(reported).items()},
            }
        )
    off = [row for row in rows if abs((row["reported_over_planned"] or 0) - 1) > _POOL_SLACK]
    cause = f"planned and reported pools differ by more than 10 %: {off}" if off else ""
    return {"servers": rows, "free_now": described(probe())["gpus"], "cause": cause}


def batch(check: Check) -> Facts:
    """Constrained sub-calls with a shared instruction, through the engine."""

    async def measured() -> tuple[Batch, int]:
        async with _opened(check) as models:
            # The instruction alone tells how many tokens all share, what the template puts
            # before it included, and puts them into the cache.
            alone = ModelRequest((Message("user", _INSTRUCTION),), Sampling(max_tokens=1))
            n_shared = (await models.worker.complete(alone)).usage.prompt_tokens
            found = await send_batch(models.worker, _prompts(check), options=f"choices={_LABELS}")
            return found, n_shared

    before = asyncio.run(_metrics(check))
    found, n_shared = asyncio.run(measured())
    after = asyncio.run(_metrics(check))
    n_prompt, n_cached, n_reply = found.tokens
    block = next(one["block_tokens"] for one in check.planned if "worker" in one["roles"])
    allowed = len(found.done) * (n_shared // block) * block
    waits = sorted(event.seconds for event in found.done)
    facts: Facts = {
        "prompts": len(found.prompts),
        "seconds_of_batch": round(found.seconds, 2),
        "prompts_per_s": round(len(found.done) / found.seconds, 2),
        "prompt_tokens_per_s": round(n_prompt / found.seconds, 1),
        "reply_tokens_per_s": round(n_reply / found.seconds, 1),
        "tokens_per_s": round((n_prompt + n_reply) / found.seconds, 1),
        "median_subcall_s": round(median(waits), 3),
        "slowest_subcall_s": round(waits[-1], 3),
        "prefix_hit_rate": round(n_cached / n_prompt, 4) if n_prompt else None,
        "shared_tokens": n_shared,
        "hits_over_what_blocks_allow": round(n_cached / allowed, 4) if allowed else None,
        "server_counted": {name: after[name] - before[name] for name in after},
        "sent_again": found.sent_again,
        "lost": found.lost,
    }
    return {**facts, "cause": f"{found.lost} prompts have no value" if found.lost else ""}


def root(check: Check) -> Facts:
    """Time to a root's first token, idle and beside a flood of sub-calls."""

    async def measured() -> Facts:
        async with _opened(check) as models:
            idle = [await _first_token_s(models.root, f"idle {n}") for n in range(_TIMES)]
            prompts = _prompts(check, first=1_000_000)[: check.n_flood]
            # Free text of some length: a root turn waits for a slot, not for one label.
            flood = asyncio.create_task(send_batch(models.worker, prompts, options="max_tokens=64"))
            await asyncio.sleep(1.0)
            busy = []
            for n in range(_TIMES):
                if flood.done():
                    break
                busy.append(await _first_token_s(models.root, f"busy {n}"))
            found = await flood
        waits = sorted(event.seconds for event in found.done)
        return {
            "idle_s": [round(one, 3) for one in idle],
            "idle_median_s": round(median(idle), 3),
            "under_load_s": [round(one, 3) for one in busy],
            "under_load_median_s": round(median(busy), 3) if busy else None,
            "under_load_worst_s": round(max(busy), 3) if busy else None,
            "slowest_worker_request_s": round(waits[-1], 3),
            "flood_lost": found.lost,
            "cause": "" if busy else "the flood was over before a root turn was sent",
        }

    return asyncio.run(measured())


def structured(check: Check) -> Facts:
    """Replies of each constrained form; what comes back must have it."""
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 40},
            "year": {"type": "integer", "minimum": 1, "maximum": 2100},
        },
        "required": ["name", "year"],
        "additionalProperties": False,
    }
    forms: dict[str, Constraint] = {
        "choices": Choices(("red", "green", "blue")),
        "regex": Regex(r"\d{4}-\d{2}-\d{2}"),
        "schema": JsonSchema(json.dumps(schema)),
    }
    asked = "Name a colour, a date and a person with a year of birth, in the form asked for."

    async def replies() -> dict[str, str]:
        async with _opened(check) as models:
            return {
                name: (
                    await models.worker.complete(
                        ModelRequest(
                            (Message("user", asked),), Sampling(max_tokens=200), constraint=form
                        )
                    )
                ).text
                for name, form in forms.items()
            }

    said = asyncio.run(replies())
    wrong = {
        name: text
        for name, text in said.items()
        if not (
            (name == "choices" and text in ("red", "green", "blue"))
            or (name == "regex" and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text))
            or (name == "schema" and set(json.loads(text)) == {"name", "year"})
        )
    }
    return {"replies": said, "cause": f"not of the form asked for: {wrong}" if wrong else ""}


def ask(check: Check) -> Facts:
    """One question over a text that goes through the REPL; a wrong answer is told, no failure."""
    needle = make_needle(int(time.time()))  # a new one each time: nothing is in a result cache
    filler = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back.\n"
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text(filler * 1200 + needle.sentence + "\n" + filler * 600, "utf-8")
        told = _rlm_local(
            *("ask", needle.question, "--context", str(text), "--stack", check.stack),
            *("--mode", "rlm", "--quiet"),
            codes=(0, 1),
        )
    keys = ("answer", "stop_reason", "turns", "subcalls", "seconds", "usage")
    return {"right": needle.is_answered_by(str(told["answer"])), **{key: told[key] for key in keys}}


def status(check: Check) -> Facts:
    """What `status` says of servers that worked."""
    (found,) = [one for one in _rlm_local("status")["stacks"] if one["stack"] == check.stack]
    keys = (
        "roles",
        "state",
        "restarts",
        "ram_bytes",
        "gpu_bytes",
        "prefix_hit_rate",
        "preemptions",
    )
    return {"servers": [{key: server[key] for key in keys} for server in found["servers"]]}


def down(check: Check) -> Facts:
    """Stopped by the command, unless somebody else had them up."""
    if check.was_up:
        return {"stopped": [], "note": "they were up before and are left up"}
    return {"stopped": _rlm_local("down", "--stack", check.stack)["stopped"]}


def leftovers(check: Check) -> Facts:
    """Processes, records, folders and memory of the card after the end."""
    if check.was_up:
        return {"note": "not looked for: the servers were up before"}
    _, alive = psutil.wait_procs(check.processes, timeout=10)
    recorded = [record.stack for record in check.machine.records.all()]
    held = [
        round((before.free_bytes - now.free_bytes) / 2**30, 2)
        for before, now in zip(check.seen.gpus, probe().gpus, strict=False)
    ]
    left = [*(f"process {one.pid}" for one in alive)]
    left += [f"record of {name}" for name in recorded if name == check.stack]
    left += [f"{gib} GiB of GPU {n}" for n, gib in enumerate(held) if gib > 1]
    cause = f"left behind: {', '.join(left)}" if left else ""
    return {"looked_at": len(check.processes), "gpu_gib_held": held, "cause": cause}


@asynccontextmanager
async def _opened(check: Check) -> AsyncIterator[Models]:
    opened = await open_stack(check.stack, Settings(), _Silence())
    try:
        yield opened.models
    finally:
        await opened.aclose()


def _prompts(check: Check, first: int = 0) -> list[str]:
    """Of about 100 tokens of their own each, after an instruction of some 120 that all share."""
    return [
        _INSTRUCTION + f"What is thing number {n * 7919 % 1000} of list {n} called, where is it "
        f"kept, and who looked after it in the years before {1900 + n % 100}?"
        for n in range(first, first + check.n_prompts)
    ]


async def _first_token_s(root: Model, name: str) -> float:
    """Seconds of a root turn's prompt with one token of reply; nothing of it is in a cache."""
    history = f"Turn {name} {time.time_ns()}. " + "The cell printed 42 lines of the text. " * 60
    request = ModelRequest((Message("user", history),), Sampling(max_tokens=1))
    started_s = time.monotonic()
    await root.complete(request)
    return time.monotonic() - started_s


async def _metrics(check: Check) -> dict[str, float]:
    """Prompt tokens looked up in the worker's prefix cache, and found, since its start."""
    server = check.record().server("worker")
    found = await read_metrics(server.endpoint("worker"))
    if found is None:
        raise StepFailed(f"{server.model} does not show its metrics")
    return {
        "prefix_queries": found.prefix_queries or 0.0,
        "prefix_hits": found.prefix_hits or 0.0,
        "preemptions": found.preemptions or 0.0,
    }
