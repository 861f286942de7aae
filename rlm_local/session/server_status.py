"""What is up, as values for `rlm-local status`: state, memory, load, caches, speed."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from rlm_local.errors import RlmError
from rlm_local.serving.leases import kept_idle_timeout_s
from rlm_local.serving.openai_model import probe
from rlm_local.serving.server_memory import memory_of
from rlm_local.serving.server_metrics import ServerMetrics, rates_between, read_metrics
from rlm_local.serving.server_records import ServerRecord, StackRecord

__all__ = ["described", "examined"]

SAMPLE_S = 1.0
"""Between the two readings that give tokens a second."""


def described(record: StackRecord) -> dict[str, Any]:
    """What a record says of its stack, keys and addresses left out."""
    idle_s = [kept_idle_timeout_s(server.leases) for server in record.servers]
    return {
        "stack": record.stack,
        "up_s": round(time.time() - record.started_at, 1),
        "kept": record.is_kept,
        "idle_timeout_s": next((seconds for seconds in idle_s if seconds is not None), None),
        "users": record.users,
        "servers": [
            {
                "roles": list(server.served_names),
                "model": server.model,
                "digest": server.digest,
                "max_model_len": server.max_model_len,
                "max_num_seqs": server.max_num_seqs,
                "log": str(server.log_path),
            }
            for server in record.servers
        ],
    }


async def examined(record: StackRecord) -> dict[str, Any]:
    """The same, with how each server is doing; takes about a second."""
    whole = described(record)
    found = await asyncio.gather(*map(_examine, record.servers))
    for server, facts in zip(whole["servers"], found, strict=True):
        server.update(facts)
    return whole


async def _examine(server: ServerRecord) -> dict[str, Any]:
    state, memory = server.state(), await asyncio.to_thread(memory_of, server.guardian_pid)
    facts: dict[str, Any] = {
        "state": await _state(server),
        "pid": state.server_pid or None if state else None,
        "ready_s": round(time.time() - state.since, 1)
        if state and state.phase == "ready"
        else None,
        "restarts": state.restarts if state else 0,
        "last_failure": (state.cause or None) if state else None,
        "ram_bytes": memory.ram_bytes,
        "gpu_bytes": memory.gpu_bytes,
    }
    return facts | _load(await _two_readings(server))


async def _two_readings(server: ServerRecord) -> Sequence[ServerMetrics]:
    endpoint = server.endpoint(server.served_names[0])
    first = await read_metrics(endpoint)
    if first is None:
        return ()
    await asyncio.sleep(SAMPLE_S)
    second = await read_metrics(endpoint)
    return (first,) if second is None else (first, second)


def _load(readings: Sequence[ServerMetrics]) -> dict[str, Any]:
    now = readings[-1] if readings else None
    rates = rates_between(*readings) if len(readings) == 2 else None
    hit_rate = now.prefix_hit_rate if now else None
    return {
        "requests_running": now.running if now else None,
        "requests_waiting": now.waiting if now else None,
        "kv_cache_use": round(now.kv_cache_use, 4)
        if now and now.kv_cache_use is not None
        else None,
        "prefix_hit_rate": None if hit_rate is None else round(hit_rate, 4),
        "preemptions": now.preemptions if now else None,
        "prompt_tokens": now.prompt_tokens if now else None,
        "generation_tokens": now.generation_tokens if now else None,
        "prompt_tokens_per_s": round(rates.prompt_tokens_per_s, 1) if rates else None,
        "generation_tokens_per_s": round(rates.generation_tokens_per_s, 1) if rates else None,
    }


async def _state(server: ServerRecord) -> str:
    if failure := server.failure():
        return str(failure)
    try:
        await probe(server.endpoint(server.served_names[0]))
    except RlmError as error:
        return f"does not answer ({error})"
    return "answers"
