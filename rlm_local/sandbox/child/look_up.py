"""`look_up`: a question about facts, answered by a fixed way of looking for them.

Sentences that say it literally come first. Else: search, follow the titles that the hits mention,
and let the worker read the best passages. Small roots do worse by searching themselves.
"""

import re
from collections.abc import Callable, Sequence
from functools import cached_property

from rlm_local.sandbox.child.arguments import whole_number
from rlm_local.sandbox.child.documents import Documents
from rlm_local.sandbox.child.evidence import Evidence, find_evidence, literal_answer
from rlm_local.sandbox.child.hits import Hit, Hits
from rlm_local.sandbox.child.links import WordWeights, ranked_pieces
from rlm_local.sandbox.child.question_words import (
    asked_part,
    is_yes_no,
    key_words,
    marked_names,
    proper_names,
    stems,
)
from rlm_local.sandbox.child.reading import Reading, TextWorker, read_passages
from rlm_local.sandbox.child.searching import excerpt
from rlm_local.sandbox.child.titles import Piece, TitledPieces

__all__ = ["LookUp", "LookUps", "Rendering"]

_SEARCHED = 60
_MOST_PASSAGES = 20
_WHOLE_PIECE_CHARS = 2_000
_SHOWN_CHARS = 400
_FACTS_FIRST_FROM = 5
_EVIDENCE_READ, _EVIDENCE_BESIDE = 12, 4

Search = Callable[[str, int], Sequence[Hit]]


class Rendering(str):
    """What a look-up prints. `answer` is what it found, for where it is handed out as an answer."""

    answer: str

    def strip(self, chars: str | None = None) -> "Rendering":
        """As of `str`; still what a look-up prints."""
        stripped = Rendering(super().strip(chars))
        stripped.answer = self.answer
        return stripped


class LookUp(str):
    """What was looked up: as a text the answer, "unknown" without one; prints what was read.

    `answer` is `None` where the text does not tell; `passages` are `Hits`.
    """

    answer: str | None
    passages: Hits
    _shown: Rendering

    def __new__(cls, reading: Reading, passages: Hits) -> "LookUp":
        """Made of what was read and of the passages it was read from."""
        found = super().__new__(cls, reading.answer or "unknown")
        found.answer, found.passages = reading.answer, passages
        lines = [
            f"[{number}] {passage.document}: {passage.shown}"
            for number, passage in enumerate(passages, 1)
        ]
        failure = " ".join(reading.failure.split())
        why = f" (the reading failed: {failure})" if failure else ""
        reading_line = f"Reading: {reading.answer or 'unknown'}{why}"
        found._shown = Rendering("\n".join([*lines, reading_line]))
        found._shown.answer = reading.answer or "unknown"
        return found

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__

    def __format__(self, form: str) -> str:
        return format(str.__str__(self), form)


