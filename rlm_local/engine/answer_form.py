"""The form an answer must have, read from the question: is it met, can it be mended?

Only what a question says outright counts ("in the form 'Kind: x'", "one of the labels: a, b", where
[X] is 'p' or 'q'); about everything else there is no opinion. Pure; judges no content.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from rlm_local.engine.question_wording import asked_part, ends_of

__all__ = ["AnswerForm", "form_of", "in_form", "misfit"]

Holds = Literal["choice", "phrase", "number", "id", "date", "month", "pairs", "open"]

_FORM = re.compile(
    r"(?:\bin (?:the|this) (?:following )?form(?:at)?(?: of)?|\bwrite (?:it|them) as):?\s+"
    r"(?P<quote>['\"])(?P<form>.+?)(?P=quote)(?=[\s,.;]|\Z)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_PREFIXED = re.compile(r"(?P<prefix>[A-Za-z][\w ]{0,24}):\s+(?P<body>.+)", re.DOTALL)
_HOLE = re.compile(r"\[([^\[\]]{1,40})\]")
_PLAIN_HOLES = frozenset(
    ("answer", "number", "n", "x", "path", "name", "value", "label", "date", "user", "id", "month")
)
"""Words that stand for the answer where a form has no brackets."""
_PHRASES = re.compile(
    r"where \[?\w+\]? is ((?:['\"][^'\"]+['\"](?:, or |, | or )?){2,})", re.IGNORECASE
)
_QUOTED = re.compile(r"['\"]([^'\"]+)['\"]")
_LISTED = re.compile(
    r"\bone of (?:the |these |the following )?"
    r"(?:labels?|categories|classes|kinds|options|words)?:? +"
    r"(?P<list>(?:[^.?!\n]|\.(?=\w))+)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.?!](?=\s|\Z)|\n")
_PAIRS = re.compile(r"\bpairs\b.*\(\s*[\w ]+,\s*[\w ]+\)", re.IGNORECASE | re.DOTALL)
_PAIR = re.compile(r"\(\s*[^,()]+,\s*[^,()]+\)")
_NUMBER = re.compile(r"\bhow many\b|\bthe (?:total )?number of\b", re.IGNORECASE)
_WRITTEN_OTHERWISE = re.compile(r"\b(?:json|csv|table|markdown|lists? of lists)\b", re.IGNORECASE)
_PREFIXES = frozenset(
    (
        "answer", "caller", "class", "date", "day", "file", "kind", "label", "month", "number",
        "path", "result", "sender", "topic", "total", "user", "value",
    )
)  # fmt: skip
"""What a root writes before an answer in place of the prefix that was asked for."""
_NO_PREFIXES = frozenset(("key", "name", "x", "field", "word", "term"))
"""Before the colon of a form, these stand for something else: `key: value`."""
_DAYS = ("%Y-%m-%d", "%m/%d/%Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%Y/%m/%d")
_WHOLE_NUMBER = re.compile(r"(-?(?:\d{1,3}(?:,\d{3})+|\d+))(?:\.0)?")
_SAID_AROUND = re.compile(
    r"(?:the (?:answer|number|total|count) is |there (?:are|were) |exactly )?(?P<told>\S+?)"
    r"(?: (?P<unit>[A-Za-z]+))?\.?",
    re.IGNORECASE,
)
_NO_NUMBER = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|\w+teen|\w+ty|hundred|thousand"
    r"|million|no|none|nothing|nobody|unknown|dozen)\b|\d",
    re.IGNORECASE,
)
"""What may stand for a number; only an answer without any of it is surely none."""
_MOST_OPTION_WORDS = 4
_MONTH_AND_YEAR = re.compile(r"\[(?:month|month name|name)\],? \[year\]", re.IGNORECASE)
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What an answer must look like.

    Attributes:
        prefix: what stands before it and a colon; "" if nothing.
        frame: the text around it, with `{}` for what is asked; "{}" if there is none.
        holds: what stands in the frame.
        options: all that may stand there, for `choice` and `phrase`.
        american: whether a date is wanted as MM/DD/YYYY.
        counted: the words of the question, of which one may stand behind a number.
    """

    prefix: str = ""
    frame: str = "{}"
    holds: Holds = "open"
    options: tuple[str, ...] = ()
    american: bool = False
    counted: frozenset[str] = frozenset()


