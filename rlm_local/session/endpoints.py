"""Opens the models of an endpoint that already runs: asks it what it is, starts nothing."""

from dataclasses import dataclass, field

from rlm_local.config import RunConfig
from rlm_local.engine.models import Models
from rlm_local.engine.prompts import load_profile
from rlm_local.registry import Registry, load_registry
from rlm_local.serving.openai_model import Endpoint, EndpointFacts, OpenAIModel, probe
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.session.models import OpenModels
from rlm_local.session.settings import Settings

__all__ = ["EndpointNames", "open_endpoint"]

UNKNOWN_WINDOW_TOKENS = 32_768
"""Assumed where a server does not tell its window; most models served today take this much."""

UNKNOWN_CAPACITY = 256
"""Requests in flight at a server of unknown capacity: vLLM's own default on a GPU."""

DEFAULT_PROFILE = "coder"


@dataclass(frozen=True, slots=True)
class EndpointNames:
    """Where the endpoint is and which of its models play root and worker."""

    base_url: str
    api_key: str | None = field(repr=False)
    root: str
    worker: str


async def open_endpoint(names: EndpointNames, settings: Settings) -> OpenModels:
    """Models behind an OpenAI-shaped endpoint.

    Raises:
        ModelError: it cannot be reached, or answers with garbage.
        ConfigError: no such profile; no URL; the key is wrong, or the models are not served there.
    """
    registry = load_registry(settings.models_file)
    root = await _open(names, names.root, registry)
    worker = root if names.worker == names.root else await _open(names, names.worker, registry)
    spec = registry.models.get(names.root)
    profile_name = settings.profile or (spec.root.profile if spec else DEFAULT_PROFILE)

    async def close() -> None:
        await root.aclose()
        await worker.aclose()

    return OpenModels(
        models=Models(root=root, worker=worker),
        profile=load_profile(profile_name, registry.profile(profile_name)),
        stack="endpoint",
        direct_tokens=RunConfig().direct_tokens,
        aclose=close,
    )


async def _open(names: EndpointNames, model: str, registry: Registry) -> OpenAIModel:
    endpoint = Endpoint(base_url=names.base_url, api_key=names.api_key, model=model)
    facts: EndpointFacts = await probe(endpoint)
    spec = registry.models.get(model)
    return OpenAIModel(
        endpoint,
        digest=f"{endpoint.shown_url} {model}",
        context_tokens=facts.context_tokens or UNKNOWN_WINDOW_TOKENS,
        max_concurrency=UNKNOWN_CAPACITY,
        tokens=RatioTokenCounter(),
        dialect=facts.dialect,
        chat_template_kwargs=spec.chat_template_kwargs if spec else {},
    )
