"""How the engine feeds a vLLM server: its throughput, a root turn's wait, the prefix cache's use.

    python -m benchmarks.scheduling [--stack cpu-tiny] [--prompts 500] [--rounds 3] [--roots 10]

One server, three measures:

1. Labels (one of six, held by a constraint) for texts of about 100 tokens with their instruction,
   by `llm_query_batched` in a real REPL, and by a plain asynchronous client that sends the same
   bodies straight to the server, all at once. Rounds take turns, each with texts of its own.
2. Root turns of other runs while 200 worker prompts are queued: how long each waits for its slot
   (a turn of one token, so the wait and its prefill), against the longest worker request that ran
   in that time; and how long a turn of 24 tokens takes, against alone.
3. Prompts with a shared instruction of about 300 tokens: how many tokens came from the prefix
   cache, against what whole blocks of the instruction allow.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import aiohttp

from benchmarks.report import Measure, Report, Value, median, print_report
from benchmarks.scripted_root import Batch, send_batch
from rlm_local.engine.models import Models
from rlm_local.engine.places import Ticket
from rlm_local.engine.retry import RetryPolicy, complete_with_retries
from rlm_local.engine.server_queue import queue_of
from rlm_local.interfaces import Model, Server, TokenCounter
from rlm_local.serving.endpoint import Endpoint, Transport
from rlm_local.serving.openai_model import OpenAIModel
from rlm_local.session.results import CacheSettings
from rlm_local.session.settings import Settings
from rlm_local.session.stacks import open_stack
from rlm_local.types import Completion, Message, ModelRequest, Sampling

__all__ = ["main"]

_LABELS = ("abbreviation", "entity", "description", "human", "location", "number")
_INSTRUCTION = (
    "Read the text and say what kind of thing it asks for. Reply with one of these labels and "
    f"nothing else: {', '.join(_LABELS)}."
)
_WORDS = (
    *("river", "stone", "market", "winter", "letter", "garden", "bridge", "captain", "silver"),
    *("window", "mountain", "paper", "music", "doctor", "harbor", "engine", "village", "number"),
    *("candle", "forest", "teacher", "station", "island", "colour", "mirror", "answer", "kitchen"),
    *("battle", "picture", "summer", "science", "money", "travel", "planet", "history", "question"),
)
_TEXT_WORDS = 45
_LONG_INSTRUCTION_WORDS = 240
_MAX_TOKENS = 256
_QUEUED = 200
_BETWEEN_ROOTS_S = 1.0


class _Silence:
    def phase(self, name: str, elapsed_s: float) -> None:
        pass

    def warn(self, message: str) -> None:
        pass


def _texts(count: int, seed: int, instruction: str = _INSTRUCTION) -> list[str]:
    """Prompts that share an instruction, none of them seen before."""
    draw = random.Random(seed)
    return [
        f"{instruction}\n\nText:\n{' '.join(draw.choices(_WORDS, k=_TEXT_WORDS))}\n\nLabel:"
        for _ in range(count)
    ]


async def _plain(worker: OpenAIModel, prompts: Sequence[str]) -> float:
    """Seconds a plain client takes: as many connections as prompts, nothing in between."""
    endpoint = worker.endpoint
    connector: aiohttp.BaseConnector = (
        aiohttp.UnixConnector(str(endpoint.uds), limit=0)
        if endpoint.uds
        else aiohttp.TCPConnector(limit=0)
    )
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    timeout = aiohttp.ClientTimeout(3600)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout
    ) as client:

        async def ask(prompt: str) -> str:
            body = {
                "model": endpoint.model,
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": _MAX_TOKENS,
                "temperature": 0,
                "structured_outputs": {"choice": list(_LABELS)},
            }
            async with client.post(endpoint.url("chat/completions"), json=body) as response:
                reply = json.loads(await response.read())
            return str(reply["choices"][0]["message"]["content"])

        started_s = time.perf_counter()
        replies = await asyncio.gather(*map(ask, prompts))
        seconds = time.perf_counter() - started_s
    strange = [reply for reply in replies if reply not in _LABELS]
    if strange:
        raise SystemExit(f"the plain client got replies that are no label: {strange[:3]}")
    return seconds


async def _ours(worker: Model, prompts: Sequence[str]) -> Batch:
    batch = await send_batch(worker, prompts, options=f"choices={list(_LABELS)}")
    if batch.lost or batch.doubled:
        raise SystemExit(f"{batch.lost} prompts lost, {batch.doubled} told twice: {batch.answer}")
    return batch


async def _throughput(
    worker: OpenAIModel, arguments: argparse.Namespace
) -> tuple[list[Measure], list[dict[str, Value]]]:
    rows: list[dict[str, Value]] = []
    await _plain(worker, _texts(32, seed=arguments.seed - 1))  # compiles the constraint
    for number in range(arguments.rounds):
        seed = arguments.seed + 2 * number
        first = number % 2 == 0  # whoever comes second finds a warmer machine, so take turns
        seconds: dict[str, float] = {}
        for who in ("ours", "plain") if first else ("plain", "ours"):
            prompts = _texts(arguments.prompts, seed + (who == "plain"))
            if who == "plain":
                seconds[who] = await _plain(worker, prompts)
            else:
                seconds[who] = (await _ours(worker, prompts)).seconds
        rows.append(
            {
                "round": number + 1,
                "first": "ours" if first else "plain",
                **{f"{who} prompts/s": arguments.prompts / spent for who, spent in seconds.items()},
                "ratio": seconds["plain"] / seconds["ours"],
            }
        )
    ours, plain = (
        arguments.prompts * len(rows) / sum(arguments.prompts / _rate(row, who) for row in rows)
        for who in ("ours", "plain")
    )
    return [Measure("llm_query_batched", ours, "prompts/s", "plain async client", plain)], rows


def _rate(row: dict[str, Value], who: str) -> float:
    return float(row[f"{who} prompts/s"] or 0)


@dataclass
class _Timed:
    """A model that notes when each request was sent on, and when its reply came."""

    real: OpenAIModel
    spans: list[tuple[float, float]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.real.name

    @property
    def digest(self) -> str:
        return self.real.digest

    @property
    def context_tokens(self) -> int:
        return self.real.context_tokens

    @property
    def server(self) -> Server:
        return self.real.server

    @property
    def supports_prefill(self) -> bool:
        return self.real.supports_prefill

    @property
    def tokens(self) -> TokenCounter:
        return self.real.tokens

    async def complete(self, request: ModelRequest) -> Completion:
        sent_s = time.perf_counter()
        completion = await self.real.complete(request)
        self.spans.append((sent_s, time.perf_counter()))
        return completion

    async def aclose(self) -> None:
        await self.real.aclose()


async def _root_turn(root: OpenAIModel, number: int, *, max_tokens: int) -> float:
    """Seconds until the reply of another run's root turn; with one token: until it has a slot."""
    request = ModelRequest(
        (Message("user", f"Run {number}: say in one short sentence what a harbor is."),),
        Sampling(max_tokens=max_tokens),
    )
    place = queue_of(root.server).place(Ticket("root", f"run {number}", 0, 100))
    began_s = time.perf_counter()
    await complete_with_retries(root, request, RetryPolicy(), attempts=1, place=place)
    return time.perf_counter() - began_s


