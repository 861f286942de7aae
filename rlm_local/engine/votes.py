"""Counts answers that say the same, however they are written. Pure."""

import ast
import json
import re
from collections.abc import Mapping

__all__ = ["Votes", "normal_answer"]

_NUMBER = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?")
_BETWEEN_ITEMS = re.compile(r"[\n;]|,(?!\d{3}\b)|,(?=\s)")
_ITEM_MARK = re.compile(r"^(?:[-*\u2022]|\d+[.)])\s+")
_AROUND = " \t\r\n\"'`*."


def normal_answer(text: str) -> str:
    """One spelling of an answer, whatever its case, space, quotes and full stop.

    Numbers go by their value, lists are the same in any order.
    """
    listed = _as_list(text)
    if listed is not None:
        return json.dumps(sorted(normal_answer(item) for item in listed))
    plain = " ".join(text.split()).strip(_AROUND).casefold()
    return _number(plain) if _NUMBER.fullmatch(plain) else plain


class Votes:
    """The answers of samples as they come, by what they say.

    Attributes:
        answers: of each sample that gave one, as it wrote it.
    """

    def __init__(self, samples: int) -> None:
        self.answers: dict[int, str] = {}
        self._samples = samples
        self._ended: set[int] = set()

    def add(self, sample: int, answer: str | None) -> None:
        """A sample has ended; `None`: without an answer, so it does not vote."""
        self._ended.add(sample)
        if answer is not None:
            self.answers[sample] = answer

    @property
    def winner(self) -> int | None:
        """The first sample that gave the answer most have given; of several such, the first's."""
        ranked = self._ranked()
        return ranked[0][0] if ranked else None

    @property
    def is_certain(self) -> bool:
        """Whether what is still under way cannot change the winner's answer."""
        left = self._samples - len(self._ended)
        if not left:
            return True
        ranked = self._ranked()
        if not ranked:
            return False
        most = len(ranked[0])
        rivals = max((len(group) for group in ranked[1:]), default=0)
        if most > rivals + left:
            return True
        # Of as many votes the first sample's count: nobody comes before that one any more.
        return ranked[0][0] == 0 and most == rivals + left

    def tally(self) -> Mapping[str, int]:
        """Votes by answer, most first, each as it was written first."""
        return {self.answers[group[0]]: len(group) for group in self._ranked()}

    def _ranked(self) -> list[list[int]]:
        groups: dict[str, list[int]] = {}
        for sample in sorted(self.answers):
            groups.setdefault(normal_answer(self.answers[sample]), []).append(sample)
        return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def _number(plain: str) -> str:
    value = plain.replace(",", "").lstrip("+")
    whole, _, part = value.partition(".")
    part = part.rstrip("0")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{digits.lstrip('0') or '0'}{'.' if part else ''}{part}"


def _as_list(text: str) -> list[str] | None:
    """The items of an answer that lists several; None of one that does not."""
    told = text.strip()
    if told[:1] in ("[", "(", "{") and (items := _literal_items(told)) is not None:
        return items
    if _NUMBER.fullmatch(told.strip(_AROUND)):
        return None
    parts = [_ITEM_MARK.sub("", part.strip()) for part in _BETWEEN_ITEMS.split(told)]
    parts = [part for part in parts if part.strip(_AROUND)]
    return parts if len(parts) > 1 else None


def _literal_items(told: str) -> list[str] | None:
    try:
        value = ast.literal_eval(told)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    if isinstance(value, dict):
        return [f"{name}: {each}" for name, each in value.items()]
    return [str(item) for item in value] if isinstance(value, list | tuple | set) else None
