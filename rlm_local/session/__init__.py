"""The composition root: the only place that names implementations and wires them together."""

from rlm_local.session.rlm import RLM

__all__ = ["RLM"]
