"""How operators ask the worker model: the seam between them and the toolbox.

Prompts may come after a system text and worked turns, which the server's prefix cache holds once
for a whole batch. Asks nobody by itself.
"""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from rlm_local.sandbox.child.reply_types import ReplyForm

__all__ = ["MAX_SHOTS", "SCORED", "Scored", "Worker", "chosen_options"]

MAX_SHOTS = 1000
_END_TOKENS = 8
"""No choice has more tokens than bytes; a reply may end with a few of its own."""
_MAX_OPTIONS_BYTES = 400_000
"""As JSON escapes them, where a character takes up to 12 bytes. A frame's header, which holds them,
has at most 1 MiB; the host takes as many characters as this is bytes."""


class Scored(NamedTuple):
    """One of the choices, and log-probabilities of those for which they are known."""

    value: str
    scores: dict[str, float]


class Worker(Protocol):
    """Asks the worker model; implemented by `toolbox.Toolbox`."""

    def llm_query_batched(
        self,
        prompts: Iterable[object],
        *,
        type: object = None,  # noqa: A002  # the word for it in a cell
        choices: Iterable[object] | None = None,
        regex: object = None,
        schema: object = None,
        max_tokens: int | None = None,
    ) -> list[object]:
        """One value a prompt, in order; one that failed for good is a SubcallFailure."""
        ...

    def choose_batched(
        self,
        prompts: Sequence[str],
        choices: Sequence[str],
        *,
        system: str | None = None,
        shots: Sequence[tuple[str, str]] = (),
    ) -> list[object]:
        """A `Scored` for each prompt, in order, or a SubcallFailure.

        Args:
            prompts: the texts.
            choices: what each reply is one of.
            system: the system text before them.
            shots: worked turns before them: what was asked, what was replied.
        """
        ...


def chosen_options(
    choices: Sequence[str], system: str | None, shots: Sequence[tuple[str, str]]
) -> tuple[dict[str, object], ReplyForm]:
    """What is asked in `Worker.choose_batched` as it travels, and what reads its replies.

    Raises:
        ValueError: more than a call can carry.
    """
    longest = max(len(choice.encode("utf-8", "replace")) for choice in choices)
    options: dict[str, object] = {
        "choices": list(choices),
        "scores": True,
        "max_tokens": longest + _END_TOKENS,
    }
    if system is not None:
        options["system"] = system
    if shots:
        options["shots"] = [list(shot) for shot in shots]
    n_bytes = len(json.dumps(options))
    if len(shots) > MAX_SHOTS or n_bytes > _MAX_OPTIONS_BYTES:
        raise ValueError(
            f"{len(shots):,} examples, with instruction and labels {n_bytes:,} bytes; "
            f"at most {MAX_SHOTS:,} and {_MAX_OPTIONS_BYTES:,}"
        )
    return options, SCORED


def _scored(text: str) -> Scored:
    read = json.loads(text)
    if not isinstance(read, dict) or not isinstance(read.get("value"), str):
        raise ValueError("a choice without its value")
    scores = read.get("scores")
    known = scores if isinstance(scores, dict) else {}
    return Scored(read["value"], {str(name): float(score) for name, score in known.items()})


SCORED = ReplyForm({}, _scored)
"""One of the choices, with what is known of their log-probabilities."""
