"""Frames of a REPL, taken apart: every field of what a cell may have forged is checked.

Which operations a REPL may send depends on its state. Nothing that came over the wire is
evaluated or unpickled. Does no I/O.
"""

from dataclasses import dataclass
from enum import Enum
from typing import cast

from rlm_local.sandbox.child.arguments import MAX_PASSAGES, MAX_REPLY_TOKENS
from rlm_local.sandbox.child.asking import MAX_SHOTS
from rlm_local.sandbox.child.wire import Frame, FrameError
from rlm_local.types import CellCall, CellReply, Json

__all__ = [
    "CallRequest",
    "Done",
    "ReplState",
    "operation",
    "parse_call",
    "parse_done",
    "parse_ready",
    "reply_header",
]

_MAX_NAMES = 200
_NAME_CHARS = 100
_MAX_NOTES = 50
_MAX_NOTE_CHARS = 500
_DONE_TEXTS = ("stdout", "result", "error", "final")
_MAX_FINAL_CHARS = 1_000_000
_MAX_LAYERS = 64
_LAYER_CHARS = 500
_MAX_CHOICES = 100_000
_MAX_CHILDREN = 10_000
_REPORTED_CHARS = 50
_BIGGEST_ID = 1 << 53


class ReplState(Enum):
    """What a REPL process is doing, as far as the host let it; `value` says it in a message."""

    STARTING = "before it is ready"
    IDLE = "between cells"
    RUNNING = "while a cell runs"


_OPERATIONS = {
    ReplState.STARTING: ("ready", "refused"),
    # Threads that a cell left behind: their calls are refused, a result is dropped.
    ReplState.IDLE: ("call", "done"),
    ReplState.RUNNING: ("call", "done"),
}


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A cell's call and the id its reply must carry."""

    number: int
    cell: int
    call: CellCall


@dataclass(frozen=True, slots=True)
class Done:
    """What a REPL says of a cell that is over."""

    cell: int
    stdout: str
    stdout_chars: int
    result: str | None
    error: str | None
    error_type: str | None
    final: str | None
    interrupted: bool
    variables: tuple[str, ...]


def operation(frame: Frame, state: ReplState) -> str:
    """The frame's operation, one of those a REPL may send in that state.

    Raises:
        FrameError: it is none of them.
    """
    op = frame.header.get("op")
    for allowed in _OPERATIONS[state]:
        if op == allowed:
            return allowed
    raise FrameError(f"a frame {str(op)[:_REPORTED_CHARS]!r} {state.value}")


def parse_ready(frame: Frame) -> dict[str, str]:
    """The layers of a `ready` frame.

    Raises:
        FrameError: it is not one.
    """
    report = frame.header.get("report")
    if operation(frame, ReplState.STARTING) != "ready" or not isinstance(report, dict):
        raise FrameError("the first frame is not `ready`")
    if len(report) > _MAX_LAYERS:
        raise FrameError(f"a report of {len(report)} layers; at most {_MAX_LAYERS}")
    return {
        _string(layer, "a layer")[:_LAYER_CHARS]: _string(state, "a layer's state")[:_LAYER_CHARS]
        for layer, state in report.items()
    }


def parse_call(frame: Frame) -> CallRequest:
    """A `call` frame as a `CellCall`; arguments nobody knows are left out.

    Raises:
        FrameError: a field is missing, of a wrong type or out of range.
    """
    header = frame.header
    given = header.get("args")
    if not isinstance(given, dict):
        raise FrameError("a call without arguments")
    number, cell = _integer(header, "id", 1, _BIGGEST_ID), _integer(header, "cell", 0, _BIGGEST_ID)
    match header.get("fn"):
        case "llm_query":
            call = CellCall("llm_query", _worker_args(given), frame.texts)
        case "rlm_query":
            call = CellCall("rlm_query", _child_args(given, len(frame.texts)), frame.texts)
        case "search":
            if len(frame.texts) != 1:
                raise FrameError("a search has one query")
            call = CellCall("search", {"k": _integer(given, "k", 1, MAX_PASSAGES)}, frame.texts)
        case other:
            name = str(other)[:_REPORTED_CHARS]
            raise FrameError(f"a call of {name!r}, which is no function of the host")
    return CallRequest(number, cell, call)


def parse_done(frame: Frame) -> Done:
    """A `done` frame.

    Raises:
        FrameError: a field is missing, of a wrong type or out of range.
    """
    header = frame.header
    texts = _named_texts(frame)
    error_type = header.get("error_type")
    if error_type is not None:
        error_type = _short(error_type, "error_type")
    final = texts.get("final")
    if final is not None and len(final) > _MAX_FINAL_CHARS:
        raise FrameError(f"an answer of {len(final):,} characters; at most {_MAX_FINAL_CHARS:,}")
    interrupted = header.get("interrupted", False)
    if not isinstance(interrupted, bool):
        raise FrameError("interrupted is neither true nor false")
    return Done(
        cell=_integer(header, "cell", 0, _BIGGEST_ID),
        stdout=texts.get("stdout", ""),
        stdout_chars=_integer(header, "stdout_chars", 0, 1 << 62),
        result=texts.get("result"),
        error=texts.get("error"),
        error_type=error_type,
        final=final,
        interrupted=interrupted,
        variables=_variables(header.get("vars")),
    )


