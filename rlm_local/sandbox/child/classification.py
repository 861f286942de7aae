"""Labels for many items by a small worker: one recipe for all, the one that measured best.

The system text says what is asked, in the caller's words, and names the labels; one or two
examples a label come as earlier turns; then one item a call, answered by one of the labels.
How an example comes about is `label_examples`' work; of two labels `agreed_labels` has the last
word, over what is said of all items together.
"""

from collections.abc import Iterable, Mapping, Sequence

from rlm_local.sandbox.child.agreed_labels import FEWEST, are_first
from rlm_local.sandbox.child.asking import Scored, Worker
from rlm_local.sandbox.child.documents import as_text
from rlm_local.sandbox.child.label_examples import (
    Example,
    given_examples,
    invented_examples,
    shortened,
)
from rlm_local.sandbox.child.label_words import words_of

__all__ = ["Classifier", "distinct_labels"]

_DEFAULT_INSTRUCTION = "Which label fits the text best?"
_OVERHEAD_CHARS = 200
_TURN_CHARS = 40
_LEAST_ITEM_CHARS = 200
_FEWEST_ITEMS_TO_INVENT = 8
"""For fewer, examples would cost more than the labels themselves."""
_LEAST_SCORED = 0.95


class Classifier:
    """Labels items; remembers the examples it has invented."""

    def __init__(self, worker: Worker, prompt_chars: int) -> None:
        """`prompt_chars`: what fits in one prompt of the worker."""
        self._worker = worker
        self._prompt_chars = prompt_chars
        self._invented: dict[tuple[tuple[str, ...], str], list[Example]] = {}

    def classify(
        self,
        items: Iterable[object],
        labels: Iterable[object],
        *,
        instruction: str | None = None,
        examples: Iterable[object] | Mapping[object, object] | None = None,
    ) -> list[object]:
        """One of `labels` for each item, in order; an item that failed is a SubcallFailure.

        Args:
            items: texts, or what `as_text` reads; equal ones are asked about once.
            labels: two or more.
            instruction: what is asked of an item, best in the words of the question.
            examples: pairs of text and label; invented once by the worker where none are given.

        Raises:
            ValueError: fewer than two labels, or an example with a label of its own.
        """
        names = distinct_labels(labels)
        texts = [as_text(item) for item in ([items] if isinstance(items, str) else items)]
        task = (instruction or "").strip() or _DEFAULT_INSTRUCTION
        if not texts:
            return []
        distinct = list(dict.fromkeys(texts))
        shots = self._examples(distinct, names, task, examples)
        replies = self._ask(distinct, names, task, shots)
        judged = dict(zip(distinct, _judged(distinct, replies, names), strict=True))
        return [judged[text] for text in texts]

    def _examples(
        self,
        items: Sequence[str],
        labels: Sequence[str],
        task: str,
        given: Iterable[object] | Mapping[object, object] | None,
    ) -> list[Example]:
        if given is not None:
            return given_examples(given, labels)
        key = (tuple(labels), task)
        if key not in self._invented:
            if len(items) < _FEWEST_ITEMS_TO_INVENT:
                return []
            self._invented[key] = invented_examples(self._worker, items, labels, task)
        return self._invented[key]

    def _ask(
        self, items: Sequence[str], labels: Sequence[str], task: str, examples: Sequence[Example]
    ) -> list[object]:
        system = _system(task, labels)
        room = self._prompt_chars - len(system) - _OVERHEAD_CHARS
        shots = _fitted(examples, room // 2)
        room -= sum(len(asked) + len(label) + _TURN_CHARS for asked, label in shots)
        room = max(_LEAST_ITEM_CHARS, room)
        prompts = [_asked(shortened(item, room)) for item in items]
        return self._worker.choose_batched(prompts, labels, system=system, shots=shots)


def distinct_labels(labels: Iterable[object]) -> list[str]:
    """The labels as texts, each once.

    Raises:
        ValueError: fewer than two.
    """
    given = [labels] if isinstance(labels, str) else labels
    names = list(dict.fromkeys(name for label in given if (name := str(label).strip())))
    if len(names) < 2:
        raise ValueError(
            f"classify needs two labels or more, not {names}; name what an item is otherwise, "
            f'for instance labels=[{names[0] if names else "yes"!r}, "other"]'
        )
    return names


def _system(task: str, labels: Sequence[str]) -> str:
    if any("," in label or len(label.split()) > 3 for label in labels):
        listed = "\n".join(f"- {label}" for label in labels)
        return f"{task}\nAnswer with one label, word for word, from:\n{listed}"
    return f"{task}\nAnswer with one label from: {', '.join(labels)}."


def _asked(text: str) -> str:
    return f"Text: {text}\nLabel:"


def _fitted(examples: Sequence[Example], room: int) -> list[tuple[str, str]]:
    """Earlier turns that fit, each text cut alike; none where the labels alone are too long."""
    own = room - sum(len(label) + _TURN_CHARS for _, label in examples)
    each = own // max(1, len(examples))
    if each < _TURN_CHARS:
        return []
    return [(_asked(shortened(text, each)), label) for text, label in examples]


def _judged(texts: Sequence[str], replies: Sequence[object], labels: Sequence[str]) -> list[object]:
    judged = [reply.value if isinstance(reply, Scored) else reply for reply in replies]
    if len(labels) != 2:
        return judged
    first, second = labels
    known: dict[int, float] = {}
    for at, reply in enumerate(replies):
        odds = _log_odds(reply, first, second) if isinstance(reply, Scored) else None
        if odds is not None:
            known[at] = odds
    n_replies = sum(isinstance(reply, Scored) for reply in replies)
    if len(known) < FEWEST or len(known) < _LEAST_SCORED * n_replies:
        return judged
    words = [words_of(texts[at]) for at in known]
    for at, is_first in zip(known, are_first(words, list(known.values())), strict=True):
        judged[at] = first if is_first else second
    return judged


def _log_odds(reply: Scored, first: str, second: str) -> float | None:
    """Above zero where the first label is the likelier; None where a server does not list both.

    A value made up for the label that is not listed would be taken for a judgement.
    """
    if first not in reply.scores or second not in reply.scores:
        return None
    return reply.scores[first] - reply.scores[second]
