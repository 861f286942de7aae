"""Sub-calls that failed, as a cell sees them: falsy values in a batch, exceptions of one call.

Which of the two a call gives is the toolbox's business.
"""

import json

__all__ = ["ReplyTypeError", "ReplyTypeFailure", "SubcallError", "SubcallFailure", "failure_of"]

# As `engine.typed_replies.MISFIT`; tests/contracts holds the two together.
_MISFIT = "the reply does not have the form that was asked for: "


class SubcallError(RuntimeError):
    """One sub-call failed for good; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ReplyTypeError(SubcallError):
    """A reply that is not of the type asked for; `text` is the reply.

    Of the wrong form also when asked again; or refused by the type's own conversion, and then
    not asked again.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.text = text


class SubcallFailure:
    """A sub-call that failed for good. Falsy; `reason` says why; has no text to mistake."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<sub-call failed: {self.reason}>"

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"this sub-call failed ({self.reason}), so it has no {name!r}; "
            "test `if reply:` before using a reply"
        )

    def error(self) -> SubcallError:
        """The same as an exception."""
        return SubcallError(self.reason)


class ReplyTypeFailure(SubcallFailure):
    """A reply that is not of the type asked for; `text` is the reply, as far as it is known."""

    __slots__ = ("text",)

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.text = text

    def error(self) -> ReplyTypeError:
        """The same as an exception."""
        return ReplyTypeError(self.reason, self.text)


def failure_of(reason: str) -> SubcallFailure:
    """The failure whose reason the host gave."""
    if not reason.startswith(_MISFIT):
        return SubcallFailure(reason)
    return ReplyTypeFailure(reason, _quoted(reason[len(_MISFIT) :]))


def _quoted(words: str) -> str:
    try:
        text = json.loads(words)
    except (ValueError, RecursionError):
        return words
    return text if isinstance(text, str) else words
