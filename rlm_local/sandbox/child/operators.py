"""The batched operators most questions need: ask one text, ask each piece, classify items.

Prompts put what repeats first, so that the server's prefix cache holds it.
"""

from collections.abc import Iterable
from typing import Protocol

from rlm_local.sandbox.child.documents import as_text
from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.sandbox.child.finding import cut_chunks

__all__ = ["Operators", "Worker"]

_PROMPT_OVERHEAD_CHARS = 200


class Worker(Protocol):
    """Asks the worker model; implemented by `toolbox.Toolbox`."""

    def llm_query_batched(
        self,
        prompts: Iterable[object],
        *,
        type: object = None,  # noqa: A002  # the word for it in a cell
        choices: Iterable[object] | None = None,
    ) -> list[object]:
        """One value a prompt, in order."""
        ...


class Operators:
    """`ask`, `ask_each` and `classify` over one worker."""

    def __init__(self, worker: Worker, prompt_chars: int) -> None:
        """`prompt_chars`: what fits in one prompt of the worker."""
        self._worker = worker
        self._prompt_chars = prompt_chars

    def ask(self, question: str, text: object, *, type: object = None) -> object:  # noqa: A002
        """The worker's answer to `question` about `text`; a long text is read in parts.

        With `type` the answer is a value of it, or a SubcallFailure.
        """
        room = max(1000, self._prompt_chars - len(question) - _PROMPT_OVERHEAD_CHARS)
        pieces = cut_chunks(as_text(text), room, 0)
        if len(pieces) <= 1:
            return self.ask_each(question, pieces or [""], type=type)[0]
        print(f"[note] the text was read in {len(pieces)} parts and their answers put together")
        replies = self.ask_each(
            f"{question}\nIf this part of the text does not say, reply NOT FOUND.", pieces
        )
        found = [str(reply) for reply in replies if reply and "NOT FOUND" not in str(reply)]
        if not found:
            failure = next((r for r in replies if isinstance(r, SubcallFailure)), None)
            return failure or "NOT FOUND"
        notes = "\n".join(f"- {reply}" for reply in found)[:room]
        closing = f"{question}\nAnswer from these notes on parts of a text."
        return self.ask_each(closing, [notes], type=type)[0]

    def ask_each(
        self,
        question: str,
        pieces: Iterable[object],
        *,
        type: object = None,  # noqa: A002
    ) -> list[object]:
        """The same question about each piece, all at once; one answer a piece, in order."""
        if isinstance(pieces, str):
            pieces = [pieces]
        prompts = [f"{question}\n\nText:\n{as_text(piece)}\n\nAnswer:" for piece in pieces]
        return self._worker.llm_query_batched(prompts, type=type)

    def classify(
        self, items: Iterable[object], labels: Iterable[object], instruction: str | None = None
    ) -> list[object]:
        """One of `labels` for each item, in order; an item that failed is a SubcallFailure.

        Raises:
            ValueError: fewer than two labels.
        """
        names = [str(label) for label in ([labels] if isinstance(labels, str) else labels)]
        if len(dict.fromkeys(names)) < 2:
            raise ValueError(
                f"classify needs two labels or more, not {names}; name what an item is otherwise, "
                f'for instance labels=[{names[0] if names else "yes"!r}, "other"]'
            )
        if isinstance(items, str):
            items = [items]
        task = instruction or "Which label fits the text best?"
        head = f"{task}\nLabels: {', '.join(names)}"
        prompts = [f"{head}\n\nText:\n{as_text(item)}\n\nLabel:" for item in items]
        return self._worker.llm_query_batched(prompts, choices=names)
