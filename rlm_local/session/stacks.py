"""Opens a stack of models.yaml: its servers' models, or models in this process.

The one place that knows planner, weights and serving together, with `servers`.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable

from rlm_local.engine.models import Models
from rlm_local.engine.prompts import Profile, load_profile
from rlm_local.interfaces import Model
from rlm_local.planner.placement import Placement
from rlm_local.registry import Registry
from rlm_local.serving.openai_model import OpenAIModel
from rlm_local.serving.server_capacity import measured
from rlm_local.serving.server_records import ServerRecord
from rlm_local.serving.servers_in_use import ServersInUse
from rlm_local.serving.tokenizer import FileTokenCounter
from rlm_local.session.models import OpenModels
from rlm_local.session.servers import Machine, OnPhase, get_servers
from rlm_local.session.settings import Settings

__all__ = ["open_stack"]


async def open_stack(stack: str, settings: Settings, progress: OnPhase) -> OpenModels:
    """The models of a stack, ready to be asked.

    Raises:
        ConfigError: no such stack or profile.
        WeightsError: its weights are not here.
        PlacementError: it does not fit this machine.
        ServerError: a server did not start.
    """
    machine = Machine.here(settings.models_file)
    if stack != "auto":
        machine.registry.stack(stack)
    if settings.profile:  # told before anything starts
        load_profile(settings.profile, machine.registry.profile(settings.profile))
    found = await get_servers(machine, stack, progress)
    if isinstance(found, Placement):
        return _in_process(machine, found, _profile(machine.registry, found.stack, settings))
    async with contextlib.AsyncExitStack() as unwind:
        unwind.push_async_callback(found.release)
        profile = _profile(machine.registry, found.record.stack, settings)
        opened = await _opened(machine, profile, found)
        unwind.pop_all()
    return opened


async def _opened(machine: Machine, profile: Profile, servers: ServersInUse) -> OpenModels:
    record = servers.record
    root = await _served_model(machine, record.server("root"), "root")
    worker = await _served_model(machine, record.server("worker"), "worker")

    async def close() -> None:
        await root.aclose()
        await worker.aclose()
        await servers.release()

    return _open_models(machine.registry, record.stack, profile, (root, worker), close)


async def _served_model(machine: Machine, record: ServerRecord, role: str) -> OpenAIModel:
    endpoint = record.endpoint(role)
    return OpenAIModel(
        endpoint,
        digest=record.digest,
        context_tokens=record.max_model_len,
        server=await measured(endpoint, sequences=record.max_num_seqs),
        tokens=FileTokenCounter(record.model_folder / "tokenizer.json"),
        dialect="vllm",
        chat_template_kwargs=machine.registry.model(record.model).chat_template_kwargs,
        priority_scheduling=True,
        failure=record.failure,
    )


def _in_process(machine: Machine, placement: Placement, profile: Profile) -> OpenModels:
    from rlm_local.serving.transformers_model import TransformersModel

    models: dict[str, TransformersModel] = {}
    for placed in placement.servers:
        model = TransformersModel(
            machine.store.location(placed.model, serving="transformers"),
            name=placed.model,
            digest=machine.store.digest(placed.model),
            context_tokens=placed.max_model_len,
            device=placed.device,
        )
        models.update(dict.fromkeys(placed.roles, model))

    async def close() -> None:
        for model in models.values():
            await model.aclose()

    pair = (models["root"], models["worker"])
    return _open_models(machine.registry, placement.stack, profile, pair, close)


def _open_models(
    registry: Registry,
    stack: str,
    profile: Profile,
    pair: tuple[Model, Model],
    close: Callable[[], Awaitable[None]],
) -> OpenModels:
    spec = registry.stack(stack)
    root, worker = registry.model(spec.root), registry.model(registry.worker_of(spec))
    models = Models(
        root=pair[0],
        worker=pair[1],
        root_sampling=root.root.sampling,
        worker_sampling=worker.worker.sampling,
        worker_max_tokens=worker.worker.max_tokens,
    )
    options = {"template": dict(worker.chat_template_kwargs), "vllm_args": worker.vllm_args}
    return OpenModels(
        models,
        profile,
        stack,
        spec.direct_tokens,
        close,
        worker_options=json.dumps(options, sort_keys=True),
    )


def _profile(registry: Registry, stack: str, settings: Settings) -> Profile:
    name = settings.profile or registry.model(registry.stack(stack).root).root.profile
    return load_profile(name, registry.profile(name))
