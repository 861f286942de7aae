"""The models of a run and how each is sampled. Values only; asks nothing."""

from dataclasses import dataclass, field

from rlm_local.engine.budget import Budget
from rlm_local.interfaces import Model
from rlm_local.registry import SamplingSpec
from rlm_local.types import Sampling

__all__ = ["Models", "salt_of", "sampling_of", "worker_room_tokens"]

_TEMPLATE_TOKENS = 64
"""Room for what a chat template adds around one user message (roles, a default system text)."""


@dataclass(frozen=True, slots=True)
class Models:
    """Who writes cells and who answers sub-calls; may be the same object."""

    root: Model
    worker: Model
    root_sampling: SamplingSpec = field(default_factory=SamplingSpec)
    worker_sampling: SamplingSpec = field(default_factory=SamplingSpec)
    worker_max_tokens: int = 256
    """Length of a sub-call's reply where the cell does not say."""


def sampling_of(
    spec: SamplingSpec,
    max_tokens: int,
    *,
    seed: int | None = None,
    stop: tuple[str, ...] = (),
    temperature: float | None = None,
) -> Sampling:
    """The knobs of one call; `temperature` replaces the role's own."""
    return Sampling(
        max_tokens=max_tokens,
        temperature=spec.temperature if temperature is None else temperature,
        top_p=spec.top_p,
        top_k=spec.top_k,
        repetition_penalty=spec.repetition_penalty,
        seed=seed,
        stop=stop,
    )


def salt_of(setting: str | None, budget: Budget) -> str | None:
    """The salt of a run's requests, where `RunConfig.cache_salt` is the setting."""
    return budget.tree if setting == "run" else setting


def worker_room_tokens(models: Models, max_tokens: int | None = None) -> int:
    """Tokens a sub-call's prompt may have, its reply kept free; at least 1."""
    reply = models.worker_max_tokens if max_tokens is None else max_tokens
    return max(1, models.worker.context_tokens - reply - _TEMPLATE_TOKENS)
