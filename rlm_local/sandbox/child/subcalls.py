"""What a cell asks the host for: sub-calls of the worker model, child runs, searches.

Frames sent, each with `op: "call"` and `cell`; texts are the frame's texts:

- `llm_query`: texts = prompts; `args` = those given of choices (list of str), regex (str),
  schema (object), max_tokens (int), system (str), shots ([[asked, replied], ...]) and scores
  (bool: texts that come back are JSON, the choice and what is known of log-probabilities).
- `rlm_query`: `args` = {has_context: bool, slices: [[start, end] | null, ...]}. Without contexts:
  texts = questions, slices = []. With contexts: one slice a question, in characters of the mapped
  file (not of a child run's part of it); where it is null, the context stands in texts right
  after its question.
- `search`: texts = [query]; `args` = {k: int}.

A call too long for one frame is sent as several, one after the other.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from rlm_local.sandbox.child.documents import Document, as_text
from rlm_local.sandbox.child.failures import ReplyTypeFailure, failure_of
from rlm_local.sandbox.child.link import HostLink
from rlm_local.sandbox.child.reply_types import TEXT, ReplyForm
from rlm_local.sandbox.child.wire import Frame, FrameError

__all__ = ["Subcalls"]

_FRAME_CHARS = 8 << 20  # at most four bytes each: half of what a frame may hold
_FRAME_ITEMS = 10_000


class Subcalls:
    """Turns what a cell asks into calls of the host, and the answers into values."""

    def __init__(self, link: HostLink, context: str, mapped_start: int | None) -> None:
        """`mapped_start`: where `context` starts in the mapped file; None: it is not in there."""
        self.cell = 0
        self.mapped_start = mapped_start
        self._link = link
        self._context = context

    def ask_worker(
        self, prompts: Sequence[str], options: dict[str, object], form: ReplyForm
    ) -> list[object]:
        """One value a prompt, in order, as `form` reads it; failures are `SubcallFailure`."""
        values: list[object] = []
        for batch in _batches([(prompt,) for prompt in prompts]):
            frame = self._call("llm_query", options, tuple(text for (text,) in batch))
            values += _outcomes(frame, form)
        return values

    def start_children(
        self, questions: Sequence[str], contexts: Sequence[object] | None
    ) -> list[object]:
        """One answer a question, in order; failures are `SubcallFailure`."""
        if contexts is None:
            items: list[tuple[tuple[str, ...], list[int] | None]]
            items = [((question,), None) for question in questions]
        else:
            places = self._places(contexts)
            items = [
                ((question,) if place else (question, as_text(context)), place)
                for question, context, place in zip(questions, contexts, places, strict=True)
            ]
        values: list[object] = []
        at = 0
        for batch in _batches([texts for texts, _ in items]):
            slices = [place for _, place in items[at : at + len(batch)]]
            at += len(batch)
            args: dict[str, object] = {
                "has_context": contexts is not None,
                "slices": slices if contexts is not None else [],
            }
            texts = tuple(text for group in batch for text in group)
            values += _outcomes(self._call("rlm_query", args, texts), TEXT)
        return values

    def search(self, query: str, k: int) -> list[tuple[str, int, float, str]]:
        """Document, start in `context`, score and text of each passage, best first."""
        frame = self._call("search", {"k": k}, (query,))
        passages = frame.header.get("passages", [])
        offset = self.mapped_start or 0
        found = []
        for passage, text in zip(_as_list(passages), frame.texts, strict=True):
            start = int(passage["start"]) - offset
            if 0 <= start <= len(self._context):
                found.append((str(passage["document"]), start, float(passage["score"]), text))
        return found

    def _call(self, fn: str, args: dict[str, object], texts: tuple[str, ...]) -> Frame:
        header: dict[str, object] = {"op": "call", "cell": self.cell, "fn": fn, "args": args}
        try:
            frame = self._link.request(header, texts)
        except FrameError as error:
            raise ValueError(f"{fn} cannot be sent ({error}); use shorter texts") from None
        for note in _as_list(frame.header.get("notes", [])):
            print(f"[note] {note}")
        refusal = frame.header.get("refusal")
        if refusal is not None:
            raise RuntimeError(str(refusal))
        return frame

    def _places(self, contexts: Sequence[object]) -> list[list[int] | None]:
        """Where each context stands in the mapped file; looked for onwards, as pieces come."""
        places: list[list[int] | None] = []
        at = 0
        for context in contexts:
            place = self._place(context, at)
            at = place[0] if place else at
            mapped = place and [end + (self.mapped_start or 0) for end in place]
            places.append(mapped or None)
        return places

    def _place(self, context: object, near: int) -> list[int] | None:
        if self.mapped_start is None:
            return None
        if isinstance(context, Document):
            return [context.start, context.end]
        if not isinstance(context, str) or not context:
            return None
        start = self._context.find(context, near)
        if start < 0 < near:
            start = self._context.find(context)
        return None if start < 0 else [start, start + len(context)]


def _batches(groups: list[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    batch: list[tuple[str, ...]] = []
    chars = 0
    for group in groups:
        size = sum(map(len, group))
        if batch and (chars + size > _FRAME_CHARS or len(batch) == _FRAME_ITEMS):
            yield batch
            batch, chars = [], 0
        batch.append(group)
        chars += size
    if batch:
        yield batch


def _outcomes(frame: Frame, form: ReplyForm) -> list[object]:
    failed = frozenset(_as_list(frame.header.get("failed", [])))
    return [
        failure_of(text) if number in failed else _value(text, form)
        for number, text in enumerate(frame.texts)
    ]


def _value(text: str, form: ReplyForm) -> object:
    try:
        return form.read(text)
    except ValueError as error:
        reason = f"the reply is not of the type that was asked for ({error}): {text[:200]!r}"
        return ReplyTypeFailure(reason, text)


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
