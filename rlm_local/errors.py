"""The error tree: everything rlm_local raises on purpose.

RlmError
├─ UserError               you must change something        exit 2, HTTP 4xx
│  ├─ ConfigError          models.yaml, a flag or a setting
│  ├─ ContextError         a file, folder or text that cannot be read as given
│  ├─ WeightsError         weights absent, truncated or with wrong bytes
│  ├─ PlacementError       no device here holds the stack
│  └─ SandboxUnavailable   this machine cannot confine a cell as asked
└─ RunError                this run failed                  exit 1, HTTP 5xx
   ├─ LimitExceeded        a budget is spent; names the limit and its owner
   ├─ ModelError           a model server answered with an error, garbage or nothing
   │  └─ ModelUnavailable  it may work later (busy, unreachable): retryable
   │     ├─ ModelBusy      it has more to do than it takes: wait for it
   │     └─ ModelRestarting   its server died and is being started again: wait for it
   ├─ ServerError          a model server of ours did not start, or died
   └─ SandboxError         the REPL process or its protocol broke

A cell that raises is not an error of ours: it is `CellResult.error`, shown to the root.
Messages say what, which value, what would do, and what to try.
"""

__all__ = [
    "ConfigError",
    "ContextError",
    "LimitExceeded",
    "ModelBusy",
    "ModelError",
    "ModelRestarting",
    "ModelUnavailable",
    "PlacementError",
    "RlmError",
    "RunError",
    "SandboxError",
    "SandboxUnavailable",
    "ServerError",
    "UserError",
    "WeightsError",
]


class RlmError(Exception):
    """Root of the tree; `str(error)` is one message fit for a terminal."""


class UserError(RlmError):
    """The caller must change something before it can work."""


class ConfigError(UserError):
    """A setting is wrong: names the file or flag, the key, and what is allowed."""


class ContextError(UserError):
    """A context cannot be read as given: names the path and the reason."""


class WeightsError(UserError):
    """Weights are absent, truncated or altered: names the file and the command that mends it."""


class PlacementError(UserError):
    """No device holds the stack: says needed and free bytes, and which stack would fit."""


class SandboxUnavailable(UserError):
    """The machine cannot confine a cell as asked: names the failing call, errno and the fix."""


class RunError(RlmError):
    """The run failed although what the caller gave was right."""


class LimitExceeded(RunError):
    """A budget is spent.

    Attributes:
        limit: name of the field of `Limits` that is spent, such as `max_seconds`.
        owner: id of the run that set it; a run ends only on limits of its own or its parents'.
    """

    def __init__(self, limit: str, owner: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit
        self.owner = owner


class ModelError(RunError):
    """A model server answered with an error, garbage, or nothing.

    Attributes:
        retryable: whether the same request may succeed later.
        status: HTTP status, when there was one.
        retry_after_s: how long the server asked to be left alone, when it said so.
    """

    retryable = False

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class ModelUnavailable(ModelError):
    """The server is busy, restarting or unreachable; the same request may succeed later."""

    retryable = True


class ModelBusy(ModelUnavailable):
    """The server has more to do than it takes (429, 503); asking later costs no try."""


class ModelRestarting(ModelUnavailable):
    """A server of ours died and is being started again; waiting for it costs no try.

    It ends by itself: the server is ready again, or it is given up (`ServerError`).
    """


class ServerError(RunError):
    """A model server of ours did not start, or died: carries the cause read from its log."""


class SandboxError(RunError):
    """The REPL process or its protocol broke in a way that ends the session."""
