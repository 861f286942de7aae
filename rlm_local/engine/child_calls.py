"""Reads an `rlm_query` call: which questions, over which texts. Pure; starts nothing."""

from dataclasses import dataclass

from rlm_local.types import CellCall, ContextSlice, Json

__all__ = ["ChildCall", "child_calls"]


@dataclass(frozen=True, slots=True)
class ChildCall:
    """One child run a cell asks for.

    Attributes:
        question: what to answer.
        part: over which slice of the mapped file; None: not a slice.
        text: over which text of its own; None: none was given.
    """

    question: str
    part: ContextSlice | None = None
    text: str | None = None


def child_calls(call: CellCall) -> tuple[ChildCall, ...]:
    """The child runs a call names, in order.

    Args:
        call: without `has_context`, `texts` are questions. With it, `slices` has one item a
            question, in characters of the mapped file; where that is null, the context's own text
            stands in `texts` right behind its question.

    Raises:
        ValueError: the call does not add up; fit to show the root.
    """
    if call.args.get("has_context") is not True:
        return tuple(ChildCall(question) for question in call.texts)
    slices = call.args.get("slices") or [None] * (len(call.texts) // 2)
    if not isinstance(slices, list):
        raise ValueError("rlm_query: slices must be a list")
    parts = [_part(item) for item in slices]
    if len(call.texts) != sum(1 if part else 2 for part in parts):
        raise ValueError("rlm_query: each question needs its context")
    texts = iter(call.texts)
    return tuple(
        ChildCall(next(texts), part=part) if part else ChildCall(next(texts), text=next(texts))
        for part in parts
    )


def _part(item: Json) -> ContextSlice | None:
    match item:
        case None:
            return None
        case [int(start), int(end)] if 0 <= start <= end:
            return ContextSlice(start, end)
    raise ValueError(f"rlm_query: a slice is a start and an end in characters, not {item!r:.60}")
