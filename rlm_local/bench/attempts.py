"""Trials one after the other, of which one that fails does not take the others with it.

Knows nothing of what is tried.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rlm_local.errors import RlmError, ServerError, UserError

__all__ = ["Attempts", "Failure"]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Failure:
    """A candidate that came to nothing, and why."""

    name: str
    reason: str


class Attempts(Generic[Result]):
    """What came of the candidates so far.

    Attributes:
        results: of those that came to something, in order.
        failures: the others.
    """

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.failures: list[Failure] = []
        self._first_error: RlmError | None = None

    def run(self, name: str, attempt: Callable[[], Result]) -> Result | None:
        """Try one candidate.

        Returns:
            What came of it; None where it failed.

        Raises:
            UserError: something must be changed before any candidate can be tried.
            ServerError: no server started, and none did before.
        """
        try:
            result = attempt()
        except RlmError as error:
            if isinstance(error, UserError | ServerError) and not self.results:
                raise
            self.failures.append(Failure(name, str(error)))
            self._first_error = self._first_error or error
            return None
        self.results.append(result)
        return result

    def require_one(self) -> None:
        """Raise the first candidate's error where none came to anything."""
        if not self.results and self._first_error is not None:
            raise self._first_error
