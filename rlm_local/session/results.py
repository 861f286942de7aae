"""The result cache of a session: whether there is one, and with whom its replies are shared."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rlm_local.config import Home
from rlm_local.engine.shared_calls import SharedCalls, SharedReplies
from rlm_local.results.disk_cache import CACHE_BYTES, DiskCache
from rlm_local.session.models import OpenModels

__all__ = ["CacheSettings", "KeptResults"]


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Whether the worker's replies are kept on disk, and for whom."""

    use: Literal["auto", "on", "off"] = "auto"
    """`auto`: where the worker's weights are known by their hash. Behind an endpoint's name there
    may be other weights tomorrow."""
    max_bytes: int = CACHE_BYTES
    """Bound of the file; what was not used for longest goes first."""
    namespace: str = ""
    """Keeps replies of different users apart."""


class KeptResults:
    """This machine's cache as one session uses it. Opens nothing before it is used."""

    def __init__(self, home: Home, settings: CacheSettings, warn: Callable[[str], None]) -> None:
        self._home = home
        self._settings = settings
        self._warn = warn
        self._cache: DiskCache | None = None
        self._calls = SharedCalls()

    def of(self, models: OpenModels) -> SharedReplies | None:
        """What runs with these models share; None: nothing is kept.

        A session opens its models once, so that all its runs read one scope of the cache.

        Raises:
            ConfigError: the cache's folder cannot be made.
        """
        use = self._settings.use
        knows_weights = models.models.worker.digest.startswith("sha256:")
        if use == "off" or (use == "auto" and not knows_weights):
            return None
        if self._cache is None:
            folder = self._home.folder("cache")
            self._cache = DiskCache(folder, warn=self._warn, max_bytes=self._settings.max_bytes)
        scoped = self._cache.scoped(self._settings.namespace, models.worker_options)
        return SharedReplies(scoped, self._calls)

    async def aclose(self) -> None:
        """Write what is left and close the file. Safe to call twice."""
        if self._cache is not None:
            cache, self._cache = self._cache, None
            await asyncio.to_thread(cache.close)
