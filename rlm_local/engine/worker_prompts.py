"""What stands before each prompt of a batch: a system text, worked turns. Read, checked, counted.

What it is read from was written by a cell, so nothing about it is sure. Asks nobody.
"""

from dataclasses import dataclass

from rlm_local.interfaces import TokenCounter
from rlm_local.types import Json, Message

__all__ = ["Preamble", "preamble_of", "room_after"]

MOST_SHOTS = 1000
MOST_CHARS = 400_000
"""Of system text and shots together; a window is far smaller, but counting takes time."""
_MESSAGE_TOKENS = 8
"""What a chat template adds around one message."""
_LEAST_SHARE = 4
"""A part of the worker's window, one in so many, is left for the prompt itself."""


@dataclass(frozen=True, slots=True)
class Preamble:
    """What every prompt of a batch comes after.

    Attributes:
        system: the system text, if any.
        shots: worked turns: what was asked, what was replied.
    """

    system: str | None = None
    shots: tuple[tuple[str, str], ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation that the prompt goes on from."""
        system = () if self.system is None else (Message("system", self.system),)
        turns = (
            message
            for asked, replied in self.shots
            for message in (Message("user", asked), Message("assistant", replied))
        )
        return (*system, *turns)

    @property
    def texts(self) -> tuple[str, ...]:
        """All that it says."""
        shots = (text for shot in self.shots for text in shot)
        return (() if self.system is None else (self.system,)) + tuple(shots)

    @property
    def chars(self) -> int:
        """Length of all that it says."""
        return sum(map(len, self.texts))

    def tokens(self, counter: TokenCounter) -> int:
        """About how much of a window it takes, the template's marks included."""
        return sum(counter.count(text) + _MESSAGE_TOKENS for text in self.texts)


def preamble_of(args: dict[str, Json]) -> Preamble:
    """The preamble an `llm_query` call names, most often none.

    Raises:
        ValueError: it is not of the right types or too long; fit to show the root.
    """
    system, shots = args.get("system"), args.get("shots") or []
    if system is not None and not isinstance(system, str):
        raise ValueError(f"system must be a text, not {type(system).__name__}")
    if not isinstance(shots, list) or len(shots) > MOST_SHOTS:
        raise ValueError(f"shots must be a list of at most {MOST_SHOTS:,} pairs of texts")
    preamble = Preamble(system or None, tuple(_shot(pair) for pair in shots))
    if preamble.chars > MOST_CHARS:
        raise ValueError(
            f"system and shots have {preamble.chars:,} characters; at most {MOST_CHARS:,}"
        )
    return preamble


def room_after(preamble_tokens: int, room_tokens: int) -> int:
    """What is left of a prompt's room.

    Raises:
        ValueError: too little; says how much would do.
    """
    left = room_tokens - preamble_tokens
    if preamble_tokens and left < room_tokens // _LEAST_SHARE:
        raise ValueError(
            f"system and shots take {preamble_tokens:,} tokens and the language model's window "
            f"has {room_tokens:,}; use fewer or shorter ones, "
            f"{room_tokens - room_tokens // _LEAST_SHARE:,} tokens at most"
        )
    return left


def _shot(pair: Json) -> tuple[str, str]:
    if isinstance(pair, list) and len(pair) == 2:
        asked, replied = pair
        if isinstance(asked, str) and isinstance(replied, str):
            return asked, replied
    raise ValueError(f"shots must be pairs of texts, not {pair!r:.60}")
