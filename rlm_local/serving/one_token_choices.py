"""Choices decided by one token, for servers that hold a reply to its constraint.

Under a grammar the first token is the beginning of a choice, most often of one choice only: no
more need be written. Where choices begin alike the whole reply is asked for, from then on at once.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace

from rlm_local.serving.choice_scores import choice_begun_by
from rlm_local.types import Choices, Completion, Constraint, ModelRequest

__all__ = ["OneTokenChoices"]

_MOST_KEPT = 256

Complete = Callable[[ModelRequest, Constraint], Awaitable[Completion]]
"""Asks the server for a constrained reply."""


class OneTokenChoices:
    """Asks for choices with their scores, in one token where that decides."""

    def __init__(self, complete: Complete) -> None:
        self._complete = complete
        self._begin_alike: OrderedDict[Choices, None] = OrderedDict()

    async def complete(self, request: ModelRequest, choices: Choices) -> Completion:
        """One of the choices, with what is known of their log-probabilities; raises as asked."""
        first: Completion | None = None
        if choices not in self._begin_alike:
            short = replace(request, sampling=replace(request.sampling, max_tokens=1))
            first = await self._complete(short, choices)
            choice = choice_begun_by(first.text, choices.values)
            if choice is not None:
                return replace(first, text=choice, finish_reason="stop")
            self._begin_alike[choices] = None
            while len(self._begin_alike) > _MOST_KEPT:
                self._begin_alike.popitem(last=False)
        whole = await self._complete(request, choices)
        if first is None:
            return whole
        return replace(
            whole, usage=first.usage + whole.usage, seconds=first.seconds + whole.seconds
        )
