"""Kinds of questions that the records' own fields answer, with nothing to be judged.

"Which city has the most orders?" where `city` is a field, "How many orders were cancelled?" where
that is a value of one. Told by the fields' names and types and by the values that a question
names; without these nothing is. Pure; what other kinds there are is `question_kinds`' business.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from rlm_local.engine import field_rules as rules
from rlm_local.engine.look import Look
from rlm_local.engine.question_wording import people_words

__all__ = [
    "NEIGHBOURS", "WITHOUT_TEXT", "field_kinds", "has_people", "is_compound", "judges_nothing",
    "leaves_out_values", "part_of_values",
]  # fmt: skip

NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "field.count": ("field.share", "field.list"),
    "field.list": ("field.count", "field.value"),
    "field.value": ("field.list", "record.find"),
    "field.share": ("field.count", "field.each"),
    "field.compare": ("field.count", "field.each"),
    "field.extreme": ("field.second", "field.each"),
    "field.second": ("field.extreme", "field.top"),
    "field.top": ("field.second", "field.extreme"),
    "field.each": ("field.extreme", "field.count"),
    "field.distinct": ("field.names", "field.count"),
    "field.names": ("field.distinct", "field.list"),
    "field.threshold": ("field.threshold_list", "field.each"),
    "field.threshold_list": ("field.threshold", "field.each"),
    "field.first": ("field.value", "number.extreme"),
    "number.above": ("number.above_list", "field.count"),
    "number.above_list": ("number.above", "field.list"),
    "number.top": ("number.extreme", "number.group_top"),
    "number.group_most": ("number.group", "number.group_extreme"),
    "number.group_extreme": ("number.group_top", "number.group"),
    "number.group_top": ("number.group_extreme", "number.group"),
    "number.period": ("number.group", "date.each"),
    "date.each": ("date.extreme", "field.each"),
    "hour.extreme": ("date.extreme", "date.each"),
    "month.busiest": ("date.each", "date.extreme"),
}
"""For each kind those whose programs are most like its own."""

_SYNONYMS = {
    "client": ("ip", "address", "host"),
    "path": ("page", "url", "endpoint"),
    "agent": ("browser",),
    "status": ("code", "response"),
    "level": ("severity",),
    "component": ("service", "module", "logger"),
    "method": ("verb",),
    "duration": ("took", "longest", "slowest", "fastest"),
    "rating": ("star", "score"),
    "price": ("expensive", "cheapest"),
    "assignee": ("assigned",),
}
_RECKONING = frozenset({"number", "field", "record", "date", "hour"})
_OF_DAYS = frozenset({"date.extreme", "date.each", "hour.extreme", "month.busiest"})
_FILTERING = frozenset({
    "field.count", "field.compare", "field.list", "field.value", "field.share", "user.or_user",
    "user.conditions", "user.conditions_count", "record.find", "record.list", "word.count",
})  # fmt: skip
"""Kinds whose programs take the records with a value anyway."""
WITHOUT_TEXT = {
    "judge.count": "field.count",
    "judge.list": "field.list",
    "record.find": "field.value",
    "record.list": "field.list",
    "record.first": "field.first",
    "word.count": "field.count",
}
"""What is likeliest meant, where there is no text to be read, by what it sounds like."""
_PLAIN = frozenset({
    "id", "no", "nr", "name", "at", "on", "of", "is", "in", "by", "to", "the", "date", "time",
    "text", "label", "index", "number", "first", "last", "total",
})  # fmt: skip
"""Words of fields' names that stand in questions that mean no field."""


