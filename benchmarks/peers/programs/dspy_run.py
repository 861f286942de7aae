"""PyPI `dspy`: its RLM with the interpreter that needs no Deno."""

import importlib
from typing import Any

from benchmarks.peers.programs.protocol import Order, Said, answer_one

__all__ = ["ask"]


def ask(order: Order, text: str) -> Said:
    """One forward pass."""
    dspy: Any = importlib.import_module("dspy")
    interpreter: Any = importlib.import_module("dspy.primitives.local_interpreter").LocalInterpreter
    server = {"api_base": order.base_url, "api_key": order.api_key}
    options = {**server, "temperature": 0.0, "cache": False, "num_retries": 0}
    root = dspy.LM(f"openai/{order.model}", **options)
    worker = dspy.LM(f"openai/{order.worker}", **options)
    dspy.configure(lm=root, track_usage=False)
    harness = dspy.RLM(
        "context, query -> answer",
        max_iters=order.max_turns,
        sub_lm=worker,
        interpreter_factory=interpreter,
    )
    done = harness(context=text, query=order.question)
    usages = [call.get("usage") or {} for lm in (root, worker) for call in lm.history]
    return Said(
        str(done.answer),
        prompt_tokens=sum(int(usage.get("prompt_tokens") or 0) for usage in usages),
        completion_tokens=sum(int(usage.get("completion_tokens") or 0) for usage in usages),
        turns=len(getattr(done, "trajectory", None) or ()),
    )


if __name__ == "__main__":
    answer_one(ask)
