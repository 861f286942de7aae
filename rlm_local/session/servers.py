"""Gets the servers of a stack for this process: those that are up, or its own, planned and started.

One start at a time on a machine: it measures memory, and what it measures must not be loading.
"""

import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from rlm_local.config import Home
from rlm_local.planner.cpu_threads import as_ranges
from rlm_local.planner.hardware import probe
from rlm_local.planner.knowledge import Knowledge, read_knowledge
from rlm_local.planner.placement import Placement, ServerPlacement, choose_stack, plan
from rlm_local.registry import Registry, load_registry
from rlm_local.serving.server_records import ServerRecord, ServerRecords, describe_server
from rlm_local.serving.servers_in_use import ServersInUse, until_gone, use
from rlm_local.serving.vllm_server import ServerPlan, Supervision, VllmServer
from rlm_local.session.after_start import learn_from_start
from rlm_local.weights.store import WeightStore

__all__ = ["Machine", "OnPhase", "get_servers", "server_plan"]

WAITING = "waiting for another rlm-local that starts servers"


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
    python: Path = Path(sys.executable)
    """The interpreter that has vLLM."""

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
        up = self.stack_that_is_up()
        return up or choose_stack(self.registry, probe(), self.store.is_present, self.knowledge())

    @property
    def corrections(self) -> Path:
        """The file in which plans are corrected by what servers reported."""
        return self.home.root / "corrections.json"

    def knowledge(self) -> Knowledge:
        """What planning knows beyond models.yaml: weights on disk, earlier starts."""

        def location(model: str) -> Path | None:
            is_here = self.store.is_present(model)
            return self.store.location(model, serving="vllm-cuda") if is_here else None

        return read_knowledge(self.registry, location, self.corrections)

    def stack_that_is_up(self) -> str | None:
        """A stack of models.yaml whose servers are up, if there is one."""
        up = (record.stack for record in self.records.all())
        return next((name for name in up if name in self.registry.stacks), None)


async def get_servers(machine: Machine, stack: str, progress: OnPhase) -> ServersInUse | Placement:
    """Servers to use until they are released; a placement where the stack needs none.

    Args:
        machine: what is here.
        stack: its name, or `auto`.
        progress: told what a start is doing, or whom it waits for.

    Raises:
        ConfigError: no such stack.
        WeightsError: its weights are not here.
        PlacementError: it does not fit this machine, or nothing does.
        ServerError: a server did not start.
    """
    if found := await _up(machine, stack):
        return found

    def on_wait(waited_s: float) -> None:
        progress.phase(WAITING, waited_s)

    async with machine.records.starting(on_wait) as lock_fd:
        machine.records.sweep()
        if found := await _up(machine, stack):  # whoever was waited for has started them
            return found
        name = machine.choose(stack)
        placement = plan(machine.registry, name, probe(), machine.knowledge())
        if placement.backend == "transformers":
            return placement
        supervision = machine.records.supervision(placement.stack, lock_fd)
        return await _start(machine, placement, supervision, progress)


async def _up(machine: Machine, stack: str) -> ServersInUse | None:
    """Servers that are up already; waits for those that are ending."""
    name = stack if stack != "auto" else machine.stack_that_is_up()
    record = machine.records.read(name) if name else None
    if record is None:
        return None
    found = use(record)
    if found is None:
        await until_gone(record)
        machine.records.read(record.stack)  # removes what is left of it
    return found


async def _start(
    machine: Machine, placement: Placement, supervision: Supervision, progress: OnPhase
) -> ServersInUse:
    """Start a placement's servers, one after the other; on failure none is left."""
    for cut in placement.cuts:
        progress.warn(cut)
    servers: list[VllmServer] = []
    records: list[ServerRecord] = []
    async with _stopped_on_failure(servers):
        for placed in placement.servers:
            serving: Literal["vllm-cpu", "vllm-cuda"] = (
                "vllm-cpu" if placed.device == "cpu" else "vllm-cuda"
            )
            folder = machine.store.location(placed.model, serving=serving)
            adapter = machine.store.adapter_location(placed.model)
            server = VllmServer(
                server_plan(machine, placement.stack, placed, folder, adapter=adapter),
                supervision=supervision,
            )
            servers.append(server)
            await server.start(progress.phase)
            digest = machine.store.digest(placed.model)
            records.append(describe_server(server, model=placed.model, digest=digest))
            found = await learn_from_start(placed, server, machine.corrections)
            if not found.is_close:
                said = "; ".join(map(str, found.differences))
                progress.warn(f"{placed.model} takes other than planned, for next time: {said}")
        record = machine.records.write(placement.stack, tuple(records))
    return ServersInUse(record, tuple(server.hand_over() for server in servers))


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


def server_plan(
    machine: Machine,
    stack: str,
    placed: ServerPlacement,
    model_folder: Path,
    *,
    adapter: Path | None = None,
) -> ServerPlan:
    """What a placement means for the server's command line, with weights from a folder."""
    spec = machine.registry.model(placed.model)
    return ServerPlan(
        model_folder=model_folder,
        served_names=placed.roles,
        root_adapter=adapter if "root" in placed.roles else None,
        device=placed.device,
        max_model_len=placed.max_model_len,
        max_num_seqs=placed.max_num_seqs,
        kv_cache_bytes=placed.kv_cache_bytes,
        gpu_share=placed.gpu_memory_utilization,
        gpus=tuple(gpu.index for gpu in placed.gpus),
        tensor_parallel_size=placed.tensor_parallel_size,
        data_parallel_size=placed.data_parallel_size,
        kv_cache_dtype=placed.kv_cache_dtype,
        block_size=placed.block_size,
        max_num_batched_tokens=placed.max_num_batched_tokens,
        cpu_threads=as_ranges(placed.cpu_cores) or None,
        extra_args=(*spec.vllm_args, *placed.vllm_args),
        own_address=placed.own_address or "127.0.0.1",
        cache_folder=machine.home.folder("tmp") / "vllm",
        log_path=machine.home.folder("servers") / f"{stack}-{placed.roles[0]}.log",
        python=machine.python,
    )
