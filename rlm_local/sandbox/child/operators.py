"""The batched operators most questions need: ask one text, ask each piece, label, extract.

Prompts put what repeats first, so that the server's prefix cache holds it. Labels are
`classification`'s work, long texts `reducing`'s.
"""

from collections.abc import Iterable, Mapping

from rlm_local.sandbox.child.asking import Worker
from rlm_local.sandbox.child.classification import Classifier
from rlm_local.sandbox.child.documents import as_text
from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.sandbox.child.finding import cut_chunks
from rlm_local.sandbox.child.pairing import Pairing
from rlm_local.sandbox.child.reducing import NOT_FOUND, Reducer, says_nothing

__all__ = ["Operators", "Worker", "operator_tools"]

_PROMPT_OVERHEAD_CHARS = 200


class Operators:
    """`ask`, `ask_each`, `classify` and `extract` over one worker."""

    def __init__(
        self, worker: Worker, prompt_chars: int, *, classifier: Classifier, reducer: Reducer
    ) -> None:
        """`prompt_chars`: what fits in one prompt of the worker."""
        self._worker = worker
        self._prompt_chars = prompt_chars
        self._classifier = classifier
        self._reducer = reducer

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
            f"{question}\nIf this part of the text does not say, reply {NOT_FOUND}.", pieces
        )
        found = [str(reply) for reply in replies if reply and not says_nothing(str(reply))]
        if not found:
            failure = next((r for r in replies if isinstance(r, SubcallFailure)), None)
            return failure or NOT_FOUND
        return self._reducer.gathered(question, found, type=type)

    def ask_each(
        self,
        question: str,
        pieces: Iterable[object],
        *,
        type: object = None,  # noqa: A002
    ) -> list[object]:
        """The same question about each piece, all at once; one answer a piece, in order."""
        prompts = [f"{question}\n\nText:\n{as_text(it)}\n\nAnswer:" for it in _items(pieces)]
        return self._worker.llm_query_batched(prompts, type=type)

    def classify(
        self,
        items: Iterable[object],
        labels: Iterable[object],
        instruction: str | None = None,
        examples: Iterable[object] | Mapping[object, object] | None = None,
    ) -> list[object]:
        """One of `labels` for each item, in order; an item that failed is a SubcallFailure.

        `instruction`: what is asked of an item, in the words of the question. `examples`: pairs
        (text, label); a language model makes some up where none are given.
        """
        return self._classifier.classify(items, labels, instruction=instruction, examples=examples)

    def extract(
        self,
        question: str,
        items: Iterable[object],
        type: object = None,  # noqa: A002
    ) -> list[object]:
        """One value an item, in order, such as `extract("Which year?", texts, int)`.

        `type`: a type, or a JSON schema as a dict; without it texts, None where the item does
        not say. An item that failed is a SubcallFailure.
        """
        is_schema = isinstance(type, dict)
        hint = "" if type is not None else f" If the text does not say, reply {NOT_FOUND}."
        head = f"{question}\nReply with the value only.{hint}"
        prompts = [f"{head}\n\nText:\n{as_text(item)}\n\nValue:" for item in _items(items)]
        if type is not None:
            return self._worker.llm_query_batched(
                prompts, type=None if is_schema else type, schema=type if is_schema else None
            )
        replies = self._worker.llm_query_batched(prompts)
        return [_said(reply) for reply in replies]


def operator_tools(
    worker: Worker, context: str, prompt_chars: int, classifier: Classifier
) -> dict[str, object]:
    """All batched operators by the names that a cell has them under."""
    reducer = Reducer(worker, prompt_chars, context)
    operators = Operators(worker, prompt_chars, classifier=classifier, reducer=reducer)
    return {
        "ask": operators.ask,
        "ask_each": operators.ask_each,
        "classify": operators.classify,
        "extract": operators.extract,
        "map_reduce": reducer.map_reduce,
        "join": Pairing(worker, prompt_chars).join,
    }


def _said(reply: object) -> object:
    if not isinstance(reply, str):
        return reply
    text = reply.strip()
    return None if not text or says_nothing(text) else text


def _items(items: Iterable[object]) -> Iterable[object]:
    return [items] if isinstance(items, str) else items
