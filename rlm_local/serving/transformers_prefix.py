"""The key-value cache of the last root turn, kept for the next.

Holds one conversation: a root's history only grows, so its next prompt begins with the last one.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["KeptPrefix", "n_shared"]

Cache: TypeAlias = Any
ModelConfig: TypeAlias = Any


@dataclass(slots=True)
class KeptPrefix:
    """Tokens whose keys and values are in a cache; empty at first."""

    tokens: list[int] = field(default_factory=list)
    cache: Cache | None = None

    def cut_to(self, prompt: list[int], config: ModelConfig) -> "KeptPrefix":
        """What of this serves a prompt; the cache is cut, or a fresh one where it cannot be.

        One token of the prompt is always left to read: the model must say what comes after it.
        """
        from transformers import DynamicCache

        if self.cache is None or not _is_croppable(self.cache):
            return KeptPrefix([], DynamicCache(config=config))
        n_kept = n_shared(self.tokens, prompt[:-1])
        if n_surplus := self.cache.get_seq_length() - n_kept:
            self.cache.crop(-n_surplus)  # negative: how many to remove
        return KeptPrefix(self.tokens[:n_kept], self.cache)

    def grown_to(self, tokens: list[int]) -> "KeptPrefix":
        """After a generation that read and wrote `tokens`; the last one may not be in the cache."""
        assert self.cache is not None
        return KeptPrefix(tokens[: self.cache.get_seq_length()], self.cache)


def n_shared(one: list[int], other: list[int]) -> int:
    """Length of the common beginning."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _is_croppable(cache: Cache) -> bool:
    """Only full attention keeps every position; windows and state-space layers do not."""
    from transformers.cache_utils import DynamicLayer

    return all(type(layer) is DynamicLayer for layer in cache.layers)