class LookUps:
    """Looks up questions in one context. What it learns of the text is kept for the next."""

    def __init__(
        self,
        context: str,
        documents: Documents,
        *,
        search: Search,
        worker: TextWorker,
        prompt_chars: int,
    ) -> None:
        """`search` gives passages, best first; `prompt_chars` fit in a prompt of the worker."""
        self._context = context
        self._documents = documents
        self._search = search
        self._worker = worker
        self._prompt_chars = prompt_chars

    def look_up(self, question: object, k: object = 3) -> LookUp:
        """The answer to a question about facts, with the `k` passages it was read from."""
        asked = asked_part(str(question)) or str(question)
        n_passages = whole_number("k", k, _MOST_PASSAGES)
        evidence = find_evidence(self._context, asked)
        answer = literal_answer(asked, evidence)
        # A name such as a person's stands in sentences that have little to do with the question,
        # and what says most of what is asked may be about a neighbour.
        is_told = any(one.says_all for one in evidence) and marked_names(asked)
        if answer is not None or is_told:
            return self._from_evidence(asked, evidence, answer)
        found = self._passage_hits(asked, n_passages)
        if marked_names(asked):  # sentences about a code that say most of what is asked
            known = "\n".join(hit.text for hit in found)
            near = [one for one in evidence[:_EVIDENCE_BESIDE] if one.text not in known]
            found = [*found, *map(self._evidence_hit, near)]
        if not found:
            return LookUp(Reading(None), Hits([], f"no passages for {asked!r}"))
        reading = read_passages(
            self._worker,
            asked,
            [(hit.document, hit.text) for hit in found],
            prompt_chars=self._prompt_chars,
            facts_first=n_passages >= _FACTS_FIRST_FROM,
        )
        return LookUp(reading, Hits(found, f"{len(found)} passages for {asked!r}, best first"))

    def passages(self, question: str, k: int) -> list[Piece]:
        """The `k` pieces of the text to read for a question; asks no model."""
        hits = list(self._search(question, _SEARCHED))
        found = self._pieces_of(hits, question)
        if self._pieces.has_titles:
            ranked = ranked_pieces(question, found, self._pieces, self._weights)
        else:
            ranked = self._with_names(question, found)
        chosen = [self._cut(piece, hits, question) for piece in ranked[:k]]
        return list(dict.fromkeys(chosen))

    @cached_property
    def _pieces(self) -> TitledPieces:
        return TitledPieces(self._context, self._documents)

    @cached_property
    def _weights(self) -> WordWeights:
        return WordWeights(self._context)

    def _from_evidence(
        self, question: str, evidence: Sequence[Evidence], answer: str | None
    ) -> LookUp:
        hits = list(map(self._evidence_hit, evidence))
        reading = Reading(answer)
        if reading.answer is None:
            read = [(hit.document, hit.text) for hit in hits[:_EVIDENCE_READ]]
            reading = read_passages(self._worker, question, read, prompt_chars=self._prompt_chars)
        return LookUp(reading, Hits(hits, f"{len(hits)} sentences that say it"))

    def _evidence_hit(self, one: Evidence) -> Hit:
        return Hit(one.text, document=self._place_name(one.start), start=one.start).shown_as(
            one.text
        )

    def _passage_hits(self, question: str, k: int) -> list[Hit]:
        words = re.findall(r"\w+", question)
        found = [(piece.start, *self._readable(piece)) for piece in self.passages(question, k)]
        return [
            Hit(text, document=name, start=start).shown_as(excerpt(text, words, _SHOWN_CHARS))
            for start, name, text in found
        ]

    def _with_names(self, question: str, found: list[Piece]) -> list[Piece]:
        """Without titles a question about two things needs a search for each of them."""
        names = proper_names(question)
        if len(names) < 2 or not is_yes_no(question):
            return found
        own = [hit for name in names for hit in self._search(name, 1)]
        return list(dict.fromkeys([*found[:1], *self._pieces_of(own, question), *found]))

    def _pieces_of(self, hits: Sequence[Hit], question: str) -> list[Piece]:
        """The pieces that hits stand in, of one hit those first that hold more of the question."""
        wanted = frozenset(key_words(question))
        found: dict[Piece, None] = {}
        for hit in hits:
            end = hit.start + len(hit)
            pieces = self._pieces.within(hit.start, end)
            if len(pieces) > 1:
                pieces.sort(key=lambda one: -len(wanted & set(stems(self._pieces.text(one)))))
            own = Piece(hit.start, end, name=hit.document)
            found.update(dict.fromkeys(pieces or [own]))
        return list(found)

    def _cut(self, piece: Piece, hits: Sequence[Hit], question: str) -> Piece:
        """The piece, or of a long one the passage that was found in it, else its beginning."""
        if piece.end - piece.start <= _WHOLE_PIECE_CHARS:
            return piece
        start = next((hit.start for hit in hits if piece.start <= hit.start < piece.end), None)
        if start is None:
            start = self._best_place(piece, question)
        end = min(start + _WHOLE_PIECE_CHARS, piece.end)
        return Piece(start, end, piece.title, piece.name)

    def _best_place(self, piece: Piece, question: str) -> int:
        """Where in a long piece that no search found the question's words stand first."""
        text = self._context[piece.start : piece.end].lower()
        places = [text.find(word) for word in key_words(question)]
        later = sorted(place for place in places if place > _WHOLE_PIECE_CHARS // 2)
        is_at_start = any(0 <= place <= _WHOLE_PIECE_CHARS // 2 for place in places)
        if is_at_start or not later:
            return piece.start
        return piece.start + later[0] - _WHOLE_PIECE_CHARS // 4

    def _readable(self, piece: Piece) -> tuple[str, str]:
        name = piece.name or self._documents.name_at(piece.start)
        return name, self._pieces.text(piece)

    def _place_name(self, offset: int) -> str:
        piece = self._pieces.at(offset)
        return piece.name if piece else self._documents.name_at(offset)
