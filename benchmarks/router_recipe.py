"""vllm-router in front of two real replicas: what it saves, and that a dead one loses nothing.

    pip install vllm-router
    python -m benchmarks.router_recipe [--prompts 200] [--stack cpu-tiny]
    python -m benchmarks.router_recipe --without-router

The recipe of docs/many-machines.md, run. Two vLLM servers on loopback ports share one key; the
router stands before them; the engine sends the same kind of batch (pieces of text, several
questions on each) three times: spread by `round_robin`, by `cache_aware`, and by `cache_aware`
with one replica killed by `kill -9` once a third of the batch is answered. Each time the texts are
new, so that nothing is in a prefix cache before. Without a router the engine is given both
addresses and picks the replica itself: a batch, and one with a replica killed.
"""

import argparse
import asyncio
import contextlib
import random
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.report import Measure, Report, Value, print_report
from benchmarks.router import Policy, Router, free_port
from benchmarks.scripted_root import Batch, send_batch
from rlm_local.capacity import FixedServer
from rlm_local.planner.cpu_threads import as_ranges, thread_shares
from rlm_local.planner.hardware import Hardware, probe
from rlm_local.registry import StackSpec
from rlm_local.serving.openai_model import OpenAIModel
from rlm_local.serving.server_metrics import ServerMetrics, read_metrics
from rlm_local.serving.vllm_server import ServerPlan, Supervision, VllmServer
from rlm_local.session.endpoints import EndpointNames, Served, open_endpoints
from rlm_local.session.servers import Machine
from rlm_local.session.settings import Settings

__all__ = ["main", "prompts_of"]

_LABELS = ("yes", "no")
_GIB = 1 << 30
_MODEL = "worker"
_WORDS = """
river harbor bridge winter signal copper garden letter engine market island forest planet camera
school winner doctor street silver orange number summer bottle window mirror paper stone cloud train
boat lamp clock glass field tower road
"""


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is measured on: the replicas, and how prompts are made."""

    replicas: Sequence[VllmServer]
    key: str
    arguments: argparse.Namespace
    folder: Path


def prompts_of(seed: int, *, prompts: int, questions: int, words: int) -> list[str]:
    """Prompts in which `questions` at a time ask about one piece of text, which stands first."""
    chance = random.Random(seed)
    vocabulary = _WORDS.split()
    made: list[str] = []
    for number in range(-(-prompts // questions)):
        piece = " ".join(chance.choices(vocabulary, k=words))
        made += [
            f"Text {seed}-{number}: {piece}\n\nDoes the word {word!r} stand there? Say yes or no."
            for word in chance.sample(vocabulary, k=min(questions, len(vocabulary)))
        ]
    return made[:prompts]


def _plans(arguments: argparse.Namespace, machine: Machine, seen: Hardware) -> list[ServerPlan]:
    """Two replicas of a stack's worker, on cores or cards of their own."""
    stack = machine.registry.stack(arguments.stack)
    model = machine.registry.worker_of(stack)
    on_cpu = stack.device == "cpu"
    folder = machine.store.location(model, serving="vllm-cpu" if on_cpu else "vllm-cuda")
    threads = thread_shares(seen.cores, seen.cpu_quota, 2) if on_cpu else ((), ())
    return [
        ServerPlan(
            model_folder=folder,
            served_names=(_MODEL,),
            device=stack.device,
            max_model_len=4096,
            max_num_seqs=stack.max_num_seqs,
            kv_cache_bytes=_kv_cache_bytes(stack),
            gpus=() if on_cpu else _card(seen, number),
            cpu_threads=as_ranges(threads[number]) or None,
            extra_args=("--enable-scale-out",),  # the router asks for a prompt's tokens there
            cache_folder=machine.home.folder("tmp") / "vllm",
            log_path=machine.home.folder("tmp") / f"router-recipe-{number}.log",
            port=free_port(),
        )
        for number in range(2)
    ]


def _kv_cache_bytes(stack: StackSpec) -> int | None:
    return _GIB // 2 if stack.device == "cpu" else None