@dataclass(frozen=True)
class _Fields:
    """A question in lower case, and what the records' fields are."""

    text: str
    look: Look

    def has(self, pattern: str) -> bool:
        """Whether the pattern is found, with the words of the fields filled in."""
        for mark, words in (("<group>", self.groups), ("<number>", self.numbers)):
            pattern = pattern.replace(mark, words)
        return re.search(pattern, self.text, re.DOTALL) is not None

    @cached_property
    def groups(self) -> str:
        """A pattern for the fields that records can be grouped by."""
        kinds = ("text", "id", "few numbers", "grade", "yes/no", "value")
        return self._words_of_fields(kinds)

    @cached_property
    def numbers(self) -> str:
        """A pattern for the fields of numbers."""
        return self._words_of_fields(("number", "grade"))

    def signs(self) -> frozenset[str]:
        """What the question has, of the signs that the rules go by."""
        found = {sign for sign, pattern in rules.SIGNS.items() if self.has(pattern)}
        if "money" in found and any(
            rules.IS_MONEY.fullmatch(value) for _, value in self.look.named
        ):
            found.remove("money")  # "in Sales"
        types = dict(zip(self.look.fields, self.look.types, strict=False))
        if "counts_number" in found:  # "how many minutes": what is counted are no records
            found = found - {"counts"} | {"sum"}
        if not {"number", "grade"}.isdisjoint(types.values()):
            found.add("numbers")
            if found & {"number", "money"} or "above_things" not in found:
                found.add("amount")
            if found & {"number", "money", "mean", "sum"}:
                found.add("reckons")
        return frozenset(found | self._known())

    def _known(self) -> set[str]:
        """Signs of the records and of the values named, whatever the words are."""
        types = dict(zip(self.look.fields, self.look.types, strict=False))
        named = [field for field, _ in self.look.named]
        known = {
            "dated": not {"date", "time"}.isdisjoint(types.values()),
            "named": bool(named),
            "named_one": any(types.get(field) == "unique" for field in named),
            "named_two": len(set(named)) < len(named),
            "textless": judges_nothing(self.look),
        }
        return {sign for sign, is_known in known.items() if is_known}

    def _words_of_fields(self, kinds: Iterable[str]) -> str:
        named = zip(self.look.fields, self.look.types, strict=False)
        words = {word for field, kind in named if kind in kinds for word in _words_of(field)}
        if not words:
            return r"(?!)"
        return rf"(?:{'|'.join(sorted(map(_plural, words), key=len, reverse=True))})"


def field_kinds(text: str, look: Look) -> list[str]:
    """What a question asks of the fields, the likeliest first; none where it asks something else.

    Args:
        text: of the question, lower case, without what it says of the answer's form.
        look: what is known of the records; nothing is told where it has no types.
    """
    if not look.types:
        return []
    asked = _Fields(text, look)
    signs = asked.signs()
    found: list[str] = []
    for table in (rules.OF_NUMBERS, rules.OF_PERIODS, rules.OF_GROUPS, rules.OF_VALUES):
        found += _first_fitting(table, signs)
    return list(dict.fromkeys(found))


def judges_nothing(look: Look) -> bool:
    """Whether the records have no free text that anything could be judged from."""
    return bool(look.types) and {"free text", "main text"}.isdisjoint(look.types)


def part_of_values(what: str, where: str, look: Look) -> str:
    """The part of the records that a kind is about, where a question names values of fields."""
    area = what.partition(".")[0]
    is_ours = area == "field" or (where == "all" and (area == "number" or what in _OF_DAYS))
    if not look.named or not is_ours or where not in ("all", "users"):
        return where
    return "all" if what in _FILTERING else "value"


def has_people(look: Look) -> bool:
    """Whether a field says who, as far as that is known."""
    if not look.types:
        return True
    pattern = re.compile(people_words(look.fields))
    known = zip(look.fields, look.types, strict=False)
    names = [field for field, kind in known if kind in ("text", "id", "unique", "value", "number")]
    return any(pattern.fullmatch(word) for name in names for word in (name, *_words_of(name)))


def is_compound(what: str, text: str) -> bool:
    """Whether a question asks for more steps than an example of a kind has."""
    if what == "record.find":  # which prints what it finds, and counts nothing
        return any(re.search(rules.SIGNS[sign], text) for sign in ("most", "often", "mean", "sum"))
    return what.partition(".")[0] in _RECKONING and rules.COMPOUND.search(text) is not None


def leaves_out_values(what: str, where: str, look: Look) -> bool:
    """Whether an example of a kind has no place for the values that a question names."""
    labels = {label.casefold() for label in look.labels}  # which kinds of their own ask for
    if all(value.casefold() in labels for _, value in look.named):
        return False
    if where in ("value", "users") or what in _FILTERING:
        return False
    return what.partition(".")[0] in ("field", "number", "date", "hour", "user", "month")


def _first_fitting(table: rules.Rules, signs: frozenset[str]) -> list[str]:
    """What the first rule says whose signs are there, of each group one, and none it excludes."""
    for what, needed, excluded in table:
        fits = all(not signs.isdisjoint(group.split("|")) for group in needed.split())
        if fits and signs.isdisjoint(excluded.split()):
            return [what]
    return []


def _words_of(field: str) -> set[str]:
    """Words that a question may call a field: its name, its parts, and what else it is called."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", field).casefold()
    parts = re.findall(r"[^\W_]+", apart)
    words = {word for word in parts if word not in _PLAIN and len(word) > 1}
    words |= {other for word in words for other in _SYNONYMS.get(word, ())}
    return words | ({" ".join(parts)} if parts and " ".join(parts) not in _PLAIN else set())


def _plural(word: str) -> str:
    """A pattern for a word and its plural."""
    if word.endswith("y"):
        return rf"{re.escape(word[:-1])}(?:y|ies)"
    if word.endswith("s"):
        return rf"{re.escape(word)}(?:es)?"
    return rf"{re.escape(word)}(?:e?s)?"