async def _root_waits(
    models: Models, arguments: argparse.Namespace
) -> tuple[list[Measure], list[dict[str, Value]]]:
    assert isinstance(models.root, OpenAIModel)
    assert isinstance(models.worker, OpenAIModel)
    worker, root = _Timed(models.worker), models.root
    idle = [await _root_turn(root, -number, max_tokens=24) for number in range(1, 4)]
    rows: list[dict[str, Value]] = []
    for batch in range(100):
        prompts = _texts(_QUEUED, seed=arguments.seed + 1000 + batch)
        sending = asyncio.create_task(_ours(worker, prompts))
        queue = queue_of(worker.server)
        with queue.serving_a_run():  # whose cell is busy with something else between its turns
            while not sending.done() and len(rows) < 2 * arguments.roots:
                await asyncio.sleep(_BETWEEN_ROOTS_S)
                if (queued := queue.waiting) < _QUEUED // 4:
                    continue
                kind = ("wait", "turn")[len(rows) % 2]
                tokens = 1 if kind == "wait" else 24
                seconds = await _root_turn(root, len(rows), max_tokens=tokens)
                rows.append({"kind": kind, "queued": queued, "seconds": seconds})
            await sending
        if len(rows) >= 2 * arguments.roots:
            break
    longest_s = max(end - start for start, end in worker.spans)
    of = {
        kind: [float(row["seconds"] or 0) for row in rows if row["kind"] == kind]
        for kind in ("wait", "turn")
    }
    return [
        Measure("root's wait, longest", max(of["wait"]), "s", "longest sub-call", longest_s),
        Measure("root's wait, median", median(of["wait"]), "s", "longest sub-call", longest_s),
        Measure("root turn, 24 tokens, median", median(of["turn"]), "s", "alone", median(idle)),
    ], rows


