"""Opens a stack of models.yaml: uses servers that are up, or plans and starts its own.

The one place that knows planner, weights and serving together. `rlm-local up` uses it too.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from rlm_local.config import Home
from rlm_local.engine.models import Models
from rlm_local.engine.prompts import Profile, load_profile
from rlm_local.interfaces import Model
from rlm_local.planner.cpu_threads import as_ranges
from rlm_local.planner.hardware import probe
from rlm_local.planner.placement import Placement, ServerPlacement, choose_stack, plan
from rlm_local.registry import Registry, load_registry
from rlm_local.serving.openai_model import OpenAIModel
from rlm_local.serving.server_records import (
    ServerRecord,
    ServerRecords,
    StackRecord,
    describe_server,
)
from rlm_local.serving.tokenizer import FileTokenCounter
from rlm_local.serving.vllm_server import ServerPlan, VllmServer
from rlm_local.session.models import OpenModels
from rlm_local.session.settings import Settings
from rlm_local.weights.store import WeightStore

__all__ = ["Machine", "OnPhase", "StartedServers", "open_stack", "start_servers"]


class OnPhase(Protocol):
    """Is told what a start is doing."""

    def phase(self, name: str, elapsed_s: float) -> None:
        """A server reached a phase, so many seconds after its start."""
        ...

    def warn(self, message: str) -> None:
        """Something the user should read, such as a window that had to be cut."""
        ...


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine has of ours: models.yaml, weights, records of servers."""

    home: Home
    registry: Registry
    store: WeightStore
    records: ServerRecords

    @classmethod
    def here(cls, models_file: Path | None = None) -> "Machine":
        """As the environment and models.yaml say.

        Raises:
            ConfigError: either is wrong.
        """
        home = Home.from_environment()
        registry = load_registry(models_file)
        store = WeightStore(home.folder("weights"), registry)
        return cls(home, registry, store, ServerRecords(home.folder("servers")))

    def choose(self, stack: str) -> str:
        """The stack meant: `auto` is one that is up, else the largest that fits and is pulled.

        Raises:
            ConfigError: no stack of that name.
            PlacementError: `auto`, and nothing fits or nothing is pulled.
        """
        if stack != "auto":
            self.registry.stack(stack)
            return stack
        for record in self.records.all():
            if record.stack in self.registry.stacks:
                return record.stack
        return choose_stack(self.registry, probe(), self.store.is_present)


@dataclass(frozen=True, slots=True)
class StartedServers:
    """Servers this process has started and still owns."""

    servers: tuple[VllmServer, ...]
    records: tuple[ServerRecord, ...]

    def detach(self) -> None:
        """Let them outlive this process."""
        for server in self.servers:
            server.detach()

    async def stop(self) -> None:
        """End them; the log stays of one that had died, the others' nobody will ask for."""
        for server in self.servers:
            died = server.failure() is not None
            await server.stop()
            if not died:
                server.plan.log_path.unlink(missing_ok=True)


async def open_stack(stack: str, settings: Settings, progress: OnPhase) -> OpenModels:
    """The models of a stack, ready to be asked.

    Raises:
        ConfigError: no such stack or profile.
        WeightsError: its weights are not here.
        PlacementError: it does not fit this machine.
        ServerError: a server did not start.
    """
    machine = Machine.here(settings.models_file)
    name = machine.choose(stack)
    profile = _profile(machine.registry, name, settings)
    record = machine.records.read(name)
    if record is not None:
        return _opened(machine, name, profile, record.servers, None)
    placement = plan(machine.registry, name, probe())
    if placement.backend == "transformers":
        return _in_process(machine, placement, profile)
    started = await start_servers(machine, placement, progress, keep=False)
    return _opened(machine, name, profile, started.records, started)


async def start_servers(
    machine: Machine, placement: Placement, progress: OnPhase, *, keep: bool
) -> StartedServers:
    """Start a placement's servers, one after the other; on failure none is left.

    Args:
        machine: where weights and logs are.
        placement: what to start.
        progress: told the phases.
        keep: whether they are to outlive this process, which only names their logs.

    Raises:
        WeightsError: weights are not here.
        ServerError: one did not start.
    """
    servers: list[VllmServer] = []
    records: list[ServerRecord] = []
    for cut in placement.cuts:
        progress.warn(cut)
    async with _stopped_on_failure(servers):
        for placed in placement.servers:
            server = VllmServer(_server_plan(machine, placement.stack, placed, keep=keep))
            servers.append(server)
            await server.start(progress.phase)
            records.append(
                describe_server(
                    server, model=placed.model, digest=machine.store.digest(placed.model)
                )
            )
    return StartedServers(tuple(servers), tuple(records))


@contextlib.asynccontextmanager
async def _stopped_on_failure(servers: Sequence[VllmServer]) -> AsyncIterator[None]:
    whole = False
    try:
        yield
        whole = True
    finally:
        if not whole:
            for server in servers:
                await server.stop()


def _server_plan(
    machine: Machine, stack: str, placed: ServerPlacement, *, keep: bool
) -> ServerPlan:
    spec = machine.registry.model(placed.model)
    serving: Literal["vllm-cpu", "vllm-cuda"] = (
        "vllm-cpu" if placed.device == "cpu" else "vllm-cuda"
    )
    role = placed.roles[0]
    log_name = f"{stack}-{role}.log" if keep else f"{stack}-{role}-{os.getpid()}.log"
    return ServerPlan(
        model_folder=machine.store.location(placed.model, serving=serving),
        served_names=placed.roles,
        device=placed.device,
        max_model_len=placed.max_model_len,
        max_num_seqs=placed.max_num_seqs,
        kv_cache_bytes=placed.kv_cache_bytes,
        gpu_share=placed.gpu_memory_utilization,
        gpus=tuple(gpu.index for gpu in placed.gpus),
        cpu_threads=as_ranges(placed.cpu_cores) or None,
        extra_args=spec.vllm_args,
        cache_folder=machine.home.folder("tmp") / "vllm",
        log_path=machine.home.folder("servers") / log_name,
    )


def _opened(
    machine: Machine,
    stack: str,
    profile: Profile,
    servers: Sequence[ServerRecord],
    started: StartedServers | None,
) -> OpenModels:
    record = StackRecord(stack=stack, boot_id="", started_at=0.0, servers=tuple(servers))
    root = _served_model(machine, record.server("root"), "root", shared=False)
    shared = record.server("root") == record.server("worker")
    worker = _served_model(machine, record.server("worker"), "worker", shared=shared)

    async def close() -> None:
        await root.aclose()
        await worker.aclose()
        if started is not None:
            await started.stop()

    return _open_models(machine.registry, stack, profile, (root, worker), close)


def _served_model(
    machine: Machine, record: ServerRecord, role: str, *, shared: bool
) -> OpenAIModel:
    # Where both roles share a server, two of its sequences are kept free for root turns.
    capacity = max(1, record.max_num_seqs - 2) if shared else record.max_num_seqs
    return OpenAIModel(
        record.endpoint(role),
        digest=record.digest,
        context_tokens=record.max_model_len,
        max_concurrency=capacity,
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
    return OpenModels(models, profile, stack, spec.direct_tokens, close)


def _profile(registry: Registry, stack: str, settings: Settings) -> Profile:
    name = settings.profile or registry.model(registry.stack(stack).root).root.profile
    return load_profile(name, registry.profile(name))
