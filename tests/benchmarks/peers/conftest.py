"""Data for the tasks that peers are asked."""

from tests.benchmarks.tasks.conftest import data

__all__ = ["data"]
