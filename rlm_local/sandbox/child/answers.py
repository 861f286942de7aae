"""How a cell finishes the run: `FINAL(value)`, `FINAL_VAR("name")`, the dict `answer`."""

import json
from collections.abc import Mapping
from enum import Enum
from typing import NoReturn

from rlm_local.sandbox.child.cells import CellFinished
from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.sandbox.child.look_up import Rendering
from rlm_local.sandbox.child.records.groups import Pairs

__all__ = ["Answers", "answer_text"]

_MAX_CHARS = 1_000_000
_SCALARS = (str, int, float, bool)


def answer_text(value: object) -> str:
    """The text of an answer: lists of plain values joined by commas, else `str`.

    Dicts, dataclasses and pydantic's models are JSON, members of an Enum their values.

    Raises:
        ValueError: there is no answer in it, with what to do instead.
    """
    if value is None:
        raise ValueError("FINAL(None) is no answer; give the value you found")
    try:
        text = _text(_written(value))
    except RecursionError:
        raise ValueError("not an answer: it contains itself, or is nested too deep") from None
    if len(text) > _MAX_CHARS:
        raise ValueError(
            f"an answer of {len(text):,} characters; at most {_MAX_CHARS:,}: "
            "give the answer itself, not the text it stands in"
        )
    return text


class Answers:
    """Holds the answer once there is one."""

    def __init__(self, namespace: dict[str, object]) -> None:
        self.final: str | None = None
        self._namespace = namespace

    def finish(self, value: object) -> NoReturn:
        """FINAL(value): finish with this value as the answer."""
        self.final = answer_text(value)
        raise CellFinished

    def finish_with_variable(self, name: object) -> NoReturn:
        """FINAL_VAR("name"): finish with a variable's value as the answer."""
        if not isinstance(name, str):
            self.finish(name)
        key = name.strip().strip("'\"")
        if key in self._namespace:
            self.finish(self._namespace[key])
        if key.isidentifier():
            raise NameError(
                f"FINAL_VAR({key!r}): no such variable; make it first, or call FINAL(value)"
            )
        self.finish(name)

    def read_dict(self) -> None:
        """Take `answer = {"content": ..., "ready": True}`, where a cell left it."""
        given = self._namespace.get("answer")
        if self.final is None and isinstance(given, dict) and given.get("ready") is True:
            given["ready"] = False
            self.final = answer_text(given.get("content"))


def _text(value: object) -> str:
    """The text of what `_written` gave."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, _SCALARS) for item in value):
        return ", ".join(map(str, value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _written(value: object) -> object:
    """A value as lists, dicts with keys of text, and plain values; nothing of it is left out.

    Raises:
        ValueError: a sub-call that failed is in it, or two keys are written alike.
    """
    value = _plain(value)
    if isinstance(value, SubcallFailure):
        raise ValueError(f"not an answer: a sub-call failed ({value.reason}); find it otherwise")
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, set | frozenset):
        return [_written(item) for item in sorted(map(_plain, value), key=str)]
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    if not isinstance(value, Mapping):
        return str(value)
    written: dict[str, object] = {}
    for key, item in value.items():
        name = _key(key)
        if name in written:
            raise ValueError(f"not an answer: two keys are both written as {name!r:.100}")
        written[name] = _written(item)
    return written


def _key(key: object) -> str:
    """A key as JSON has it: a text, also where Python's is a date, a tuple or a number."""
    key = _written(key)
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    return _text(key)


def _plain(value: object) -> object:
    """What stands for a value: an Enum's value, the fields of a record, what a look-up found."""
    if isinstance(value, Rendering):
        return value.answer
    if isinstance(value, Pairs):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, type):
        return value
    dump = getattr(value, "model_dump", None)
    if callable(dump) and hasattr(value, "__pydantic_fields_set__"):
        return dump(mode="json")
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name, None) for name in value.__dataclass_fields__}
    return value
