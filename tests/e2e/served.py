"""Runs of the engine in which a real server plays the worker, or both roles, and cells are given.

What the root writes is fixed, so that a test says what is asked of the worker; the rest is real:
context, REPL, engine, trace, HTTP, vLLM.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlm_local.capacity import FixedServer
from rlm_local.config import RunConfig
from rlm_local.context.mapped_file import open_context
from rlm_local.context.sources import ReadOptions, TextInput
from rlm_local.engine.loop import Engine
from rlm_local.engine.models import Models
from rlm_local.engine.prompts import load_profile
from rlm_local.interfaces import Model, Server, TokenCounter
from rlm_local.registry import load_registry
from rlm_local.sandbox.zygote_pool import ReplFacts, ZygotePool
from rlm_local.serving.openai_model import OpenAIModel
from rlm_local.serving.scripted_model import ScriptedModel
from rlm_local.serving.server_records import ServerRecord
from rlm_local.serving.tokenizer import FileTokenCounter
from rlm_local.trace.jsonl import JsonlTrace
from rlm_local.types import Answer, Completion, ModelRequest

__all__ = ["STACK", "ask_served", "scripted_root", "steered_root"]

STACK = "cpu-tiny"
PROFILE = "small-coder"
FACTS = ReplFacts(worker_prompt_chars=20_000, chunk_chars=4_000)

MakeRoot = Callable[[ServerRecord, Sequence[str]], Model]


@dataclass
class SteeredRoot:
    """Asks the real root and pays for it, then says what the script says."""

    real: OpenAIModel
    cells: list[str]

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
        short = replace(request, sampling=replace(request.sampling, max_tokens=4))
        reply = await self.real.complete(short)
        return replace(reply, text=f"{self.cells.pop(0)}\n", finish_reason="stop")

    async def aclose(self) -> None:
        await self.real.aclose()


class _Clock:
    def now_s(self) -> float:
        return time.monotonic()


def scripted_root(server: ServerRecord, cells: Sequence[str]) -> Model:
    """A root that asks nobody."""
    del server
    return ScriptedModel([f"{cell}\n" for cell in cells])


def steered_root(server: ServerRecord, cells: Sequence[str]) -> Model:
    """A root whose requests are all served by vLLM."""
    return SteeredRoot(_served(server, "root"), list(cells))


async def ask_served(
    server: ServerRecord,
    text: str,
    trace: Path,
    *,
    cells: Sequence[str],
    root: MakeRoot = scripted_root,
) -> Answer:
    """One run over `text` whose root writes `cells`, traced to a file."""
    failures: list[str] = []
    async with contextlib.AsyncExitStack() as parts:
        models = Models(root(server, cells), _served(server, "worker"))
        parts.push_async_callback(models.root.aclose)
        parts.push_async_callback(models.worker.aclose)
        context = open_context(
            [TextInput("text", text)],
            ReadOptions(),
            counter=models.worker.tokens,
            scratch=trace.parent,
            index_folder=trace.parent / "indexes",
        )
        parts.callback(context.close)
        pool = await ZygotePool.open(context, FACTS)
        parts.push_async_callback(pool.aclose)
        sink = JsonlTrace(trace, failures.append)
        parts.callback(sink.close)
        engine = Engine(
            models,
            profile=load_profile(PROFILE, load_registry().profile(PROFILE)),
            config=RunConfig(mode="rlm", stack=STACK),
            sink=sink,
            clock=_Clock(),
        )
        answer = await engine.run("What covers the pond?", context, pool)
    assert failures == []
    return answer


def _served(server: ServerRecord, role: str) -> OpenAIModel:
    return OpenAIModel(
        server.endpoint(role),
        digest=server.digest,
        context_tokens=server.max_model_len,
        server=FixedServer("here", server.max_num_seqs),
        tokens=FileTokenCounter(server.model_folder / "tokenizer.json"),
        dialect="vllm",
        priority_scheduling=True,
        failure=server.failure,
    )
