"""A `Context` over a text in memory, and a `CellHost` that answers from a function."""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Sequence

from rlm_local.types import (
    CellCall,
    CellReply,
    ContextFacts,
    ContextSlice,
    DocumentSpan,
    Passage,
    SubcallOutcome,
    TokenCount,
)


class MemoryContext:
    """Implements `interfaces.Context`; documents are given as (name, text) after a header each."""

    def __init__(self, text: str = "", documents: Sequence[tuple[str, str]] = ()) -> None:
        self._spans: list[DocumentSpan] = []
        for name, body in documents:
            text += f"=== {name} ===\n"
            start, start_byte = len(text), len(text.encode())
            text += body
            self._spans.append(DocumentSpan(name, start, len(text), start_byte, len(text.encode())))
            text += "\n"
        self.text = text
        data = text.encode()
        self._fd = os.memfd_create("context")
        os.write(self._fd, data) if len(data) < 1 << 30 else None
        self._data_bytes = len(data)
        self._sha256 = hashlib.sha256(data).hexdigest()
        self.searched: list[tuple[str, int]] = []

    @property
    def facts(self) -> ContextFacts:
        lines = self.text.count("\n") + 1
        tokens = TokenCount(len(self.text) // 4, exact=False)
        return ContextFacts(
            len(self.text), self._data_bytes, lines, tokens, len(self._spans), self._sha256
        )

    @property
    def documents(self) -> Sequence[DocumentSpan]:
        return self._spans

    def fileno(self) -> int:
        return self._fd

    def head(self, n_chars: int) -> str:
        return self.text[:n_chars]

    def tail(self, n_chars: int) -> str:
        return self.text[-n_chars:]

    def read(self, part: ContextSlice) -> str:
        return self.text[part.start_char : part.end_char]

    async def search(self, query: str, k: int) -> tuple[Passage, ...]:
        self.searched.append((query, k))
        at = self.text.find(query)
        return (Passage("context", at, at + len(query), query, 1.0),) if at >= 0 else ()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class EchoHost:
    """A `CellHost` that keeps the calls and answers each prompt with `answer(prompt)`."""

    def __init__(self, answer: Callable[[str], str | None] = lambda prompt: f"<{prompt}>") -> None:
        self.calls: list[CellCall] = []
        self._answer = answer

    async def call(self, call: CellCall) -> CellReply:
        self.calls.append(call)
        await asyncio.sleep(0)
        if call.fn == "search":
            return CellReply(passages=(Passage("doc", 3, 7, "text", 2.5),))
        answers = [self._answer(text) for text in call.texts]
        if call.args.get("scores"):
            answers = [a and json.dumps({"value": a, "scores": {}}) for a in answers]
        return CellReply(
            tuple(SubcallOutcome(a, None if a is not None else "no luck") for a in answers)
        )
