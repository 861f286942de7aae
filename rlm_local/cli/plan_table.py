"""Plans as tables for a terminal."""

from collections.abc import Iterable

from rich.table import Table

from rlm_local.planner.fit import gib
from rlm_local.planner.hardware import Gpu, Hardware
from rlm_local.planner.placement import Placement, ServerPlacement
from rlm_local.planner.verdicts import Verdict

__all__ = ["hardware_line", "placement_table", "verdict_table"]

_SHOWN_ALTERNATIVES = 2


def hardware_line(hardware: Hardware) -> str:
    """What there is, in one line a card and one for the rest."""
    rest = (
        f"{gib(hardware.ram_available_bytes)} of {gib(hardware.ram_total_bytes)} memory free, "
        f"{len(hardware.cores)} cores ({hardware.cpu_level})"
    )
    return "\n".join([rest, *map(_card_line, hardware.gpus)])


def _card_line(gpu: Gpu) -> str:
    major, minor = gpu.compute_capability
    shown = ", shows a desktop" if gpu.drives_display else ""
    return (
        f"GPU {gpu.index}: {gpu.name}, {gib(gpu.free_bytes)} of {gib(gpu.total_bytes)} free, "
        f"compute {major}.{minor}{shown}"
    )


def verdict_table(verdicts: Iterable[Verdict]) -> Table:
    """One row a stack."""
    table = Table("stack", "models", "verdict", "window", "sub-calls", "or with", box=None)
    for verdict in verdicts:
        table.add_row(
            verdict.stack,
            ", ".join(verdict.models),
            _judged(verdict),
            *_lengths(verdict.placement),
            " or ".join(verdict.alternatives[:_SHOWN_ALTERNATIVES]),
        )
    return table


def _judged(verdict: Verdict) -> str:
    if verdict.placement:
        return "fits, cut" if verdict.placement.cuts else "fits"
    refusal = verdict.refusal
    if refusal is None or not refusal.short_bytes:
        return "needs a GPU" if verdict.device == "cuda" else "cannot run here"
    return f"{gib(refusal.short_bytes)} too large"


def _lengths(placement: Placement | None) -> tuple[str, str]:
    if placement is None:
        return "", ""
    windows = " + ".join(f"{server.max_model_len:,}" for server in placement.servers)
    return windows, str(max(server.worker_concurrency for server in placement.servers))


def placement_table(placement: Placement, hardware: Hardware) -> Table:
    """One column a server; bytes of a server on several cards are those of each."""
    names = [" and ".join(server.roles) for server in placement.servers]
    table = Table(placement.stack, *names, box=None)
    rows = [_server_rows(server, placement.backend) for server in placement.servers]
    for label in rows[0]:
        if any(row[label] for row in rows):
            table.add_row(label, *(row[label] for row in rows))
    left = [_left(placement, server, hardware) for server in placement.servers]
    table.add_row("free beside it", *map(gib, left))
    return table


def _server_rows(server: ServerPlacement, backend: str) -> dict[str, str]:
    n_cards = server.tensor_parallel_size
    place = ", ".join(f"GPU {gpu.index}" for gpu in server.gpus) or "memory"
    share = server.gpu_memory_utilization
    return {
        "model": server.model,
        "runs on": f"{place} ({backend})",
        "cut over": f"{n_cards} cards, bytes of each" if n_cards > 1 else "",
        "copies": str(server.data_parallel_size) if server.data_parallel_size > 1 else "",
        "meets other machines at": server.own_address or "",
        "weights": gib(server.weight_bytes),
        "KV cache": f"{gib(server.kv_cache_bytes)} ({_dtype(server)})",
        "KV cache tokens": f"{server.kv_cache_tokens:,}",
        "KV bytes per token": f"{server.kv_bytes_per_token:,}",
        "KV block": f"{server.block_tokens:,} tokens",
        "overhead": gib(server.overhead_bytes),
        "in all": gib(server.needed_bytes),
        "share of the card": "" if share is None else f"{share:.2f}",
        "window": f"{server.max_model_len:,} tokens",
        "sequences": str(server.max_num_seqs),
        "sub-calls at once": _calls(server),
        "cores": ", ".join(map(str, server.cpu_cores)),
    }


def _dtype(server: ServerPlacement) -> str:
    return "as the model" if server.kv_cache_dtype == "auto" else server.kv_cache_dtype


def _calls(server: ServerPlacement) -> str:
    if not server.worker_concurrency:
        return ""
    return f"{server.worker_concurrency} of {server.worker_call_tokens:,} tokens"


def _left(placement: Placement, server: ServerPlacement, hardware: Hardware) -> int:
    """Bytes that stay free of its device, those that are kept back included."""
    if not server.gpus:
        return hardware.ram_available_bytes - placement.needed_bytes
    return min(
        gpu.free_bytes - sum(other.needed_bytes for other in placement.servers if gpu in other.gpus)
        for gpu in server.gpus
    )
