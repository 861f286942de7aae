"""Reads a long text in parts and puts what was found together, level by level.

Each prompt fits the worker's window: a text is cut into pieces, and answers are gathered in groups
until one group holds them all.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from rlm_local.sandbox.child.asking import Worker
from rlm_local.sandbox.child.documents import as_text
from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.sandbox.child.finding import cut_chunks

__all__ = ["NOT_FOUND", "Reducer", "Reduction", "says_nothing"]

NOT_FOUND = "NOT FOUND"
_WORD = re.compile(r"[^\W_]+")
_OVERHEAD_CHARS = 200
_LEAST_ROOM_CHARS = 1000
_MOST_TOLD_CHARS = 160

Reduction = str | Callable[[list[str]], object] | None
"""How answers are put together: in words, by a function of the cell's, or as the question says."""


class Reducer:
    """Map and reduce over one worker."""

    def __init__(self, worker: Worker, prompt_chars: int, context: str) -> None:
        """`context` is read where no pieces are given."""
        self._worker = worker
        self._prompt_chars = prompt_chars
        self._context = context

    def map_reduce(
        self,
        question: str,
        pieces: str | Iterable[object] | None = None,
        reduce: Reduction = None,
    ) -> object:
        """Ask each piece (default: of `context`), then put the answers together into one.

        `reduce`: what to do with the answers, in words, or a function of the list of them.
        """
        room = self._room(question)
        parts = self._parts(self._context if pieces is None else pieces, room)
        found, failures = self._mapped(question, parts)
        print(
            f"[note] map_reduce read {_count(len(parts), 'part')}; "
            f"{len(found):,} had an answer{_failed(failures)}"
        )
        if callable(reduce):
            return reduce(found)
        if not found:
            return failures[0] if failures else NOT_FOUND
        if len(parts) == 1 and reduce is None:
            return found[0]
        return self.gathered(reduce or question, found)

    def gathered(self, question: str, found: Sequence[str], *, type: object = None) -> object:  # noqa: A002
        """One answer from the answers about parts of a text; a value of `type` where given."""
        room = self._room(question)
        notes = [_cut(text, room // 2 - 10) for text in found]
        while len(groups := _groups(notes, room)) > 1:
            answers = self._closing(question, groups)
            notes = [_cut(str(answer), room // 2 - 10) for answer in answers if answer]
            if not notes:
                return answers[0]
        return self._closing(question, groups, type=type)[0]

    def _closing(
        self,
        question: str,
        groups: Sequence[str],
        *,
        type: object = None,  # noqa: A002
    ) -> list[object]:
        prompts = [
            f"{question}\nAnswer from these notes on parts of a text.\n\nText:\n{notes}\n\nAnswer:"
            for notes in groups
        ]
        return self._worker.llm_query_batched(prompts, type=type)

    def _mapped(
        self, question: str, parts: Sequence[str]
    ) -> tuple[list[str], list[SubcallFailure]]:
        asked = f"{question}\nIf this part of the text does not say, reply {NOT_FOUND}."
        replies = self._worker.llm_query_batched(
            [f"{asked}\n\nText:\n{part}\n\nAnswer:" for part in parts]
        )
        failures = [reply for reply in replies if isinstance(reply, SubcallFailure)]
        found = [str(reply) for reply in replies if reply and not says_nothing(str(reply))]
        return found, failures

    def _parts(self, pieces: str | Iterable[object], room: int) -> list[str]:
        texts = [pieces] if isinstance(pieces, str) else [as_text(piece) for piece in pieces]
        return [part for text in texts for part in cut_chunks(text, room, 0)]

    def _room(self, question: str) -> int:
        return max(_LEAST_ROOM_CHARS, self._prompt_chars - len(question) - _OVERHEAD_CHARS)


def says_nothing(reply: str) -> bool:
    """Whether a reply is `NOT_FOUND` and no more, in any case and with any marks around it.

    A reply that only holds the words may be an answer, such as "404 NOT FOUND".
    """
    return " ".join(_WORD.findall(reply)).upper() == NOT_FOUND


def _groups(notes: Sequence[str], room: int) -> list[str]:
    """Notes as lists of lines, each list within the room; at least two notes in each but one."""
    groups: list[str] = []
    for note in notes:
        line = f"- {note}"
        if groups and len(groups[-1]) + 1 + len(line) <= room:
            groups[-1] = f"{groups[-1]}\n{line}"
        else:
            groups.append(line)
    return groups


def _cut(text: str, n_chars: int) -> str:
    return text if len(text) <= n_chars else f"{text[: n_chars - 4]} ..."


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _failed(failures: Sequence[SubcallFailure]) -> str:
    if not failures:
        return ""
    return f", {len(failures):,} failed ({failures[0].reason[:_MOST_TOLD_CHARS]})"
