"""Every stack of models.yaml against one machine: does it fit, and by how much not. Pure."""

from dataclasses import dataclass

from rlm_local.planner.alternatives import alternatives
from rlm_local.planner.hardware import Hardware
from rlm_local.planner.knowledge import Knowledge
from rlm_local.planner.layout import Placement, Refusal, place
from rlm_local.registry import Registry

__all__ = ["Verdict", "verdicts"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One stack on one machine.

    Attributes:
        models: root and, where it is another, worker.
        placement: where it would run; `None` where it does not fit.
        refusal: why not; `None` where it fits.
        alternatives: changes of its entry that would fit.
    """

    stack: str
    models: tuple[str, ...]
    device: str
    placement: Placement | None
    refusal: Refusal | None = None
    alternatives: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it can be started, cut or whole."""
        return self.placement is not None


def verdicts(registry: Registry, hardware: Hardware, knowledge: Knowledge) -> tuple[Verdict, ...]:
    """A verdict on each stack, in the order of models.yaml."""
    return tuple(_verdict(registry, name, hardware, knowledge) for name in registry.stacks)


def _verdict(registry: Registry, name: str, hardware: Hardware, knowledge: Knowledge) -> Verdict:
    stack = registry.stack(name)
    models = tuple(dict.fromkeys((stack.root, registry.worker_of(stack))))
    found = place(registry, name, hardware, knowledge)
    if isinstance(found, Placement):
        return Verdict(name, models, stack.device, found)
    changes = alternatives(registry, name, hardware, knowledge) if found.short_bytes else ()
    return Verdict(name, models, stack.device, None, found, changes)
