"""`status` in words: a line for the stack, a few for each of its servers."""

from collections.abc import Iterator
from typing import Any

__all__ = ["lines_of"]

_GIB = 1 << 30


def lines_of(stack: dict[str, Any]) -> Iterator[str]:
    """The lines of one stack, as `session.server_status` describes it."""
    yield f"{stack['stack']}, up for {_span(stack['up_s'])}, {_holding(stack)}"
    for server in stack["servers"]:
        roles = " and ".join(server["roles"])
        yield (
            f"  {roles}: {server['model']}, {server['state']}, "
            f"window {server['max_model_len']:,} tokens, {server['max_num_seqs']} sequences"
        )
        for facts in (_process(server), _load(server)):
            if facts:
                yield f"    {', '.join(facts)}"


def _holding(stack: dict[str, Any]) -> str:
    users = f"used by {stack['users']} now" if stack["users"] else "not used now"
    if not stack["kept"]:
        return f"{users}, stops with its last user"
    if stack["idle_timeout_s"]:
        return f"{users}, stops when unused for {_span(stack['idle_timeout_s'])}"
    return f"{users}, kept until `rlm-local down`"


def _process(server: dict[str, Any]) -> list[str]:
    facts = []
    if server["pid"]:
        facts.append(f"pid {server['pid']}")
    if server["ready_s"] is not None:
        facts.append(f"ready for {_span(server['ready_s'])}")
    facts.append(f"memory {server['ram_bytes'] / _GIB:.1f} GiB")
    if server["gpu_bytes"]:
        facts.append(f"GPU {server['gpu_bytes'] / _GIB:.1f} GiB")
    if server["restarts"]:
        facts.append(f"restarts {server['restarts']} ({server['last_failure']})")
    return facts


def _load(server: dict[str, Any]) -> list[str]:
    facts = []
    if server["requests_running"] is not None:
        facts.append(
            f"requests {server['requests_running']} running, {server['requests_waiting']} waiting"
        )
    if server["kv_cache_use"] is not None:
        facts.append(f"KV cache {server['kv_cache_use']:.0%} in use")
    if server["prefix_hit_rate"] is not None:
        facts.append(f"prefix cache {server['prefix_hit_rate']:.0%} hits")
    if server["prompt_tokens_per_s"] is not None:
        facts.append(
            f"{server['prompt_tokens_per_s']:,.0f} prompt + "
            f"{server['generation_tokens_per_s']:,.0f} reply tokens/s"
        )
    return facts


def _span(seconds: float) -> str:
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"
