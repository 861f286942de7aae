"""Sub-calls under way in any run of a session, so that runs side by side ask the same thing once.

A run that finds its call under way in another waits for that reply. Where whoever asks leaves
without one, a run that waits asks by itself. Asks nobody and keeps no reply: those that are over
are the result cache's.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from rlm_local.interfaces import ResultCache

__all__ = ["CallUnderWay", "Ended", "SharedCalls", "SharedReplies"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended for those that wait for it.

    Attributes:
        reply: None where there is none.
        has_failed: whether the worker was asked to the end and gave none; False of one that was
            cancelled or met a limit of its own run.
    """

    reply: str | None = None
    has_failed: bool = False


CallUnderWay: TypeAlias = asyncio.Future[Ended]


class SharedCalls:
    """The calls under way, by name. A name says all that decides a reply and who may see it.

    One serves one scope of the result cache, and is touched from one event loop only.
    """

    def __init__(self) -> None:
        self._under_way: dict[bytes, CallUnderWay] = {}

    def find(self, name: bytes) -> CallUnderWay | None:
        """The call of that name, if one is under way."""
        return self._under_way.get(name)

    async def reply_of(self, name: bytes, found: CallUnderWay | None = None) -> str | None:
        """The reply of a call under way, waited for; None: nobody has one, ask.

        One that has failed is not waited for in another run once more: its tries took their time.

        Args:
            name: of the call.
            found: what `find` gave earlier; it may have ended since.
        """
        asking = found or self.find(name)
        while asking is not None:
            await asyncio.wait([asking])  # not awaited itself: that would cancel it with us
            ended = asking.result()
            if ended.reply is not None or ended.has_failed:
                return ended.reply
            asking = self.find(name)
        return None

    @contextmanager
    def asking(self, name: bytes) -> Iterator[Callable[[str | None], None]]:
        """While a run asks; call what is given with the reply, or None where the worker failed.

        Where another one asks the same by now, nobody is told.
        """
        if name in self._under_way:
            yield lambda reply: None
            return
        call: CallUnderWay = asyncio.get_running_loop().create_future()
        ended = Ended()

        def end(reply: str | None) -> None:
            nonlocal ended
            ended = Ended(reply, has_failed=reply is None)

        self._under_way[name] = call
        try:
            yield end
        finally:
            del self._under_way[name]
            call.set_result(ended)


@dataclass(frozen=True, slots=True)
class SharedReplies:
    """What runs over one scope of the result cache have of each other.

    Attributes:
        cache: the replies kept.
        calls: those under way, which will be.
    """

    cache: ResultCache
    calls: SharedCalls = field(default_factory=SharedCalls)
