"""How many child runs of one tree are under way at once. Starts none."""

import asyncio
from collections import defaultdict

__all__ = ["ChildRooms"]

_AT_ONCE = 8
"""Each child run is a process; more would only queue at the root model."""


class ChildRooms:
    """Room for so many child runs at each depth, whoever in the tree started them.

    At each depth, and not in all: a run holds its room while it waits for its child runs. So eight
    children with eight of their own are at most sixteen processes, not seventy-two.
    """

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._rooms: defaultdict[int, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(at_once)
        )

    def at(self, depth: int) -> asyncio.Semaphore:
        """`async with` it while a run of that depth is under way."""
        return self._rooms[depth]