def form_of(question: str) -> AnswerForm:
    """The form the question asks for; all is left open where it says nothing."""
    question = ends_of(question)
    if _WRITTEN_OTHERWISE.search(question):
        return AnswerForm()
    if _PAIRS.search(question):
        return AnswerForm(holds="pairs")
    found = _FORM.search(question)
    if found is None:
        return AnswerForm(holds="number" if _NUMBER.match(asked_part(question)) else "open")
    prefixed = _PREFIXED.fullmatch(found["form"].strip())
    prefix, body = (prefixed["prefix"], prefixed["body"]) if prefixed else ("", found["form"])
    frame = _frame(body.strip())
    if frame is None or prefix.casefold() in _NO_PREFIXES:
        return AnswerForm()
    holes, rest = _HOLE.findall(body) or [body.strip().lower()], found["rest"]
    phrases = _PHRASES.match(rest.lstrip(", "))
    if phrases:
        return AnswerForm(prefix, frame, "phrase", tuple(_QUOTED.findall(phrases[1])))
    listed = _LISTED.search(rest)
    options = _options(listed["list"]) if listed and frame == "{}" else ()
    if options:
        return AnswerForm(prefix, frame, "choice", options)
    told = _SENTENCE_END.split(rest, maxsplit=1)[0]
    american = "MM/DD/YYYY" in told
    counted = (
        frozenset(re.findall(r"[a-z]+", question.casefold())) if frame == "{}" else frozenset()
    )
    held = _held(prefix, holes, told)
    return AnswerForm(prefix, frame, held, american=american, counted=counted)


def _frame(body: str) -> str | None:
    """The text around the one hole; month and year count as one. None where it is not told."""
    if _MONTH_AND_YEAR.fullmatch(body) or body.lower() in _PLAIN_HOLES:
        return "{}"
    holes = _HOLE.findall(body)
    if len(holes) != 1 or "{" in body or "}" in body:
        return None
    return _HOLE.sub("{}", body)


def _held(prefix: str, holes: Sequence[str], rest: str) -> Holds:
    if len(holes) == 2:
        return "month"
    if holes[0].lower() in {"number", "n"} or re.search(r"\bis the number of\b", rest):
        return "number"
    if prefix.lower() == "date" or "MM/DD/YYYY" in rest:
        return "date"
    return "id" if re.search(r"\bis the (?:user )?id\b", rest, re.IGNORECASE) else "open"


def _options(listed: str) -> tuple[str, ...]:
    """The names of a list in words; what "and" stands in counts whole and in its parts.

    None where it is no list of names, such as "the labels in the text" or "those above".
    """
    names = [name.strip(" '\"") for name in re.split(r",\s*(?:or\s+|and\s+)?|\s+or\s+", listed)]
    names += [
        part.strip(" '\"") for part in re.split(r"\s+and\s+", names[-1]) if " and " in names[-1]
    ]
    options = tuple(dict.fromkeys(name for name in names if name))
    is_list = len(options) > 1 and all(
        len(name.split()) <= _MOST_OPTION_WORDS and "(" not in name and "case" not in name.split()
        for name in options
    )
    return options if is_list else ()


def in_form(answer: str, question: str) -> str:
    """The answer in the form the question asks for, where it is plain how; else as it is.

    Never changes what is said: it adds the frame around it, spells a date or a label as asked, and
    writes 14.0 as 14.
    """
    form, value = form_of(question), answer.strip()
    if form.holds == "pairs":
        return _pairs(value) or answer
    if "\n" in value or not value:
        return answer
    held = _bare(value, form)
    mended = _mended(held, form)
    if mended is None:
        return answer
    framed = form.frame.replace("{}", mended)
    return f"{form.prefix}: {framed}" if form.prefix else framed


def misfit(answer: str, question: str, labels: Sequence[str] = ()) -> str:
    """What is surely wrong with the answer's form; "" if nothing is.

    Args:
        answer: as it was given.
        question: as it was asked.
        labels: names that lines can be labelled with.
    """
    form, value = form_of(question), answer.strip()
    held = _bare(value, form)
    shown = repr(held[:_SHOWN_CHARS])
    if form.holds in {"choice", "phrase"} and not any(_holds(held, it) for it in form.options):
        return f"{shown}, and not one of: {', '.join(form.options)}"
    if form.holds == "number" and form.prefix and not _NO_NUMBER.search(held):
        return f"{shown}, and not a number"
    if form.holds in {"date", "month"} and not re.search(r"\d", held):
        return f"{shown}, and not a {form.holds}"
    if form.holds == "id" and held.casefold() in {label.casefold() for label in labels}:
        return f"{shown}, which is a label and not a user"
    if form.holds == "pairs" and not _PAIR.search(value) and re.search(r"\d\D+\d", value):
        return f"{shown}, and no pairs"
    return ""


