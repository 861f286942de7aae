"""models.yaml x hardware -> Placement: where a stack runs, and which stack a machine should run.

Pure; asks through `present` whether weights are on disk and fetches nothing.
"""

from collections.abc import Callable

from rlm_local.errors import PlacementError
from rlm_local.planner.alternatives import alternatives
from rlm_local.planner.fit import gib
from rlm_local.planner.hardware import Hardware
from rlm_local.planner.knowledge import Knowledge
from rlm_local.planner.layout import Placement, Refusal, ServerPlacement, place
from rlm_local.registry import Registry, StackSpec

__all__ = [
    "Placement",
    "ServerPlacement",
    "choose_stack",
    "fitting_stacks",
    "largest_fitting",
    "plan",
]


def plan(
    registry: Registry, stack_name: str, hardware: Hardware, knowledge: Knowledge | None = None
) -> Placement:
    """Place a stack on a machine.

    Args:
        registry: models.yaml.
        stack_name: which of its stacks.
        hardware: the machine, real or imagined.
        knowledge: what is known beyond models.yaml: files on disk, earlier starts.

    Raises:
        ConfigError: no stack of that name.
        PlacementError: it does not fit; says what it needs, what is free, how much is missing, what
            change of its entry would fit, and which other stacks do.
    """
    found = place(registry, stack_name, hardware, knowledge)
    if isinstance(found, Placement):
        return found
    changes = alternatives(registry, stack_name, hardware, knowledge or Knowledge())
    others = fitting_stacks(registry, hardware, knowledge)
    hints = [f"it would fit with {' or with '.join(changes)}"] if changes else []
    hints.append(f"would fit: {', '.join(others)}" if others else "no other stack fits here either")
    raise PlacementError("; ".join([found.reason, *hardware.notes, *hints]))


def choose_stack(
    registry: Registry,
    hardware: Hardware,
    present: Callable[[str], bool],
    knowledge: Knowledge | None = None,
) -> str:
    """The largest stack that fits the memory free now and whose weights are here.

    Args:
        registry: models.yaml.
        hardware: the machine.
        present: whether the weights of a model, by name, are on disk.
        knowledge: what is known beyond models.yaml.

    Raises:
        PlacementError: nothing fits; or nothing that fits is here, then it says what to pull.
    """
    fitting = fitting_stacks(registry, hardware, knowledge)
    for name in fitting:
        if not _absent(registry, name, present):
            return name
    largest = _first(fitting, registry, hardware)
    commands = " && ".join(
        f"rlm-local pull {model}" for model in _absent(registry, largest, present)
    )
    raise PlacementError(
        f"no stack that fits this machine has its weights here; "
        f"the largest that fits is {largest}: run `{commands}`"
    )


def largest_fitting(registry: Registry, hardware: Hardware) -> str:
    """The largest stack that fits the memory free now, whether its weights are here or not.

    Raises:
        PlacementError: nothing fits; says what the smallest needs.
    """
    return _first(fitting_stacks(registry, hardware), registry, hardware)


def fitting_stacks(
    registry: Registry, hardware: Hardware, knowledge: Knowledge | None = None
) -> tuple[str, ...]:
    """Stacks that fit, best first: by size of the card they are made for, then by weights.

    Those whose window had to be cut below half come last, and those of the CPU count only where
    no stack fits a GPU.
    """
    placements = {name: place(registry, name, hardware, knowledge) for name in registry.stacks}
    fitting = {name: p for name, p in placements.items() if isinstance(p, Placement)}
    on_gpu = {name: p for name, p in fitting.items() if p.device == "cuda"}

    def rank(name: str) -> tuple[bool, float, int, bool]:
        found, stack = fitting[name], registry.stacks[name]
        weights = sum(server.weight_bytes for server in found.servers)
        whole = all(_keeps_half_its_window(registry, stack, server) for server in found.servers)
        return whole, stack.vram_gib or 0.0, weights, stack.backend == "vllm"

    return tuple(sorted(on_gpu or fitting, key=rank, reverse=True))


def _keeps_half_its_window(registry: Registry, stack: StackSpec, server: ServerPlacement) -> bool:
    asked = stack.max_model_len if "root" in server.roles else stack.worker_max_model_len
    return 2 * server.max_model_len >= min(asked, registry.model(server.model).context_tokens)


def _first(fitting: tuple[str, ...], registry: Registry, hardware: Hardware) -> str:
    if fitting:
        return fitting[0]
    refusals = [place(registry, name, hardware) for name in registry.stacks]
    known = [refused for refused in refusals if isinstance(refused, Refusal)]
    if not known:
        raise PlacementError("models.yaml names no stack")
    smallest = min(known, key=lambda refused: refused.needed_bytes)
    raise PlacementError(
        "; ".join(
            [
                f"no stack fits this machine ({gib(hardware.ram_available_bytes)} of memory free)",
                f"the smallest: {smallest.reason}",
                *hardware.notes,
            ]
        )
    )


def _absent(registry: Registry, name: str, present: Callable[[str], bool]) -> list[str]:
    stack = registry.stack(name)
    models = dict.fromkeys((stack.root, registry.worker_of(stack)))
    return [model for model in models if not present(model)]
