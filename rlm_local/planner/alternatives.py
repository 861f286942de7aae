"""What would make a stack fit that does not: a KV type, window, quantisation or card. Pure."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rlm_local.planner.hardware import Hardware
from rlm_local.planner.knowledge import Knowledge
from rlm_local.planner.layout import Placement, Refusal, place
from rlm_local.registry import Registry, StackSpec

__all__ = ["alternatives"]

_SHORTER_WINDOWS = (6144, 4096)
"""Below what a run usually wants, but some need no more."""
_QUANTISED = re.compile(r"-(?:awq|gptq|fp8|int4|int8|nvfp4|mxfp4|4bit|8bit)$")


def alternatives(
    registry: Registry, name: str, hardware: Hardware, knowledge: Knowledge
) -> tuple[str, ...]:
    """Changes to the stack's entry that fit this machine, each tried; the smallest first."""
    stack = registry.stack(name)
    fitting = [
        words
        for words, change in _changes(registry, stack)
        if _fits(registry, name, stack.model_copy(update=change), hardware, knowledge)
    ]
    if not fitting and stack.device == "cuda":
        fitting = list(_with_more_cards(registry, name, hardware, knowledge))
    return tuple(fitting)


def _changes(registry: Registry, stack: StackSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    if stack.backend == "vllm" and "auto" in (stack.kv_cache_dtype, stack.worker_kv_cache_dtype):
        halved = {"kv_cache_dtype": "fp8", "worker_kv_cache_dtype": "fp8"}
        yield "kv_cache_dtype: fp8", halved
    for window in _SHORTER_WINDOWS:
        if window < max(stack.max_model_len, stack.worker_max_model_len):
            yield f"max_model_len: {window}", _shortened(stack, window)
    for role in ("root", "worker"):
        for smaller in _quantised(registry, stack, role):
            yield f"{role}: {smaller}", {role: smaller}
    if registry.worker_of(stack) != stack.root:
        yield "worker: same", {"worker": "same"}
        yield f"root: {stack.worker}, worker: same", {"root": stack.worker, "worker": "same"}


def _shortened(stack: StackSpec, window: int) -> dict[str, Any]:
    return {
        "max_model_len": min(window, stack.max_model_len),
        "worker_max_model_len": min(window, stack.worker_max_model_len),
    }


def _quantised(registry: Registry, stack: StackSpec, role: str) -> list[str]:
    """Smaller servings of the same model, the largest first."""
    current = getattr(stack, role)
    if current not in registry.models:
        return []
    own_bytes = registry.model(current).weight_bytes
    same = [
        name
        for name, spec in registry.models.items()
        if _QUANTISED.sub("", name) == _QUANTISED.sub("", current) and spec.weight_bytes < own_bytes
    ]
    return sorted(same, key=lambda name: registry.model(name).weight_bytes, reverse=True)


def _with_more_cards(
    registry: Registry, name: str, hardware: Hardware, knowledge: Knowledge
) -> Iterator[str]:
    if not hardware.gpus:
        return
    best = max(hardware.gpus, key=lambda gpu: gpu.free_bytes)
    for n_cards in (2, 4):
        if n_cards <= len(hardware.gpus):
            continue
        cards = tuple(replace(best, index=n, uuid=f"more-{n}") for n in range(n_cards))
        if _is_placed(registry, name, replace(hardware, gpus=cards), knowledge):
            yield f"{n_cards} cards like GPU {best.index}"
            return


def _fits(
    registry: Registry, name: str, changed: StackSpec, hardware: Hardware, knowledge: Knowledge
) -> bool:
    stacks = {**registry.stacks, name: changed}
    tried = registry.model_copy(update={"stacks": stacks})
    found = place(tried, name, hardware, knowledge)
    if isinstance(found, Refusal):
        return False
    wanted = changed.kv_cache_dtype
    return wanted == "auto" or found.servers[0].kv_cache_dtype == wanted


def _is_placed(registry: Registry, name: str, hardware: Hardware, knowledge: Knowledge) -> bool:
    return isinstance(place(registry, name, hardware, knowledge), Placement)
