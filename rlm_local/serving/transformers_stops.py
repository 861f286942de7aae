"""Where each row of a batch ends: its own length, its stop texts, its cancellation, its last token.

A stopping criterion for transformers that also cuts the reply out of the row afterwards.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from rlm_local.types import FinishReason, ModelRequest

__all__ = ["Row", "RowStops"]

Tensor: TypeAlias = Any
Tokenizer: TypeAlias = Any


class Row(Protocol):
    """One request of a batch."""

    request: ModelRequest
    cancelled: bool


class RowStops:
    """Called by transformers after every token, with all rows so far."""

    def __init__(
        self, rows: Sequence[Row], prompt_width: int, tokenizer: Tokenizer, ends: frozenset[int]
    ) -> None:
        self._rows = rows
        self._width = prompt_width
        self._tokenizer = tokenizer
        self._end_tokens = ends
        self._lengths: list[int | None] = [None] * len(rows)

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: object) -> Tensor:
        """True for each row that is done."""
        import torch

        n_new = input_ids.shape[1] - self._width
        for n_row, row in enumerate(self._rows):
            if self._lengths[n_row] is None and self._is_done(row, input_ids[n_row], n_new):
                self._lengths[n_row] = n_new
        done = [length is not None for length in self._lengths]
        return torch.tensor(done, device=input_ids.device, dtype=torch.bool)

    def reply(self, n_row: int, row: list[int]) -> tuple[str, int, FinishReason]:
        """Text, number of tokens and finish reason of one row's new tokens."""
        tokens = row[: self._lengths[n_row]]
        last = next((n for n, token in enumerate(tokens) if token in self._end_tokens), None)
        if last is not None:
            tokens = tokens[: last + 1]
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        sampling = self._rows[n_row].request.sampling
        cuts = [at for stop in sampling.stop if (at := text.find(stop)) >= 0]
        if cuts:
            return text[: min(cuts)], len(tokens), "stop"
        if last is not None:
            return text, len(tokens), "stop"
        return text, len(tokens), "length" if len(tokens) >= sampling.max_tokens else "other"

    def _is_done(self, row: Row, ids: Tensor, n_new: int) -> bool:
        sampling = row.request.sampling
        if row.cancelled or n_new >= sampling.max_tokens:
            return True
        if not sampling.stop:
            return False
        # A token is at least a byte, so a stop text lies within as many tokens as it has bytes.
        n_tail = min(n_new, max(len(stop.encode()) for stop in sampling.stop) + 1)
        tail: str = self._tokenizer.decode(ids[-n_tail:], skip_special_tokens=True)
        return any(stop in tail for stop in sampling.stop)
