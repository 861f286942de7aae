"""Replies with the log-probabilities of their choices, as one text: what a cell and a cache get.

Pure. Who wants no scores has plain texts, which this leaves alone.
"""

import json
import math
from collections.abc import Mapping

from rlm_local.engine.typed_replies import fits
from rlm_local.types import Choices, Constraint, Json

__all__ = ["is_kept_reply", "scored_text", "scores_wanted"]

_DECIMALS = 4


def scores_wanted(args: dict[str, Json], constraint: Constraint | None) -> bool:
    """Whether an `llm_query` call wants scores.

    Raises:
        ValueError: it says so of replies that are no choice, or does not say it by a bool.
    """
    wanted = args.get("scores", False)
    if not isinstance(wanted, bool):
        raise ValueError(f"scores must be True or False, not {wanted!r:.40}")
    if wanted and not isinstance(constraint, Choices):
        raise ValueError("scores are those of choices; give choices too")
    return wanted


def scored_text(value: str, scores: Mapping[str, float]) -> str:
    """A reply and what is known of its choices' log-probabilities, as JSON."""
    known = {name: round(score, _DECIMALS) for name, score in scores.items() if _is_real(score)}
    return json.dumps({"value": value, "scores": known}, ensure_ascii=False)


def is_kept_reply(text: str, constraint: Constraint | None, *, wants_scores: bool) -> bool:
    """Whether a text that was kept is such a reply as is asked for now."""
    if not wants_scores:
        return fits(text, constraint)
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(read, dict) or set(read) != {"value", "scores"}:
        return False
    value, scores = read["value"], read["scores"]
    return isinstance(value, str) and isinstance(scores, dict) and fits(value, constraint)


def _is_real(score: float) -> bool:
    return math.isfinite(score)
