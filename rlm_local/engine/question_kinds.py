"""Kinds of questions, told apart by their words: (question, look) -> kinds, the likeliest first.

A kind is what is asked and of which part of the text. Pure; knows no example and asks no model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from rlm_local.engine import field_questions
from rlm_local.engine import question_rules as rules
from rlm_local.engine.field_rules import PLAINLY_COUNTED
from rlm_local.engine.look import Look, Shape
from rlm_local.engine.question_wording import (
    COUNT,
    DATE,
    MONTH,
    asked_part,
    ends_of,
    names_a_label,
    people_words,
    without_form,
)

__all__ = ["WHATS", "WHERES", "Kind", "is_guess", "kinds_of", "neighbours"]

WHERES = ("all", "users", "value", "range", "month", "month_year", "year", "before", "after", "day")
"""Parts of the records that a question can be about."""


class Kind(NamedTuple):
    """A kind of question. `where` is the part of the records; "all" for everything else."""

    what: str
    where: str = "all"

    def __str__(self) -> str:
        return self.what if self.where == "all" else f"{self.what} in {self.where}"


NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "label.extreme": ("label.count", "label.second"),
    "label.second": ("label.extreme", "label.count"),
    "label.count": ("label.compare", "label.extreme"),
    "label.compare": ("label.count", "label.extreme"),
    "label.share": ("label.count", "label.each"),
    "label.each": ("label.count", "label.extreme"),
    "user.extreme": ("user.second", "user.label_extreme"),
    "user.second": ("user.extreme", "user.label_extreme"),
    "user.label_extreme": ("user.or_user", "user.extreme"),
    "user.label_second": ("user.label_extreme", "user.second"),
    "user.or_user": ("user.label_extreme", "user.extreme"),
    "user.distinct": ("user.with_label", "user.threshold"),
    "user.with_label": ("user.distinct", "user.threshold"),
    "user.threshold": ("user.threshold_list", "user.with_label"),
    "user.threshold_list": ("user.threshold", "user.with_label"),
    "user.conditions": ("user.conditions_count", "user.threshold_list"),
    "user.conditions_count": ("user.conditions", "user.threshold"),
    "date.extreme": ("date.second", "date.times"),
    "date.second": ("date.extreme", "date.times"),
    "date.times": ("date.extreme", "date.second"),
    "period.compare": ("label.compare", "label.share"),
    "month.first": ("month.above", "month.extreme"),
    "month.above": ("month.top", "month.first"),
    "month.top": ("month.above", "month.extreme"),
    "month.extreme": ("month.above", "date.extreme"),
    "number.total": ("number.average", "number.extreme"),
    "number.average": ("number.total", "number.group"),
    "number.extreme": ("number.average", "number.group"),
    "number.group": ("number.average", "number.total"),
    "pairs.both": ("pairs.both_dated", "pairs.one_other"),
    "pairs.both_dated": ("pairs.both", "pairs.one_other"),
    "pairs.one_other": ("pairs.one_alone", "pairs.both"),
    "pairs.one_alone": ("pairs.one_other", "pairs.both"),
    "record.count": ("word.count", "judge.count"),
    "record.find": ("record.list", "record.first"),
    "record.list": ("record.find", "record.first"),
    "record.first": ("record.find", "record.list"),
    "word.count": ("record.count", "record.list"),
    "judge.count": ("judge.list", "record.count"),
    "judge.list": ("judge.count", "record.list"),
    "lookup.value": ("lookup.hops", "lookup.values"),
    "lookup.values": ("lookup.keys", "lookup.value"),
    "lookup.keys": ("lookup.values", "lookup.value"),
    "lookup.hops": ("lookup.value", "lookup.either"),
    "lookup.either": ("lookup.yes_no", "lookup.hops"),
    "lookup.yes_no": ("lookup.either", "lookup.hops"),
    "lookup.document": ("lookup.value", "lookup.values"),
    "code.definition": ("code.caller", "code.default"),
    "code.override": ("code.default", "code.caller"),
    "code.default": ("code.override", "code.definition"),
    "code.caller": ("code.override", "code.definition"),
    "text.copy": ("lookup.value", "text.chain"),
    "text.chain": ("text.frequent", "lookup.values"),
    "text.frequent": ("text.chain", "word.count"),
    "text.state": ("text.state_item", "text.chain"),
    "text.state_item": ("text.state", "text.chain"),
    "text.summary": ("lookup.value", "lookup.values"),
    **field_questions.NEIGHBOURS,
}
"""For each kind those whose programs are most like its own."""
WHATS = tuple(NEIGHBOURS)

_PARTS = (
    ("range", rf"\b(?:between|from) {DATE}.{{0,20}}?\b(?:and|to|until|till|through) {DATE}"),
    ("before", rf"\b(?:before|prior to|until|up to) (?:the )?{DATE}"),
    ("after", rf"\b(?:after|since|from) (?:the )?{DATE}"),
    ("month_year", rf"\b(?:in|during|of|for) {MONTH},? \d{{4}}\b"),
    ("month", rf"\b(?:in|during|of|for) (?:the month of |any |every |each )?{MONTH}\b"),
    ("year", r"\b(?:in|during|of|for) (?:the year )?(?:19|20)\d\d\b"),
    ("day", rf"\bon (?:the )?{DATE}"),
)
_WITH_PARTS = frozenset({"label", "user", "number", "record", "field", "hour"})
_QUESTION_WORDS = r"\b(?:which|what|who|when|where|whose)\b"
_COUNTED = ("record.count", "judge.count")
_LISTED = ("record.list", "judge.list")
_OF_LABEL = {
    "user.second": "user.label_second",
    "user.extreme": "user.label_extreme",
    "user.distinct": "user.with_label",
}
"""What is asked of users where the question names a label."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as the rules see it: lower case, without what is said of the answer's form.

    Attributes:
        whole: all of it, with what stands before `Question:`.
        who: a pattern for the people of the records.
        names_label: whether it names a label or says "label".
    """

    text: str
    whole: str
    who: str
    names_label: bool

    def has(self, pattern: str) -> bool:
        """Whether the pattern, with the words for people and counts filled in, is found."""
        pattern = pattern.replace("<who>", self.who).replace("<n>", COUNT)
        return re.search(pattern, self.text, re.DOTALL) is not None

    def matching(self, table: rules.Rules) -> list[str]:
        """What the table knows the question as, each once, in the table's order."""
        return list(dict.fromkeys(what for what, pattern in table if self.has(pattern)))


