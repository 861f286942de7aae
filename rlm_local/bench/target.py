"""Which models are tried, and an `RLM` whose models are changed before it uses them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rlm_local.session.endpoints import EndpointNames, Served, open_endpoints
from rlm_local.session.models import OpenModels
from rlm_local.session.rlm import RLM, Progress
from rlm_local.session.settings import Settings
from rlm_local.session.stacks import open_stack

__all__ = ["Change", "Target", "TrialRLM"]

Change = Callable[[OpenModels], OpenModels]
"""Gives a root another profile, say, or a script in its place."""


@dataclass(frozen=True, slots=True)
class Target:
    """A stack of models.yaml, or models at an endpoint where `base_url` is given."""

    stack: str = "auto"
    base_url: str | None = None
    root: str = ""
    worker: str = ""
    api_key: str | None = field(default=None, repr=False)

    async def open(self, settings: Settings, progress: Progress) -> OpenModels:
        """The models, ready to be asked; raises what `RLM` raises when it opens them."""
        if self.base_url is None:
            return await open_stack(self.stack, settings, progress)
        root = Served((self.base_url,), self.api_key, self.root)
        worker = Served((self.base_url,), self.api_key, self.worker or self.root)
        return await open_endpoints(EndpointNames(root, worker), settings, progress.warn)


class TrialRLM(RLM):
    """An `RLM` over changed models; everything else is as in any session."""

    def __init__(
        self, target: Target, change: Change, settings: Settings, progress: Progress | None = None
    ) -> None:
        """`change` is applied to the models once, when they are opened."""

        async def open_changed() -> OpenModels:
            return change(await target.open(self._settings, self._progress))

        self._setup(open_changed, settings, progress)
