"""How answers are scored: pure functions, each with the rule of the paper it comes from.

Every scorer gives 0 to 1. None calls a model, and none is laxer than its source.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

__all__ = [
    "SCORERS",
    "Reference",
    "babilong",
    "exact_match",
    "final_answer",
    "hotpot_f1",
    "normalise",
    "oolong",
    "oolong_parse",
    "pairs_f1",
    "pairs_of",
    "score",
    "string_match_all",
    "string_match_part",
    "verbatim",
    "verbatim_similarity",
]


@dataclass(frozen=True, slots=True)
class Reference:
    """What an answer is held against."""

    truth: tuple[str, ...]
    question: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def string_match_all(answer: str, golds: Sequence[str]) -> float:
    """RULER's rule for all but question answering: the share of golds inside the answer.

    Upper and lower case are the same. Source: RULER (arXiv 2404.06654),
    `scripts/eval/synthetic/constants.py`.
    """
    return sum(gold.lower() in answer.lower() for gold in golds) / len(golds)


def string_match_part(answer: str, golds: Sequence[str]) -> float:
    """RULER's rule for qa_1 and qa_2: any gold inside the answer."""
    return float(any(gold.lower() in answer.lower() for gold in golds))


def oolong_parse(answer: str) -> str:
    """OOLONG's reading of an answer: what stands after the last colon, without `*`, `[`, `]`.

    Without a colon an answer below 20 characters is taken whole, of a longer one the last word.
    Of 20 characters or more only a phrase of comparison counts, if there is one. Source:
    abertsch72/oolong, `src/eval/eval_helpers.py` (arXiv 2511.02817).
    """
    if ":" not in answer:
        return answer if len(answer) < 20 else (answer.split() or [""])[-1]
    candidate = answer.rsplit(":", 1)[1].strip()
    for character in "*[]":
        candidate = candidate.replace(character, "")
    if len(candidate) >= 20:
        for phrase in _COMPARISONS:
            if phrase in candidate:
                return phrase
    return candidate


_COMPARISONS = ("more common", "less common", "same frequency")


def oolong(answer: str, gold: str, answer_type: str) -> float:
    """OOLONG-synth's score, with its warts: no case folding, and of tied golds only the first.

    Equal is 1; a phrase of comparison counts if the gold holds it; numbers give `0.75**|diff|`;
    dates are equal when they name the same day (`gold` as ISO). Source as `oolong_parse`.
    """
    candidate = oolong_parse(answer)
    if candidate == gold:
        return 1.0
    if candidate in _COMPARISONS:
        return float(candidate in gold)
    if answer_type == "number":
        return _closeness(candidate, gold)
    if answer_type == "date":
        return float(_day(candidate) == date.fromisoformat(gold))
    return 0.0


def _closeness(candidate: str, gold: str) -> float:
    try:
        difference = abs(int(gold) - int(candidate))
    except ValueError:
        return 0.0
    return float(0.75 ** min(difference, 10_000))


_DAYS = (
    "%m/%d/%Y", "%Y-%m-%d", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%m-%d-%Y",
    "%Y/%m/%d", "%m/%d/%y", "%b %d %Y", "%B %d %Y",
)  # fmt: skip
"""The forms of a day that the official scorer's parser reads as people write them."""


def _day(text: str) -> date | None:
    for form in _DAYS:
        try:
            return datetime.strptime(text.strip().rstrip("."), form).date()
        except ValueError:
            continue
    return None


def normalise(text: str) -> str:
    """HotpotQA's and SQuAD's normal form: lower case, no punctuation, no articles, single spaces.

    Source: `hotpot_evaluate_v1.py` of hotpotqa/hotpot (arXiv 1809.09600).
    """
    lowered = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", lowered).split())


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """Equal to a gold in normal form (HotpotQA, SQuAD)."""
    return float(any(normalise(answer) == normalise(gold) for gold in golds))


def hotpot_f1(answer: str, golds: Sequence[str]) -> float:
    """HotpotQA's F1 over words, the best over the golds.

    Where either side is yes, no or noanswer, only equality counts.
    """
    return max(_word_f1(normalise(answer), normalise(gold)) for gold in golds)


