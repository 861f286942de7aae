"""Settings for property tests on machines that are busy with something else."""

from hypothesis import HealthCheck, settings

__all__ = ["UNHURRIED"]

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No test passes or fails by the clock, not even by Hypothesis' own."""
