"""Joins two lists where the worker says that items belong together.

Every pair costs a call, so their number is bounded; a key lets only pairs be asked that agree
in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from rlm_local.sandbox.child.asking import Scored, Worker
from rlm_local.sandbox.child.documents import as_text
from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.sandbox.child.label_examples import shortened

__all__ = ["Key", "Pairing"]

MOST_PAIRS = 5000
_CHOICES = ("yes", "no")
_OVERHEAD_CHARS = 200
_LEAST_ITEM_CHARS = 200
_SHOWN_KEYS = 3

Key: TypeAlias = "str | Callable[[object], object] | None"
"""A field's name, or what gives an item's key; None: every pair is asked."""


class Pairing:
    """Joins over one worker."""

    def __init__(self, worker: Worker, prompt_chars: int) -> None:
        """`prompt_chars`: what fits in one prompt of the worker."""
        self._worker = worker
        self._prompt_chars = prompt_chars

    def join(
        self,
        left: Iterable[object],
        right: Iterable[object],
        question: str,
        *,
        key: Key = None,
        most_pairs: int = MOST_PAIRS,
    ) -> list[tuple[object, object]]:
        """The pairs (left item, right item) for which the answer to `question` is yes.

        A list joined with itself gives each pair once. `key`, a field's name or a function: only
        items that agree in it are asked about.

        Raises:
            ValueError: more than `most_pairs` pairs.
        """
        pairs = _pairs(left, right, key, most_pairs)
        room = max(_LEAST_ITEM_CHARS, (self._prompt_chars - len(question) - _OVERHEAD_CHARS) // 2)
        prompts = [
            f"First: {shortened(as_text(one), room)}\n"
            f"Second: {shortened(as_text(other), room)}\nAnswer:"
            for one, other in pairs
        ]
        if not prompts:
            return []
        system = f"{question}\nAnswer yes or no about the two texts."
        replies = self._worker.choose_batched(prompts, _CHOICES, system=system)
        failures = [reply for reply in replies if isinstance(reply, SubcallFailure)]
        if failures:
            print(
                f"[note] {len(failures):,} of {len(pairs):,} pairs could not be judged: "
                f"{failures[0].reason}"
            )
        return [
            pair
            for pair, reply in zip(pairs, replies, strict=True)
            if isinstance(reply, Scored) and reply.value == "yes"
        ]


def _pairs(
    left: Iterable[object], right: Iterable[object], key: Key, most_pairs: int
) -> list[tuple[object, object]]:
    is_self = left is right
    ones = _items(left)
    others = ones if is_self else _items(right)
    blocks = _blocks(ones, others, key)
    if key is not None and not any(_has_pair(some, rest, is_self) for some, rest in blocks):
        _tell_no_key_agrees(ones, others, key)
    n_pairs = sum(len(some) * (len(some) - 1) // 2 if is_self else len(some) * len(rest)
                  for some, rest in blocks)  # fmt: skip
    if n_pairs > most_pairs:
        blocked = "" if key is None else f" with equal {key if isinstance(key, str) else 'keys'}"
        raise ValueError(
            f"join: {len(ones):,} x {len(others):,} items make {n_pairs:,} pairs{blocked}, each a "
            f"call, and at most {most_pairs:,} are asked. Pass fewer items, filter them first, or "
            "key=: a field or function in which items must agree to be asked about"
        )
    if is_self:
        return [pair for some, _ in blocks for pair in _each_once(some)]
    return [(one, other) for some, rest in blocks for one in some for other in rest]


def _blocks(
    ones: Sequence[object], others: Sequence[object], key: Key
) -> list[tuple[list[object], list[object]]]:
    if key is None:
        return [(list(ones), list(others))]
    lefts, rights = _by_key(ones, key), _by_key(others, key)
    return [(some, rights[name]) for name, some in lefts.items() if name in rights]


def _by_key(
    items: Sequence[object], key: str | Callable[[object], object]
) -> dict[object, list[object]]:
    found: dict[object, list[object]] = {}
    for item in items:
        value = key(item) if callable(key) else _field(item, key)
        found.setdefault(_canonical(value), []).append(item)
    return found


def _canonical(value: object) -> object:
    """What equal keys of other types have in common: an id, a number and a text of its digits.

    A dict finds by hash, and a record's ids and dates, which equal numbers and the library's
    dates, have the hash of their text.
    """
    if value is None:
        return None
    if isinstance(value, tuple | list):
        return tuple(_canonical(part) for part in value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # Of a kind of text, only the text: kinds differ in what they equal.
    return str.__str__(value) if isinstance(value, str) else str(value)


def _field(item: object, name: str) -> object:
    if isinstance(item, Mapping):
        try:
            return item[name]  # a record knows derived fields, and other spellings, by itself
        except KeyError:
            meant = [known for known in item if _plain(str(known)) == _plain(name)]
        if len(meant) == 1:
            return item[meant[0]]
    raise ValueError(f"join: key={name!r}, but an item has no such field: {item!r:.100}")


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


def _has_pair(some: Sequence[object], rest: Sequence[object], is_self: bool) -> bool:
    return len(some) > 1 if is_self else bool(some and rest)


def _tell_no_key_agrees(ones: Sequence[object], others: Sequence[object], key: Key) -> None:
    """An empty list alone would read as a "no" to every pair."""
    if key is None or not ones or not others:
        return
    shown = [
        ", ".join(map(repr, list(_by_key(some[:_SHOWN_KEYS], key)))) for some in (ones, others)
    ]
    named = key if isinstance(key, str) else "key"
    print(
        f"[note] no two items agree in {named!r}, so no pair was asked; left has {shown[0]:.100}, "
        f"right has {shown[1]:.100}"
    )


def _each_once(items: Sequence[object]) -> Iterator[tuple[object, object]]:
    for at, one in enumerate(items):
        for other in items[at + 1 :]:
            yield one, other


def _items(items: Iterable[object]) -> list[object]:
    return [items] if isinstance(items, str) else list(items)