def _card(seen: Hardware, number: int) -> tuple[int, ...]:
    if len(seen.gpus) < 2:
        raise SystemExit("two replicas on GPUs need two cards; try --stack cpu-tiny")
    return (seen.gpus[number].index,)


async def _send(
    scene: _Scene, policy: Policy, seed: int, on_done: Callable[[int], None] = lambda n_done: None
) -> tuple[Batch, dict[str, Value]]:
    """One batch through a router of its own; its row says what each replica did."""
    sequences = scene.replicas[0].plan.max_num_seqs
    async with Router(
        _origins(scene),
        policy=policy,
        sequences=sequences,
        program=scene.arguments.router,
        log=scene.folder / f"router-{seed}.log",
    ) as router:
        # As many as both can run: a router asks a replica for the tokens of every prompt first,
        # and with hundreds waiting there that takes longer than it allows.
        paced = FixedServer(router.base_url, 2 * sequences)
        batch, row = await _send_to(scene, (router.base_url,), seed, on_done, server=paced)
        decided = await router.decisions()
    told = ", ".join(f"{name} {n}" for name, n in sorted(decided.items()))
    return batch, {**row, "run": policy, "router decided": told}


async def _send_to(
    scene: _Scene,
    addresses: tuple[str, ...],
    seed: int,
    on_done: Callable[[int], None],
    *,
    server: FixedServer | None = None,
) -> tuple[Batch, dict[str, Value]]:
    """One batch to what answers at the addresses."""
    arguments = scene.arguments
    prompts = prompts_of(
        seed, prompts=arguments.prompts, questions=arguments.questions, words=arguments.words
    )
    before = [await read_metrics(replica.endpoint) for replica in scene.replicas]
    served = Served(addresses, scene.key, _MODEL)
    opened = await open_endpoints(EndpointNames(served, served), Settings())
    worker = opened.models.worker
    if server is not None:
        assert isinstance(worker, OpenAIModel)
        worker = replace(worker, server=server)
    try:
        batch = await send_batch(
            worker, prompts, options=f"choices={list(_LABELS)}", on_done=on_done
        )
    finally:
        await worker.aclose()
        await opened.aclose()
    after = [await read_metrics(replica.endpoint) for replica in scene.replicas]
    return batch, _row("engine", batch, _shares(before, after))


def _origins(scene: _Scene) -> list[str]:
    return [replica.endpoint.base_url.removesuffix("/v1") for replica in scene.replicas]


def _shares(
    before: Sequence[ServerMetrics | None], after: Sequence[ServerMetrics | None]
) -> list[tuple[float, float] | None]:
    """Of each replica: prompt tokens looked up, and the part found; None of a dead one."""
    return [
        None if old is None or new is None else _share(old, new)
        for old, new in zip(before, after, strict=True)
    ]


def _share(old: ServerMetrics, new: ServerMetrics) -> tuple[float, float]:
    queries = (new.prefix_queries or 0.0) - (old.prefix_queries or 0.0)
    hits = (new.prefix_hits or 0.0) - (old.prefix_hits or 0.0)
    return queries, hits / queries if queries else 0.0


def _row(name: str, batch: Batch, shares: Sequence[tuple[float, float] | None]) -> dict[str, Value]:
    n_prompt, n_cached, _ = batch.tokens
    row: dict[str, Value] = {
        "run": name,
        "batch s": batch.seconds,
        "answered": len(set(batch.prompts)) - batch.lost,
        "lost": batch.lost,
        "doubled": batch.doubled,
        "sent again by us": batch.sent_again,
        "from prefix caches": n_cached / n_prompt if n_prompt else 0.0,
    }
    for number, share in enumerate(shares, 1):
        row[f"tokens at {number}"] = None if share is None else round(share[0])
        row[f"hit rate of {number}"] = None if share is None else share[1]
    return row


