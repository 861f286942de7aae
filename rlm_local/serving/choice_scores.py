"""How likely each choice was, read from the log-probabilities of a reply's tokens. Pure.

A choice is told apart by its first token, or by a later one where several begin alike. What the
server does not list (it lists twenty tokens a step) is not known, and is not made up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["TOP", "Piece", "Step", "choice_begun_by", "choice_scores", "steps_of"]

TOP = 20
"""Alternatives asked for at each step: the most that OpenAI's API, and vLLM unless told, give."""
_MASKED = -9000.0
"""Below it a token was forbidden: vLLM says -9999 for minus infinity."""
_CLOSING = "\"'}\n\r\t .,"
"""What may follow a choice within one token, in a reply that is not held to the choices."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A token that stood or could have stood at one place."""

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Step:
    """One place of a reply: the token that stood there, and others that could have."""

    chosen: Piece
    others: tuple[Piece, ...] = ()


def choice_begun_by(text: str, choices: Sequence[str]) -> str | None:
    """The one choice that begins with a text; None where there are more, or none."""
    found = [choice for choice in choices if choice.startswith(text)]
    return found[0] if len(found) == 1 else None


def choice_scores(steps: Sequence[Step], choice: str, choices: Sequence[str]) -> dict[str, float]:
    """Log-probabilities of those choices for which they are known.

    Args:
        steps: the whole reply's, in order; the choice may stand within other text.
        choice: what the reply says, or the beginning of it where the reply was cut.
        choices: all there are.
    """
    joined = "".join(step.chosen.text for step in steps)
    start = joined.rfind(choice) if choice else -1
    if start < 0:
        return {}
    masses: dict[str, list[float]] = {}
    written, before, at = "", 0.0, 0
    for step in steps:
        n_lead = max(0, start - at)
        at += len(step.chosen.text)
        if at <= start:
            continue
        lead = step.chosen.text[:n_lead]
        for piece in step.others:
            if piece.text.startswith(lead) and piece.text != step.chosen.text:
                _add(masses, _told(written + piece.text[n_lead:], choices), before + piece.logprob)
        begun = written + step.chosen.text[n_lead:]
        before += step.chosen.logprob
        told = _told(begun, choices)
        if told is not None or not any(one.startswith(begun) for one in choices):
            _add(masses, told or (written if written in choices else None), before)
            break
        written = begun
    else:
        _add(masses, written if written in choices else None, before)
    return {name: _log_sum(masses[name]) for name in choices if name in masses}


def steps_of(logprobs: object) -> tuple[Step, ...]:
    """The `logprobs` of a chat reply; none where it has another shape."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    steps: list[Step] = []
    for entry in content if isinstance(content, list) else ():
        chosen = _piece(entry)
        if chosen is None:
            return ()
        listed = entry.get("top_logprobs")
        others = [_piece(other) for other in listed] if isinstance(listed, list) else []
        steps.append(Step(chosen, tuple(other for other in others if other is not None)))
    return tuple(steps)


def _piece(entry: object) -> Piece | None:
    if not isinstance(entry, dict):
        return None
    text, logprob = entry.get("token"), entry.get("logprob")
    if not isinstance(text, str) or isinstance(logprob, bool):
        return None
    return Piece(text, float(logprob)) if isinstance(logprob, int | float) else None


def _told(begun: str, choices: Sequence[str]) -> str | None:
    """The one choice that a reply which begins so will be, or is."""
    if not begun:
        return None
    found = [
        choice
        for choice in choices
        if choice.startswith(begun) or (begun.startswith(choice) and begun[len(choice)] in _CLOSING)
    ]
    return found[0] if len(found) == 1 else None


def _add(masses: dict[str, list[float]], choice: str | None, logprob: float) -> None:
    if choice is not None and math.isfinite(logprob) and logprob > _MASKED:
        masses.setdefault(choice, []).append(logprob)


def _log_sum(logprobs: Sequence[float]) -> float:
    top = max(logprobs)
    return min(0.0, top + math.log(sum(math.exp(one - top) for one in logprobs)))