def _pairs(value: str) -> str:
    """A JSON list of pairs as lines of `(a, b)`; "" for anything else."""
    try:
        listed = json.loads(value)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(listed, list) or not all(isinstance(it, list) for it in listed):
        return ""
    pairs = [it for it in listed if len(it) == 2 and all(isinstance(one, str | int) for one in it)]
    return "\n".join(f"({a}, {b})" for a, b in pairs) if len(pairs) == len(listed) else ""


def _bare(value: str, form: AnswerForm) -> str:
    """What is left without prefix, brackets and quotes."""
    prefixed = _PREFIXED.fullmatch(value)
    if prefixed and form.prefix:
        prefix = prefixed["prefix"].casefold()
        if prefix in {form.prefix.casefold(), "answer"} or (
            form.holds != "open" and prefix in _PREFIXES
        ):
            value = prefixed["body"]
    value = value.strip()
    if re.fullmatch(r"\[[^\[\],]+\]|'[^']*'|\"[^\"]*\"", value):
        value = value[1:-1].strip().strip("'\"")
    return value


def _mended(held: str, form: AnswerForm) -> str | None:
    """What stands in the frame, as it should be spelt; None where that is not plain."""
    whole = _whole_frame(held, form)
    if form.holds in {"choice", "phrase"}:
        fitting = _fitting(whole, form)
        return fitting[0] if len(fitting) == 1 else None
    if form.holds == "number":
        return _only_number(held, form)
    if form.holds == "id":
        user = re.fullmatch(r"(?:user )?(\d+)(?:\.0)?\.?", held, re.IGNORECASE)
        return user[1] if user else (held if form.prefix else None)
    if form.holds == "date":
        day = _day(held)
        return day.strftime("%m/%d/%Y") if day and form.american else (held if day else None)
    if form.holds == "month":
        month = _month(held)
        return f"{month:%B} {month.year}" if month else None
    if not form.prefix or form.frame != "{}":
        return None
    return held if len(held) <= 300 else None


def _only_number(held: str, form: AnswerForm) -> str | None:
    """The whole number that an answer is, said shortly; None where more is said than that."""
    around = _SAID_AROUND.fullmatch(held)
    number = _WHOLE_NUMBER.fullmatch(around["told"]) if around else None
    if (
        around is None
        or number is None
        or (around["unit"] and not _is_counted(around["unit"], form))
    ):
        return None
    return number[1].replace(",", "")


def _is_counted(unit: str, form: AnswerForm) -> bool:
    """Whether a word behind a number only says what was counted, as the question does."""
    return form.prefix != "" and unit.casefold() in form.counted


def _whole_frame(held: str, form: AnswerForm) -> str:
    """Only what stands in the frame, where the answer has the frame too."""
    before, _, after = form.frame.partition("{}")
    if len(held) > len(before) + len(after) and held.startswith(before) and held.endswith(after):
        return held[len(before) : len(held) - len(after)].strip()
    return held


def _fitting(held: str, form: AnswerForm) -> list[str]:
    """The options an answer can mean: the one it is, else those it is the start of or names."""
    told = held.casefold().rstrip(".")
    same = [option for option in form.options if option.casefold() == told]
    if same:
        return same
    begun = [
        option
        for option in form.options
        if re.fullmatch(rf"{re.escape(told)} (?:than|as|of)", option.casefold())
    ]
    if len(begun) == 1:
        return begun
    if re.search(r"\b(?:not|neither|nor|no|never|without)\b", told):
        return []
    named = [option for option in form.options if _holds(told, option)]
    longest = [one for one in named if not any(one != it and _holds(it, one) for it in named)]
    return longest if form.holds == "choice" or form.frame == "{}" else []


def _holds(text: str, option: str) -> bool:
    """Whether the option, or what of it makes it differ from the others, stands in the text."""
    told, wanted = text.casefold(), option.casefold()
    short = re.sub(r" (?:than|as)\Z", "", wanted)
    return any(re.search(rf"(?<!\w){re.escape(one)}(?!\w)", told) for one in (wanted, short))


def _day(text: str) -> date | None:
    for form in _DAYS:
        try:
            return datetime.strptime(text.rstrip("."), form).date()
        except ValueError:
            continue
    return None


def _month(text: str) -> date | None:
    for form in ("%Y-%m", "%B %Y", "%b %Y", "%m/%Y", "%B, %Y"):
        try:
            return datetime.strptime(text.rstrip("."), form).date()
        except ValueError:
            continue
    return None
