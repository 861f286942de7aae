"""Log-probabilities of a row's tokens from what `generate` gives, as scores of its choices."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from rlm_local.serving.choice_scores import TOP, Piece, Step, choice_scores
from rlm_local.types import Choices, ModelRequest

__all__ = ["scores_of_row"]

Tensor: TypeAlias = Any
Tokenizer: TypeAlias = Any


def scores_of_row(
    request: ModelRequest,
    text: str,
    tokens: Sequence[int],
    logits: Sequence[Tensor],
    *,
    tokenizer: Tokenizer,
) -> dict[str, float]:
    """Scores of a reply's choices; empty where none are wanted.

    Args:
        request: what was asked.
        text: the reply.
        tokens: the reply's, its end included.
        logits: of this row at each step, the constraint's mask applied.
        tokenizer: the model's.
    """
    choices = request.constraint
    if not request.wants_scores or not isinstance(choices, Choices):
        return {}
    steps = [_step(token, row, tokenizer) for token, row in zip(tokens, logits, strict=False)]
    return choice_scores(steps, text.strip(), choices.values)


def _step(token: int, logits: Tensor, tokenizer: Tokenizer) -> Step:
    logprobs = logits.float().log_softmax(-1)
    best = logprobs.topk(min(TOP, logprobs.shape[-1]))
    others = (
        Piece(_text(other, tokenizer), float(logprob))
        for logprob, other in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        if other != token
    )
    return Step(Piece(_text(token, tokenizer), float(logprobs[token])), tuple(others))


def _text(token: int, tokenizer: Tokenizer) -> str:
    text: str = tokenizer.decode([token], skip_special_tokens=True)
    return text
