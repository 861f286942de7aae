"""Runs the official harness (PyPI `rlms`) once, for comparison: standard library and `rlm` only.

    PEER_PYTHON benchmarks/peer_rlms.py BASE_URL CONTEXT_FILE QUESTION

Executed by the Python of an environment that has `rlms` installed. Prints one line of JSON: when
`completion()` was called and when it came back (`time.monotonic`), and the answer.
"""

import importlib
import json
import sys
import time
from pathlib import Path

__all__ = ["main"]


def main() -> None:
    """One completion with the local environment, the harness's default."""
    # The peer's package is absent from our own environment, hence from the type checker's.
    harness_class = importlib.import_module("rlm").RLM
    base_url, context_file, question = sys.argv[1:]
    text = Path(context_file).read_text(encoding="utf-8")
    harness = harness_class(
        backend="openai",
        backend_kwargs={"model_name": "root", "base_url": base_url, "api_key": "none"},
        environment="local",
        max_iterations=30,
    )
    called_s = time.monotonic()
    answer = harness.completion(text, root_prompt=question)
    done_s = time.monotonic()
    print(json.dumps({"called_s": called_s, "done_s": done_s, "answer": str(answer.response)}))


if __name__ == "__main__":
    main()
