"""Keywords of JSON schemas that count their steps: a check of a reply ends after so many.

A check holds up whatever else the engine does, and a schema of a few hundred characters can ask
for minutes. Values are compared by one text for each, so that long lists of them cost a look.
"""

import json
from collections.abc import Callable, Iterable, Iterator

__all__ = ["CountedKeywords", "Keyword", "OutOfSteps"]

MOST_STEPS = 200_000
"""Of one check; about half a second."""
_STEPS_OF_A_KEYWORD = 8
_STEPS_OF_A_PART = 4
_STEPS_OF_A_VALUE = 3
_CHARS_A_STEP = 32

Keyword = Callable[[object, object, object, dict[str, object]], Iterable[Exception] | None]
"""A jsonschema keyword: (validator, its value, instance, schema) -> what is wrong."""


class OutOfSteps(Exception):
    """A reply cannot be checked by its schema in as many steps as there are."""


class CountedKeywords:
    """The keywords of one schema's check, and the steps it has left."""

    def __init__(self) -> None:
        self._left = 0
        self._texts: dict[int, str] = {}
        self._listed: dict[int, tuple[object, frozenset[str]]] = {}

    def start(self) -> None:
        """Begin a check."""
        self._left = MOST_STEPS
        self._texts.clear()

    def counting(self, standard: dict[str, Keyword]) -> dict[str, Keyword]:
        """The keywords, each counting, and those that compare values as quick ones."""
        quick: dict[str, Keyword] = {
            "enum": self._enum,
            "const": self._const,
            "uniqueItems": self._unique_items,
        }
        return {name: self._counted(name, quick.get(name, one)) for name, one in standard.items()}

    def _counted(self, name: str, keyword: Keyword) -> Keyword:
        is_listed_once = name in ("enum", "const")

        def counted(
            validator: object, value: object, instance: object, schema: dict[str, object]
        ) -> Iterator[Exception]:
            steps = _STEPS_OF_A_KEYWORD
            if isinstance(value, list | dict) and not is_listed_once:
                steps += len(value) * (1 if name == "required" else _STEPS_OF_A_PART)
            if isinstance(instance, list | dict):
                steps += len(instance) // 4
            elif isinstance(instance, str):
                steps += len(instance) // _CHARS_A_STEP
            self._spend(steps)
            for error in keyword(validator, value, instance, schema) or ():
                self._spend(len(str(getattr(error, "message", ""))) // _CHARS_A_STEP)
                yield error

        return counted

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise OutOfSteps(f"a reply takes more than {MOST_STEPS:,} steps to check")

    def _enum(
        self, _: object, values: object, instance: object, *_rest: object
    ) -> Iterator[Exception]:
        if not isinstance(values, list):
            return
        kept = self._listed.get(id(values))
        if kept is None:  # with the list itself, so that its id stays its own
            kept = self._listed[id(values)] = (values, frozenset(map(_text, values)))
        if self._text(instance) not in kept[1]:
            yield _wrong("it is none of those listed")

    def _const(
        self, _: object, value: object, instance: object, *_rest: object
    ) -> Iterator[Exception]:
        if self._text(instance) != self._text(value):
            yield _wrong("it is another value")

    def _unique_items(
        self, _: object, is_asked: object, instance: object, *_rest: object
    ) -> Iterator[Exception]:
        if not is_asked or not isinstance(instance, list):
            return
        if len({self._text(item) for item in instance}) < len(instance):
            yield _wrong("it has an item twice")

    def _text(self, value: object) -> str:
        """Kept while a check lasts, where it is long."""
        if not isinstance(value, list | dict):
            text = _text(value)
            self._spend(_STEPS_OF_A_VALUE + len(text) // _CHARS_A_STEP)
            return text
        if (known := self._texts.get(id(value))) is None:
            known = self._texts[id(value)] = _text(value)
            self._spend(1 + len(known) // _CHARS_A_STEP)
        self._spend(1)
        return known


def _text(value: object) -> str:
    """The same text for what JSON schema takes as equal: 1 and 1.0, but not 1 and true."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wrong(words: str) -> Exception:
    import jsonschema  # type: ignore[import-untyped]  # ships no types

    error: Exception = jsonschema.ValidationError(words)
    return error
