"""What texts a replica has read lately, so that a prompt goes where its beginning is cached. Pure.

An approximation of the server's own prefix cache: texts are cut into pieces of the same length, and
each piece is remembered together with all that stood before it.
"""

from collections import OrderedDict

__all__ = ["PrefixMemory", "chain_of"]

_PIECE_CHARS = 256
"""About as many characters as a KV block of 64 tokens holds."""
_MOST_PIECES = 256
"""Of one prompt; what two prompts share beyond 64K characters makes no difference any more."""
_REMEMBERED = 100_000
"""Pieces a replica remembers: 25M characters, more than a usual KV cache holds."""


def chain_of(text: str) -> tuple[int, ...]:
    """One number for each whole piece of the text, which names all of it up to there."""
    chain: list[int] = []
    last = 0
    end = min(len(text) // _PIECE_CHARS, _MOST_PIECES) * _PIECE_CHARS
    for start in range(0, end, _PIECE_CHARS):
        last = hash((last, text[start : start + _PIECE_CHARS]))
        chain.append(last)
    return tuple(chain)


class PrefixMemory:
    """The pieces one replica was sent, the least recent forgotten first."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._seen: OrderedDict[int, None] = OrderedDict()

    def shared(self, chain: tuple[int, ...]) -> int:
        """How many pieces of a text it has seen, from the first on."""
        for number, piece in enumerate(chain):
            if piece not in self._seen:
                return number
        return len(chain)

    def note(self, chain: tuple[int, ...]) -> None:
        """It is being sent this text."""
        for piece in reversed(chain):  # beginnings are wanted longest
            self._seen[piece] = None
            self._seen.move_to_end(piece)
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def clear(self) -> None:
        """It was started anew, or is another one now."""
        self._seen.clear()