def _word_f1(answer: str, gold: str) -> float:
    if answer != gold and {answer, gold} & {"yes", "no", "noanswer"}:
        return 0.0
    found, wanted = answer.split(), gold.split()
    same = sum((Counter(found) & Counter(wanted)).values())
    return 2 * same / (len(found) + len(wanted)) if same else 0.0


def babilong(answer: str, target: str, *, question: str, labels: Collection[str]) -> float:
    """BABILong's rule: the first sentence names the target, and no other label.

    Labels that the question names do not count; a target of several labels needs each. Source:
    booydar/babilong, `babilong/metrics.py` (arXiv 2406.10149).
    """
    first = answer.lower().split(".")[0]
    for mark in ("<context>", "<example>"):
        first = first.split(mark)[0]
    known = {label.lower() for label in labels}
    asked = {label for label in known if label in question.lower()}
    named = {label for label in known if label in first} - asked
    named -= {part for part in named for whole in named if part != whole and part in whole}
    wanted = {target.lower()}
    if target.lower() not in known:  # several labels, as in bAbI's lists of things
        wanted = set(target.lower().split(","))
    return float(named == wanted)


def pairs_of(text: str) -> set[tuple[int, int]]:
    """All `(number, number)` of a text, the lower number first."""
    found = re.findall(r"\(\s*(\d+)\s*,\s*(\d+)\s*\)", text)
    return {(min(a, b), max(a, b)) for a, b in ((int(a), int(b)) for a, b in found)}


def pairs_f1(answer: str, gold: set[tuple[int, int]]) -> float:
    """OOLONG-Pairs: F1 of the sets of unordered pairs; both empty is 1.

    Source: arXiv 2512.24601, appendix D.1.
    """
    found = pairs_of(answer)
    if not found and not gold:
        return 1.0
    return 2 * len(found & gold) / (len(found) + len(gold))


def final_answer(answer: str) -> str:
    """What stands after `Answer:`, or all; without quotes, back-ticks and the last full stop."""
    text = answer.rsplit("Answer:", 1)[-1].strip()
    return text.strip("`'\"*[] \n").removesuffix(".").strip("`'\"*[] \n")


def code_answer(answer: str, golds: Sequence[str]) -> float:
    """Equal to a gold after `final_answer`, without white space, all quotes alike; nothing is 0.

    Our own rule, for names, paths and default values out of source code.
    """
    found = _squeezed(final_answer(answer))
    return float(bool(found) and any(found == _squeezed(final_answer(gold)) for gold in golds))


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text).replace('"', "'").removeprefix("./").removesuffix("()")


def verbatim(answer: str, gold: str) -> float:
    """Equal, but for white space around the whole (Prime Intellect's `verbatim-copy`)."""
    return float(answer.strip() == gold.strip())


def verbatim_similarity(answer: str, gold: str) -> float:
    """The share of the gold's lines that the answer has at the same place."""
    wanted, found = gold.strip().splitlines(), answer.strip().splitlines()
    same = sum(a == b for a, b in zip(wanted, found, strict=False))
    return same / max(len(wanted), len(found), 1)


def score(name: str, answer: str, reference: Reference) -> float:
    """Score an answer by the name of a scorer."""
    return SCORERS[name](answer, reference)


SCORERS: Mapping[str, Callable[[str, Reference], float]] = {
    "string_match_all": lambda answer, held: string_match_all(answer, held.truth),
    "string_match_part": lambda answer, held: string_match_part(answer, held.truth),
    "oolong": lambda answer, held: oolong(answer, held.truth[0], held.options["answer_type"]),
    "exact_match": lambda answer, held: exact_match(answer, held.truth),
    "f1": lambda answer, held: hotpot_f1(answer, held.truth),
    "babilong": lambda answer, held: babilong(
        answer, held.truth[0], question=held.options["asked"], labels=held.options["labels"]
    ),
    "pairs_f1": lambda answer, held: pairs_f1(answer, pairs_of("\n".join(held.truth))),
    "code_answer": lambda answer, held: code_answer(answer, held.truth),
    "verbatim": lambda answer, held: verbatim(answer, held.truth[0]),
    "verbatim_similarity": lambda answer, held: verbatim_similarity(answer, held.truth[0]),
}
