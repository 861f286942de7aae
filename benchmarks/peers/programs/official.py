"""PyPI `rlms`: the authors' own harness, with its local environment."""

import importlib
from typing import Any

from benchmarks.peers.programs.protocol import Order, Said, answer_one

__all__ = ["ask"]


def ask(order: Order, text: str) -> Said:
    """One completion."""
    # The peer's package is absent from our own environment, hence from the type checker's.
    make: Any = importlib.import_module("rlm").RLM
    server = {"base_url": order.base_url, "api_key": order.api_key}
    harness = make(
        backend="openai",
        backend_kwargs={"model_name": order.model, **server},
        other_backends=["openai"],
        other_backend_kwargs=[{"model_name": order.worker, **server}],
        environment="local",
        max_iterations=order.max_turns,
        max_timeout=order.max_seconds,
        sampling_args={"temperature": 0},
        sub_sampling_args={"temperature": 0},
    )
    done = harness.completion(text, root_prompt=order.question)
    usage = done.usage_summary
    return Said(
        str(done.response),
        prompt_tokens=usage.total_input_tokens,
        completion_tokens=usage.total_output_tokens,
    )


if __name__ == "__main__":
    answer_one(ask)
