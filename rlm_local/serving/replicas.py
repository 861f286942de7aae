"""One model behind several servers.

Each request goes to a replica that is up, has room, and has read the same beginning before. One
that cannot be reached is left alone for a while, and its requests go to another at once, so that no
sub-call is lost with it. Implements `interfaces.Model` and `interfaces.Server`.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rlm_local.capacity import ServerLoad
from rlm_local.errors import ModelBusy, ModelError, ModelUnavailable
from rlm_local.interfaces import Model, Server, TokenCounter
from rlm_local.serving.prefix_affinity import PrefixMemory, chain_of
from rlm_local.types import Completion, ModelRequest

__all__ = ["ReplicaPool", "ReplicatedModel"]

_FIRST_REST_S = 1.0
_LONGEST_REST_S = 30.0
_SLACK = 4
"""A replica may have so many requests more than the idlest and still be picked for what it read."""
_SILENT_S = 600.0
"""A request given up after so long without a word to anybody was given up for the server."""
_NOT_SERVED_HERE = frozenset({401, 403, 404})
"""Another key or another model: no fault of the request, which is right elsewhere."""


@dataclass(eq=False, slots=True)
class _Replica:
    """One of them, and how it is doing."""

    model: Model
    in_flight: int = 0
    failures: int = 0
    """Since its last reply; those of requests sent before the first of them are one with it."""
    rests_until_s: float = float("-inf")
    busy_until_s: float = float("-inf")
    """It said that it is full; until then others are asked."""
    is_elsewhere: bool = False
    """Whether it was up last time, and had another model or wanted another key."""
    is_tried: bool = False
    """Whether a request is under way that tells whether it is up again."""
    heard_at_s: float = float("-inf")
    """When it last said anything."""
    preemptions: int | None = None
    """What it told when it was looked at last."""
    memory: PrefixMemory = field(default_factory=PrefixMemory)


class ReplicaPool:
    """The replicas' capacity together. Implements `interfaces.Server`."""

    def __init__(
        self, models: Sequence[Model], *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.replicas = tuple(_Replica(model) for model in models)
        self._now_s = now_s
        self._preemptions = 0

    @property
    def name(self) -> str:
        """All of their names."""
        return " ".join(sorted(it.model.server.name for it in self.replicas))

    @property
    def sequences(self) -> int:
        """Of those that answer; of all while none does, so that somebody tries."""
        return sum(it.model.server.sequences for it in self._answering())

    @property
    def is_certain(self) -> bool:
        """Whether it is of each."""
        return all(it.model.server.is_certain for it in self.replicas)

    @property
    def has_priorities(self) -> bool:
        """Whether each goes by them."""
        return all(it.model.server.has_priorities for it in self.replicas)

    @property
    def kv_tokens(self) -> int | None:
        """Of those that answer; None where one does not tell."""
        pools = [it.model.server.kv_tokens for it in self._answering()]
        known = [pool for pool in pools if pool is not None]
        return sum(known) if len(known) == len(pools) else None

    async def load(self) -> ServerLoad | None:
        """Added up over those that answer and tell; preemptions since they were first looked at."""
        asked = self._answering()
        told = await asyncio.gather(*(it.model.server.load() for it in asked))
        loads = [load for load in told if load is not None]
        if not loads:
            return None
        for replica, load in zip(asked, told, strict=True):
            if load is not None:
                self._count_preemptions(replica, load.preemptions)
        return ServerLoad(
            sum(load.running for load in loads),
            sum(load.waiting for load in loads),
            self._preemptions,
        )

    def is_up(self, replica: _Replica) -> bool:
        """Whether it answered last time, or has rested and nobody tries it yet."""
        now_s = self._now_s()
        if now_s < replica.busy_until_s:
            return False
        return not replica.failures or (now_s >= replica.rests_until_s and not replica.is_tried)

    @contextmanager
    def asking(self, replica: _Replica) -> Iterator[None]:
        """While it is sent a request, whose end says how it is doing."""
        failures, sent_s = replica.failures, self._now_s()
        tries = bool(failures) and not replica.is_tried
        replica.is_tried |= tries
        replica.in_flight += 1
        try:
            yield
            self._heard(replica, is_well=True)
        except asyncio.CancelledError:
            if replica.heard_at_s < sent_s and self._now_s() - sent_s >= _SILENT_S:
                self._failed(replica, failures)
            raise
        except ModelError as error:
            if isinstance(error, ModelBusy):
                self._heard(replica, is_well=False)
                rest_s = min(_LONGEST_REST_S, error.retry_after_s or _FIRST_REST_S)
                replica.busy_until_s = self._now_s() + rest_s
            elif _is_of_the_request(error):
                self._heard(replica, is_well=True)
            else:
                self._failed(replica, failures, error.retry_after_s)
                replica.is_elsewhere = not error.retryable
            raise
        finally:
            replica.in_flight -= 1
            if tries:
                replica.is_tried = False

    def pick(self, chain: tuple[int, ...], tried: Sequence[_Replica]) -> _Replica | None:
        """The one for a text, none of those `tried`; None where no other is up.

        While none at all is up, one that has rested is tried, else the one that rests longest.
        """
        up = [it for it in self.replicas if it not in tried and self.is_up(it)]
        if not up and tried:
            return None
        if not up:
            now_s = self._now_s()
            up = [it for it in self.replicas if now_s >= _away_until_s(it)]
        if not up:
            return min(self.replicas, key=_away_until_s)
        idlest = min(map(_load_of, up))
        near = [it for it in up if _load_of(it) == idlest or _is_near(it, idlest)]
        return max(near, key=lambda it: (it.memory.shared(chain), -_load_of(it)))

    def may_come_back(self, tried: Sequence[_Replica]) -> bool:
        """Whether another one than those `tried` may serve the model when it has rested."""
        return any(it not in tried and not it.is_elsewhere for it in self.replicas)

    def _answering(self) -> list[_Replica]:
        now_s = self._now_s()
        well = [it for it in self.replicas if not it.failures and now_s >= it.busy_until_s]
        return well or list(self.replicas)

    def _heard(self, replica: _Replica, *, is_well: bool) -> None:
        replica.heard_at_s = self._now_s()
        if is_well:
            replica.failures, replica.is_elsewhere = 0, False

    def _failed(
        self, replica: _Replica, failures_before: int, retry_after_s: float | None = None
    ) -> None:
        """Leave it alone for a while, longer each time.

        All that was under way fails together, and that is one failure: `failures_before` is what
        there were when the request was sent.
        """
        if replica.failures != failures_before:
            return
        doubled_s = _FIRST_REST_S * float(1 << min(replica.failures, 10))
        rest_s = min(_LONGEST_REST_S, max(doubled_s, retry_after_s or 0.0))
        replica.rests_until_s = self._now_s() + rest_s
        replica.failures += 1
        replica.memory.clear()

    def _count_preemptions(self, replica: _Replica, told: int) -> None:
        if replica.preemptions is not None:
            self._preemptions += max(0, told - replica.preemptions)  # a restart counts anew
        replica.preemptions = told


class ReplicatedModel:
    """The same model behind several servers. Implements `interfaces.Model`."""

    def __init__(
        self,
        models: Sequence[Model],
        *,
        digest: str,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = ReplicaPool(models, now_s=now_s)
        self.digest = digest

    @property
    def name(self) -> str:
        """What they all go by."""
        return self._models[0].name

    @property
    def context_tokens(self) -> int:
        """What the smallest of them takes."""
        return min(model.context_tokens for model in self._models)

    @property
    def server(self) -> Server:
        """All of them together."""
        return self._pool

    @property
    def supports_prefill(self) -> bool:
        """Whether each does."""
        return all(model.supports_prefill for model in self._models)

    @property
    def tokens(self) -> TokenCounter:
        """They have the same tokenizer."""
        return self._models[0].tokens

    @property
    def _models(self) -> list[Model]:
        return [replica.model for replica in self._pool.replicas]

    async def complete(self, request: ModelRequest) -> Completion:
        """One reply of the replica that suits best, of another where that one fails.

        Raises:
            ModelBusy: every one that is up is full.
            ModelUnavailable: none can be reached; names what the last one said.
            ModelError: one refused the request, or none serves the model.
        """
        contents = (message.content for message in request.messages)
        chain = chain_of("\n".join((request.cache_salt or "", *contents)))
        tried: list[_Replica] = []
        last: ModelError | None = None
        while (replica := self._pool.pick(chain, tried)) is not None:
            tried.append(replica)
            try:
                with self._pool.asking(replica):
                    replica.memory.note(chain)
                    return await replica.model.complete(request)
            except ModelError as error:
                if _is_of_the_request(error):
                    raise
                if last is None or not last.retryable or isinstance(error, ModelBusy):
                    last = error  # what is worth waiting for says more than what is not
        if last is None or (not last.retryable and self._pool.may_come_back(tried)):
            because = f": {last}" if last else ""
            raise ModelUnavailable(f"no server of {self.name!r} can be reached now{because}")
        raise last

    async def aclose(self) -> None:
        """Close all of them."""
        await asyncio.gather(*(model.aclose() for model in self._models))


def _is_of_the_request(error: ModelError) -> bool:
    return not isinstance(error, ModelUnavailable) and error.status not in _NOT_SERVED_HERE


def _is_near(replica: _Replica, idlest: float) -> bool:
    most = replica.model.server.sequences
    return replica.in_flight < most and _load_of(replica) <= idlest + _SLACK / most


def _away_until_s(replica: _Replica) -> float:
    return max(replica.rests_until_s, replica.busy_until_s)


def _load_of(replica: _Replica) -> float:
    return replica.in_flight / replica.model.server.sequences
