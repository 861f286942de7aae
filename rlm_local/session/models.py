"""Opened models of a session: root, worker, and how they are prompted. Values and their closing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rlm_local.engine.models import Models
from rlm_local.engine.prompts import Profile
from rlm_local.sandbox.zygote_pool import ReplFacts

__all__ = ["OpenModels"]

_CHARS_PER_TOKEN = 3.5
"""Careful for code and English with Qwen's tokenizer, so that a chunk fits the worker's window."""

_CHUNK_TOKENS = 2000
"""Default size of `chunks()`: short enough to read on a CPU, long enough to hold a thought."""


@dataclass(frozen=True, slots=True)
class OpenModels:
    """Models ready to be asked; `aclose` stops what was started for them."""

    models: Models
    profile: Profile
    stack: str
    direct_tokens: int
    aclose: Callable[[], Awaitable[None]]
    worker_options: str = ""
    """What else decides the worker's replies besides its weights, such as template options."""

    def repl_facts(self) -> ReplFacts:
        """What a cell is told about the worker's window."""
        room = self.models.worker.context_tokens - self.models.worker_max_tokens - 200
        window_chars = max(1000, int(room * _CHARS_PER_TOKEN))
        chunk_chars = min(window_chars // 2, int(_CHUNK_TOKENS * _CHARS_PER_TOKEN))
        return ReplFacts(worker_prompt_chars=window_chars, chunk_chars=chunk_chars)