def _named_texts(frame: Frame) -> dict[str, str]:
    names = frame.header.get("texts")
    if not isinstance(names, list) or len(names) != len(frame.texts):
        raise FrameError("a result whose texts have no names")
    texts: dict[str, str] = {}
    for name, text in zip(names, frame.texts, strict=True):
        if name not in _DONE_TEXTS or name in texts:
            raise FrameError("a result whose texts have no proper names")
        texts[name] = text
    return texts


def _variables(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or len(names) > _MAX_NAMES:
        raise FrameError("a result without its list of variables")
    return tuple(_short(name, "a variable's name") for name in names)


def reply_header(number: int, reply: CellReply) -> tuple[dict[str, object], tuple[str, ...]]:
    """The `reply` frame of a call: header and texts."""
    header: dict[str, object] = {"op": "reply", "id": number}
    if reply.refusal is not None:
        header["refusal"] = reply.refusal
        return header, ()
    if reply.notes:
        header["notes"] = [note[:_MAX_NOTE_CHARS] for note in reply.notes[:_MAX_NOTES]]
    if reply.passages:
        header["passages"] = [
            {"document": p.document, "start": p.start_char, "score": p.score}
            for p in reply.passages[:MAX_PASSAGES]
        ]
        return header, tuple(p.text for p in reply.passages[:MAX_PASSAGES])
    header["failed"] = [i for i, o in enumerate(reply.outcomes) if o.text is None]
    return header, tuple(_outcome_text(o.text, o.error) for o in reply.outcomes)


def _outcome_text(text: str | None, error: str | None) -> str:
    return text if text is not None else error or "no reason was given"


def _worker_args(given: dict[str, object]) -> dict[str, Json]:
    args: dict[str, Json] = {}
    if "choices" in given:
        args["choices"] = cast("list[Json]", _strings(given["choices"], "choices", _MAX_CHOICES))
    if "regex" in given:
        args["regex"] = _string(given["regex"], "regex")
    if "schema" in given:
        if not isinstance(given["schema"], dict):
            raise FrameError("schema is not an object")
        args["schema"] = cast("dict[str, Json]", given["schema"])
    if "max_tokens" in given:
        args["max_tokens"] = _integer(given, "max_tokens", 1, MAX_REPLY_TOKENS)
    if "system" in given:
        args["system"] = _string(given["system"], "system")
    if "shots" in given:
        args["shots"] = _pairs(given["shots"])
    if "scores" in given:
        if not isinstance(given["scores"], bool):
            raise FrameError("scores is neither true nor false")
        args["scores"] = given["scores"]
    return args


def _pairs(value: object) -> list[Json]:
    if not isinstance(value, list) or len(value) > MAX_SHOTS:
        raise FrameError(f"shots is not a list of at most {MAX_SHOTS:,} pairs")
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise FrameError("shots are not pairs")
    return [cast("list[Json]", _strings(pair, "a shot", 2)) for pair in value]


def _child_args(given: dict[str, object], n_texts: int) -> dict[str, Json]:
    has_context, slices = given.get("has_context"), given.get("slices")
    if not isinstance(has_context, bool) or not isinstance(slices, list):
        raise FrameError("rlm_query needs has_context and slices")
    if len(slices) > _MAX_CHILDREN:
        raise FrameError(f"{len(slices)} child runs in one call; at most {_MAX_CHILDREN}")
    if not has_context:
        return {"has_context": False, "slices": []}
    checked: list[Json] = [None if place is None else _slice(place) for place in slices]
    if n_texts != len(checked) + checked.count(None):
        raise FrameError("the texts of rlm_query do not fit its slices")
    return {"has_context": True, "slices": checked}


def _slice(place: object) -> list[Json]:
    if not isinstance(place, list) or len(place) != 2:
        raise FrameError("a slice is not a pair")
    start, end = place
    if type(start) is not int or type(end) is not int or not 0 <= start <= end < _BIGGEST_ID:
        raise FrameError("a slice is not a range")
    return [start, end]


def _integer(fields: dict[str, object], name: str, low: int, high: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not low <= value <= high:
        raise FrameError(f"{name} is not an integer from {low} to {high}")
    return value


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise FrameError(f"{name} is not a text")
    return value


def _short(value: object, name: str) -> str:
    text = _string(value, name)
    if len(text) > _NAME_CHARS:
        raise FrameError(f"{name} has {len(text)} characters; at most {_NAME_CHARS}")
    return text


def _strings(value: object, name: str, at_most: int) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= at_most:
        raise FrameError(f"{name} is not a list of 1 to {at_most:,}")
    return [_string(item, name) for item in value]