def kinds_of(
    question: str,
    shape: Shape,
    fields: Sequence[str] = (),
    labels: Sequence[str] = (),
    *,
    look: Look | None = None,
) -> tuple[Kind, ...]:
    """The kinds a question may be of, the likeliest first; none where no rule knows it.

    Args:
        question: as it was asked.
        shape: of the text.
        fields: names of the records' fields.
        labels: names that lines can be labelled with.
        look: what else is known of the records: the types of their fields, the values named.
    """
    question = ends_of(question)
    look = look or Look(shape)
    core = without_form(asked_part(question)).casefold()
    asked = _Asked(
        text=core,
        whole=question.casefold(),
        who=people_words(fields),
        names_label=names_a_label(core, labels),
    )
    whats = [*_of_text(asked)]
    if shape == "records":
        of_fields = field_questions.field_kinds(core, look)
        of_records = _of_records(asked)
        if not field_questions.has_people(look):
            of_records = [what for what in of_records if not what.startswith("user.")]
        is_composed = bool(of_records) and of_records[0].startswith(("pairs.", "user.conditions"))
        is_sure = labels or is_composed
        whats = [*of_records, *of_fields] if is_sure else [*of_fields, *of_records]
        whats += _of_text(asked)
        if field_questions.judges_nothing(look):
            whats = [field_questions.WITHOUT_TEXT.get(what, what) for what in whats]
    else:
        whats = [*_of_code(asked, shape), *whats, *_of_lookups(asked)]
    where = _where(asked) if shape == "records" else "all"
    kinds = (Kind(what, _part(what, where)) for what in whats)
    parts = field_questions.part_of_values
    return tuple(dict.fromkeys(Kind(it.what, parts(it.what, it.where, look)) for it in kinds))