def _kill(replica: VllmServer) -> None:
    """`kill -9` of all that is below the guardian: the whole vLLM, engine included."""
    for process in psutil.Process(replica.guardian_process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


async def _through_routers(scene: _Scene) -> Report:
    spread, spread_row = await _send(scene, "round_robin", seed=1)
    kept, kept_row = await _send(scene, "cache_aware", seed=2)
    at = scene.arguments.prompts // 3
    killed, killed_row = await _send(scene, "cache_aware", seed=3, on_done=_killing(scene, at))
    killed_row["run"] = f"cache_aware, one killed after {at}"
    rates = [row["from prefix caches"] for row in (kept_row, spread_row)]
    return Report(
        f"{len(set(killed.prompts))} sub-calls through vllm-router to two replicas",
        (
            *_nothing_lost(killed),
            Measure(
                "from prefix caches, cache_aware",
                float(rates[0] or 0.0),
                "",
                "round_robin, same run",
                float(rates[1] or 0.0),
            ),
            Measure("batch, cache_aware", kept.seconds, "s", "round_robin", spread.seconds),
        ),
        (spread_row, kept_row, killed_row),
    )


async def _by_the_engine(scene: _Scene) -> Report:
    addresses = tuple(replica.endpoint.base_url for replica in scene.replicas)
    alone, alone_row = await _send_to(scene, addresses[:1], 4, lambda n_done: None)
    alone_row["run"] = "engine, one replica"
    both, both_row = await _send_to(scene, addresses, 5, lambda n_done: None)
    at = scene.arguments.prompts // 3
    killed, killed_row = await _send_to(scene, addresses, 6, _killing(scene, at))
    killed_row["run"] = f"engine, one killed after {at}"
    n_alone, n_both = (row["from prefix caches"] for row in (alone_row, both_row))
    return Report(
        f"{len(set(killed.prompts))} sub-calls by the engine to two replicas",
        (
            *_nothing_lost(killed),
            Measure(
                "from prefix caches, two replicas",
                float(n_both or 0.0),
                "",
                "one replica, same run",
                float(n_alone or 0.0),
            ),
            Measure("batch, two replicas", both.seconds, "s", "one replica", alone.seconds),
        ),
        (alone_row, both_row, killed_row),
    )


def _killing(scene: _Scene, at: int) -> Callable[[int], None]:
    """Kills the first replica once so many prompts are answered."""

    def on_done(n_done: int) -> None:
        if n_done == at:
            _kill(scene.replicas[0])

    return on_done


def _nothing_lost(killed: Batch) -> tuple[Measure, ...]:
    n_prompts = len(set(killed.prompts))
    return (
        Measure("lost, one replica killed", float(killed.lost), "", "at most", 0.0),
        Measure("doubled, one replica killed", float(killed.doubled), "", "at most", 0.0),
        Measure("answered", float(n_prompts - killed.lost), "", "sent", float(n_prompts)),
    )


async def measure(arguments: argparse.Namespace) -> Report:
    """Start the replicas one after the other, send the batches, stop everything."""
    machine = Machine.here()
    key = secrets.token_urlsafe(24)
    # No restarts: what is shown is that the router and the engine do without.
    replicas = [
        VllmServer(plan, supervision=Supervision(pauses_s=()), api_key=key)
        for plan in _plans(arguments, machine, probe())
    ]
    async with contextlib.AsyncExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        for replica in replicas:
            parts.push_async_callback(replica.stop)
            await replica.start()
        scene = _Scene(replicas, key, arguments, folder)
        return await (_by_the_engine if arguments.without_router else _through_routers)(scene)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--questions", type=int, default=10, help="on each piece of text")
    parser.add_argument("--words", type=int, default=160, help="of a piece of text")
    parser.add_argument("--stack", default="cpu-tiny", help="whose worker the replicas serve")
    parser.add_argument("--router", type=Path, help="vllm-router, where it is not on the PATH")
    parser.add_argument("--without-router", action="store_true", help="the engine picks replicas")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    report = asyncio.run(measure(arguments))
    print_report(report, as_json=arguments.json)
    if any(not one.value == 0 for one in report.measures[:2]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
