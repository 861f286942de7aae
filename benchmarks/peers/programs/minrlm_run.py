"""PyPI `minrlm`."""

import importlib
from typing import Any

from benchmarks.peers.programs.protocol import Order, Said, answer_one

__all__ = ["ask"]

_OWN_ITERATIONS = 6


def ask(order: Order, text: str) -> Said:
    """One completion."""
    make: Any = importlib.import_module("minrlm").RLM
    harness = make(
        model=order.model,
        base_url=order.base_url,
        api_key=order.api_key,
        max_iterations=min(_OWN_ITERATIONS, order.max_turns),
        max_time_seconds=round(order.max_seconds),
        temperature=0.0,
    )
    done = harness.completion(task=order.question, context=text)
    return Said(
        str(done.response),
        prompt_tokens=done.input_tokens,
        completion_tokens=done.output_tokens,
        turns=done.iterations,
    )


if __name__ == "__main__":
    answer_one(ask)
