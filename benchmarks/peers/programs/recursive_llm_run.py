"""PyPI `recursive-llm`."""

import importlib
from typing import Any

from benchmarks.peers.programs.protocol import Order, Said, answer_one

__all__ = ["ask"]


def ask(order: Order, text: str) -> Said:
    """One completion; a failure comes with what it cost."""
    make: Any = importlib.import_module("rlm").RLM
    harness = make(
        model=f"openai/{order.model}",
        recursive_model=f"openai/{order.worker}",
        api_base=order.base_url,
        api_key=order.api_key,
        max_iterations=order.max_turns,
        max_elapsed_seconds=order.max_seconds,
        temperature=0,
    )
    done = harness.try_complete_result(order.question, text)
    stats = done.stats
    return Said(
        done.answer or "",
        "" if done.succeeded else f"{done.error_type}: {done.error}",
        prompt_tokens=int(stats.get("prompt_tokens") or stats.get("input_tokens") or 0),
        completion_tokens=int(stats.get("completion_tokens") or stats.get("output_tokens") or 0),
        turns=int(stats.get("iterations") or 0),
    )


if __name__ == "__main__":
    answer_one(ask)
