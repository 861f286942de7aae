"""Opens the models of endpoints that already run: asks them what they are, starts nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from rlm_local.config import RunConfig
from rlm_local.engine.models import Models
from rlm_local.engine.prompts import load_profile
from rlm_local.errors import ConfigError, ModelError, ModelUnavailable
from rlm_local.interfaces import Model
from rlm_local.registry import Registry, load_registry
from rlm_local.serving.openai_model import Endpoint, EndpointFacts, OpenAIModel, probe
from rlm_local.serving.replicas import ReplicatedModel
from rlm_local.serving.server_capacity import ServedCapacity, measured
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.session.models import OpenModels
from rlm_local.session.settings import Settings

__all__ = ["EndpointNames", "Served", "open_endpoints"]

UNKNOWN_WINDOW_TOKENS = 32_768
"""Assumed where a server does not tell its window; most models served today take this much."""

DEFAULT_PROFILE = "coder"

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Served:
    """A model at one or more endpoints, each with a copy of it."""

    base_urls: tuple[str, ...]
    api_key: str | None = field(repr=False)
    model: str

    def __post_init__(self) -> None:
        """Check that there is an endpoint, and none twice.

        Raises:
            ConfigError: there is none, or one is given twice.
        """
        if not self.base_urls:
            raise ConfigError(f"no base URL for the model {self.model!r}")
        urls = [url.rstrip("/") for url in self.base_urls]
        twice = {url for url in urls if urls.count(url) > 1}
        if twice:
            raise ConfigError(f"base URL given twice: {', '.join(sorted(twice))}")


@dataclass(frozen=True, slots=True)
class EndpointNames:
    """Where the root and the worker are served; may be the same."""

    root: Served
    worker: Served


async def open_endpoints(
    names: EndpointNames, settings: Settings, warn: Warn = lambda message: None
) -> OpenModels:
    """Models behind OpenAI-shaped endpoints.

    Where a model has several, those that cannot be reached now are told to `warn` and tried again
    while it is used; one must answer, and each that answers must serve it.

    Raises:
        ModelError: none of a model's endpoints can be reached, or one answers with garbage.
        ConfigError: no such profile; no URL; the key is wrong, or the models are not served there.
    """
    registry = load_registry(settings.models_file)
    root = await _open(names.root, registry, warn)
    worker = root if names.worker == names.root else await _open(names.worker, registry, warn)
    spec = registry.served_as(names.root.model)
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


async def _open(served: Served, registry: Registry, warn: Warn) -> Model:
    endpoints = [Endpoint(url, served.api_key, served.model) for url in served.base_urls]
    found = await asyncio.gather(*map(_examined, endpoints))
    errors: list[ModelUnavailable] = []
    for facts in found:
        if isinstance(facts, ModelUnavailable):
            errors.append(facts)
        elif isinstance(facts, ConfigError | ModelError):
            raise facts
    reached = [facts for facts in found if isinstance(facts, EndpointFacts)]
    if not reached:
        raise errors[0]
    for error in errors:
        warn(f"{error}; the other servers of {served.model!r} are used until it answers")
    models = [
        await _model(endpoint, facts if isinstance(facts, EndpointFacts) else reached[0], registry)
        for endpoint, facts in zip(endpoints, found, strict=True)
    ]
    if len(models) == 1:
        return models[0]
    where = " ".join(sorted(endpoint.shown_url for endpoint in endpoints))
    return ReplicatedModel(models, digest=f"{where} {served.model}")


async def _examined(endpoint: Endpoint) -> EndpointFacts | ConfigError | ModelError:
    try:
        return await probe(endpoint)
    except (ConfigError, ModelError) as error:  # all are heard before one is raised
        return error


async def _model(endpoint: Endpoint, facts: EndpointFacts, registry: Registry) -> OpenAIModel:
    spec = registry.served_as(endpoint.model)
    is_vllm = facts.dialect == "vllm"
    server = await measured(endpoint) if is_vllm else ServedCapacity(endpoint, tells_load=False)
    return OpenAIModel(
        endpoint,
        digest=f"{endpoint.shown_url} {endpoint.model}",
        context_tokens=facts.context_tokens or UNKNOWN_WINDOW_TOKENS,
        server=server,
        tokens=RatioTokenCounter(),
        dialect=facts.dialect,
        chat_template_kwargs=spec.chat_template_kwargs if spec else {},
    )