def is_guess(kind: Kind, question: str, look: Look) -> bool:
    """Whether an example of the kind may miss what is asked of records, by what is known of them.

    A value that the question names has no place in it; or the question sounds as if texts had to
    be judged, and the records have none.
    """
    if look.shape != "records" or not look.types:
        return False
    core = without_form(asked_part(ends_of(question))).casefold()
    if field_questions.leaves_out_values(*kind, look) or field_questions.is_compound(
        kind.what, core
    ):
        return True
    is_told = kind.what in field_questions.field_kinds(core, look)
    is_swapped = kind.what in field_questions.WITHOUT_TEXT.values()
    return field_questions.judges_nothing(look) and is_swapped and not is_told


def neighbours(kind: Kind) -> tuple[Kind, ...]:
    """Kinds whose programs are most like this one's, the nearest first."""
    whats = NEIGHBOURS.get(kind.what, ())
    near = [Kind(what, kind.where) for what in whats]
    if kind.where != "all":
        near += [Kind(kind.what), *map(Kind, whats)]
    return tuple(near)


def _part(what: str, where: str) -> str:
    """Pairs, days, months and conditions have their own dates in what is asked."""
    if what.startswith("user.conditions"):
        return "all"
    if what == "date.each":
        return where
    return where if what.partition(".")[0] in _WITH_PARTS else "all"


def _where(asked: _Asked) -> str:
    """The part of the records that is meant."""
    if asked.has(r"\b<who>(?: with)?(?: (?:ids?|numbers?))?:? #?\d{2,}\b"):
        either = asked.has(r"\d or (?:<who> )?#?\d")
        if not either and not asked.has(r"\bpairs\b"):
            return "users"
    return next((where for where, pattern in _PARTS if asked.has(pattern)), "all")


def _of_records(asked: _Asked) -> list[str]:
    users = asked.matching(rules.USERS)[:1]
    if asked.names_label:
        users = [_OF_LABEL.get(what, what) for what in users]
    return [
        *_of_pairs(asked),
        *asked.matching(rules.TIMES)[:1],
        *users,
        *(asked.matching(rules.LABELS) if asked.names_label else []),
        *asked.matching(rules.NUMBERS)[:1],
        *_of_single_records(asked),
    ]


def _of_pairs(asked: _Asked) -> list[str]:
    if not asked.has(rules.PAIRS):
        return []
    if asked.has(rules.ONE_OTHER):
        return ["pairs.one_alone" if asked.has(rules.ONE_ALONE) else "pairs.one_other"]
    return ["pairs.both_dated" if asked.has(rules.DATED) else "pairs.both"]


def _of_single_records(asked: _Asked) -> list[str]:
    found = asked.matching(rules.SINGLE)
    if asked.has(rules.COUNTS):
        is_plain = asked.has(rules.PLAIN_COUNT) or asked.has(PLAINLY_COUNTED)
        return [*found, *(_COUNTED if is_plain else reversed(_COUNTED))]
    if asked.has(rules.LISTS):
        return [*found, *(_LISTED if asked.has(rules.BY_WORDS) else reversed(_LISTED))]
    return [*found, "record.find"] if asked.has(_QUESTION_WORDS) else found


def _of_code(asked: _Asked, shape: Shape) -> list[str]:
    if shape != "code" and not asked.has(rules.CODE_WORDS):
        return []
    nameless = re.sub(r"`[^`]*`", "`x`", asked.text)  # a name is no word
    return replace(asked, text=nameless).matching(rules.CODE)


def _of_text(asked: _Asked) -> list[str]:
    found = asked.matching(rules.TEXTS)
    if asked.has(rules.WHERE_STORY) and replace(asked, text=asked.whole).has(rules.STORY):
        found.insert(0, "text.state_item" if asked.has(rules.WHERE_ITEM) else "text.state")
    return found


def _of_lookups(asked: _Asked) -> list[str]:
    if asked.has(rules.YES_NO):
        return ["lookup.either" if asked.has(r"\bor\b") else "lookup.yes_no", "lookup.hops"]
    return asked.matching(rules.LOOK_UPS)