async def _prefix_hits(
    worker: OpenAIModel, arguments: argparse.Namespace
) -> tuple[list[Measure], list[dict[str, Value]]]:
    draw = random.Random(arguments.seed + 77)
    rules = " ".join(draw.choices(_WORDS, k=_LONG_INSTRUCTION_WORDS))
    prompts = _texts(arguments.map_prompts, arguments.seed + 78, f"{_INSTRUCTION} Mind: {rules}.")
    shared, block = await _shared_tokens(worker.endpoint, prompts[:8]), await _block(worker)
    batch = await _ours(worker, prompts)
    tokens, cached, _ = batch.tokens
    possible = (len(prompts) - 1) * (shared // block * block)  # the first finds nothing
    row: dict[str, Value] = {
        "prompts": len(prompts),
        "shared tokens": shared,
        "block": block,
        "prompt tokens": tokens,
        "cached": cached,
        "possible": possible,
    }
    return [Measure("cached tokens of the map", cached, "", "what whole blocks allow", possible)], [
        row
    ]


async def _shared_tokens(endpoint: Endpoint, prompts: Sequence[str]) -> int:
    """Tokens all of these prompts begin with, as the server's chat template writes them."""
    origin = replace(endpoint, base_url=endpoint.base_url.removesuffix("/v1"))
    transport = Transport(origin, max_connections=1, timeout_s=60)
    try:
        lists = [
            (
                await transport.post(
                    "tokenize",
                    {"model": endpoint.model, "messages": [{"role": "user", "content": prompt}]},
                )
            )["tokens"]
            for prompt in prompts
        ]
    finally:
        await transport.aclose()
    shared = 0
    for column in zip(*lists, strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    return shared


async def _block(worker: OpenAIModel) -> int:
    origin = replace(worker.endpoint, base_url=worker.endpoint.base_url.removesuffix("/v1"))
    transport = Transport(origin, max_connections=1, timeout_s=60)
    try:
        text = await transport.text("metrics")
    finally:
        await transport.aclose()
    return int(text.split('block_size="', 1)[1].split('"', 1)[0])


async def measure(arguments: argparse.Namespace) -> Report:
    """Open the stack, take the measures asked for."""
    opened = await open_stack(arguments.stack, Settings(cache=CacheSettings("off")), _Silence())
    measures: list[Measure] = []
    rows: list[dict[str, Value]] = []
    try:
        worker = opened.models.worker
        if not isinstance(worker, OpenAIModel):
            raise SystemExit(f"stack {opened.stack} has no server of its own; take a vLLM stack")
        for part in arguments.only:
            found, single = await {
                "throughput": lambda: _throughput(worker, arguments),
                "root": lambda: _root_waits(opened.models, arguments),
                "prefix": lambda: _prefix_hits(worker, arguments),
            }[part]()
            measures += found
            rows += [{"part": part, **row} for row in single]
    finally:
        await opened.aclose()
    return Report(f"Feeding a vLLM server, stack {opened.stack}", tuple(measures), tuple(rows))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stack", default="cpu-tiny")
    parser.add_argument("--prompts", type=int, default=500, help="a round of the throughput")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--roots", type=int, default=10, help="root turns under load")
    parser.add_argument("--map-prompts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parts = ("throughput", "root", "prefix")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    print_report(asyncio.run(measure(arguments)), as_json=arguments.json)


if __name__ == "__main__":
    main()
