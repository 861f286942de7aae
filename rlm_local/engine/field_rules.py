"""What the words of questions about records' fields are: patterns by name, and rules over them.

Patterns are for lower-case questions. `<group>` stands for the fields that records can be grouped
by, `<number>` for those of numbers. What they mean together is `field_questions`' business.
"""

import re
from typing import TypeAlias

from rlm_local.engine.question_rules import COUNTS
from rlm_local.engine.question_wording import COUNT

__all__ = [
    "COMPOUND", "IS_MONEY", "OF_GROUPS", "OF_NUMBERS", "OF_PERIODS", "OF_VALUES", "PLAINLY_COUNTED",
    "SIGNS", "Rules",
]  # fmt: skip

_PERIODS = r"(?:hour|day|date|week|weekday|month|quarter|year)"
_EACH = r"\b(?:per|by|for each|of each|in each|for every|of every|in every|from each|each|every)\b"
_MOST = (
    r"\b(?:(?<!at )(?:most|least)|fewest|best|worst|rarest|commonest|busiest"
    r"|(?:high|low|larg|bigg|great|small|long|short|slow|fast|cheap)est|top|max(?:imum)?"
    r"|min(?:imum)?)\b"
)
_OFTEN = r"\b(?:often|frequent(?:ly)?|common(?:ly)?|rarest|commonest|usual|popular)\b"
_SECOND = r"\b(?:second|third|fourth|fifth|2nd|3rd|[45]th|runner-up)\b"
_MEAN = r"\b(?:average|mean|median|typical)\b"
_SUM = r"\b(?:total(?! number)|sum|altogether|combined|overall)\b"
_MONEY = r"\b(?:spen[dt]s?|costs?|paid|pays?|revenue|sales|earn(?:ed|s)?|worth|turnover)\b"
IS_MONEY = re.compile(_MONEY, re.IGNORECASE)
_ABOVE = (
    r"\b(?:above|over|below|under|exceed(?:s|ed|ing)?|at least|at most|no more than|between"
    r"|(?:more|less|fewer|greater|higher|lower|larger|smaller|bigger|longer|shorter|older|younger"
    r"|cheaper|slower|faster|heavier) than)\b"
)
_UNITS = (
    r"(?:degrees|dollars|euros|pounds|cents|percent|points|years|months|weeks|days|hours|minutes"
    r"|seconds|ms|kilos|kg|grams|met(?:er|re)s|km|miles|bytes|kb|mb|gb|stars)"
)
_FIGURE = r"[$€£]?\s?\d[\d.,]*"
_FEW = rf"(?:\d\d?|{COUNT.partition('|')[2]}"
_SUPERLATIVE = (
    r"\b(?:high|low|larg|bigg|great|small|long|short|slow|fast|cheap|old|young)est\b"
    r"|\bm(?:ax|in)imum\b|\bmost expensive\b|\bleast expensive\b"
)
_FIRST = r"\b(?:first|earliest|oldest|latest|last|newest|most recent(?:ly)?)\b"
_DIFFERENT = r"\b(?:different|distinct|unique|various)\b"
_ASKS_WHICH = r"\b(?:which|what|who|whose|list|name|give|show|find)\b"
_SHARE = r"\b(?:percent(?:age)?|share|fraction|proportion|ratio|rate)\b|%"
COMPOUND = re.compile(
    rf"\bdifference\b|\btimes (?:as|more)\b|{COUNTS}.*{_MEAN}|\b\d{{1,2}}:\d\d\b|\d ?[ap]\.?m\b"
    r"|\bcorrelat|\bgrowth\b|\btrend\b|\bconsecutive\b|\bin a row\b"
)
PLAINLY_COUNTED = (
    r"(?:are|were|was|is|have been|has been|got) (?:there|placed|made|sent|created|logged|recorded"
    r"|received|submitted|registered|written|listed|entered|booked|filed|added|opened|reported"
    r"|raised|issued|published|posted|started|taken)\b"
)
"""Said of any record: such ones are counted, and nothing judged."""
SIGNS: dict[str, str] = {
    "counts": COUNTS,
    "counts_group": rf"{COUNTS} (?:\w+ )?<group>\b",
    "counts_just_group": rf"{COUNTS} <group>(?: \w+)? "
    r"(?:are|were|have|had|is|in|appear|exist)\b",
    "tallies": r"\b(?:counts?|break(?:down|\b.*\bdown)|distribution|split|totals?)\b",
    "number": r"\b<number>\b",
    "mean": _MEAN,
    "sum": _SUM,
    "money": _MONEY,
    "much": r"\bhow much\b",
    "most": _MOST,
    "often": _OFTEN,
    "group_often": rf"\b<group>\b.*{_OFTEN}|{_OFTEN}.*\b<group>\b",
    "best": _SUPERLATIVE,
    "second": _SECOND,
    "each_group": rf"{_EACH} (?:\w+ )?<group>\b",
    "each_period": rf"{_EACH} {_PERIODS}\b",
    "which": _ASKS_WHICH,
    "which_group": rf"{_ASKS_WHICH} (?:\S+ ){{0,4}}?<group>\b",
    "which_period": rf"{_ASKS_WHICH} (?:\w+ ){{0,3}}{_PERIODS}\b",
    "who": r"\bwho\b",
    "when": r"\bwhen\b",
    "which_day": r"\b(?:which|what) (?:days?|dates?)\b",
    "which_month": r"\b(?:which|what) (?:month|year)s?\b",
    "hour": r"\b(?:which|what) hours?\b|\bhours? of the day\b",
    "several": rf"\b(?:top|which|the|bottom) {_FEW}\b|\b{_FEW} (?:most|least|busiest|commonest"
    r"|(?:high|low|larg|bigg|small|long|short|slow|fast|cheap)est)\b",
    "top_group": rf"\b(?:top|bottom) {_FEW} (?:\w+ )?<group>\b",
    "counts_number": rf"{COUNTS} (?:\w+ )?<number>\b",
    "above_figure": rf"{_ABOVE} {_FIGURE}",
    "above_things": rf"{_ABOVE} {_FIGURE} (?!{_UNITS}\b)\w+s\b",
    "equals_figure": rf"\b\d+ <number>\b|\b<number> (?:(?:of|is|was|equal to|=) )?{_FIGURE}",
    "threshold": rf"{_ABOVE} {COUNT} \w+|\b{COUNT} or more\b|\bexactly {COUNT}\b",
    "different_group": rf"{_DIFFERENT} (?:\w+ )?<group>\b",
    "all_group": r"\b(?:list|name|give|show)(?: me)? (?:all|every|the)(?: the)? <group>\b",
    "what_group": r"\b(?:what|which) <group> (?:are|exist|occur|appear|do|does)\b",
    "most_number": r"\b(?:most|least|fewest) (?:\w+ )?<number>\b",
    "compares": r"\b(?:more|less|fewer|rarer|than|or|compared|versus|vs)\b",
    "every": r"\b(?:all|every|each)\b",
    "share": _SHARE,
    "first": _FIRST,
}
"""What a question has, by name: patterns with the words of the fields filled in."""
Rules: TypeAlias = tuple[tuple[str, str, str], ...]
OF_NUMBERS: Rules = (
    ("number.above", "numbers above_figure amount counts", "each_group mean"),
    ("number.above_list", "numbers above_figure amount", "each_group mean counts"),
    ("number.above", "number equals_figure counts", "each_group mean"),
    ("number.period", "reckons each_period", "counts"),
    ("number.group_top", "reckons which_group|who several mean|sum|money", "counts each_group"),
    ("number.group_most", "numbers each_group best", "counts mean sum"),
    ("number.group", "reckons each_group", "counts"),
    ("number.group_extreme", "reckons which_group|which_period|who mean|sum|money most", "counts"),
    ("number.group_extreme", "which_group|who most_number", "counts"),
    ("number.top", "reckons several most", "counts"),
    ("number.average", "numbers mean", "counts"),
    ("number.total", "numbers sum|much|money", "counts most"),
    ("number.extreme", "number best", "counts"),
)
"""What is asked, the signs it has (one of each group), and those it has not; the surer first."""
OF_PERIODS: Rules = (
    ("hour.extreme", "dated hour most|often", "reckons"),
    ("date.extreme", "dated which_day most|often", "reckons counts second"),
    ("month.busiest", "dated which_month most|often", "reckons counts second"),
    ("date.each", "dated each_period counts|tallies", "reckons"),
)
OF_GROUPS: Rules = (
    ("field.threshold", "threshold counts_group", "amount"),
    ("field.threshold_list", "threshold which_group", "counts"),
    ("field.each", "each_group counts|tallies", ""),
    ("field.distinct", "counts_group different_group", ""),
    ("field.distinct", "counts_just_group", ""),
    ("field.top", "top_group", ""),
    ("field.second", "which_group most|often second", "counts"),
    ("field.top", "which_group most|often several", "counts"),
    ("field.extreme", "which_group most|often", "counts"),
    ("field.extreme", "group_often", "counts"),
    ("field.names", "different_group", "counts"),
    ("field.list", "all_group named", ""),
    ("field.names", "all_group|what_group", "named counts"),
)
OF_VALUES: Rules = (
    ("field.compare", "named_two compares", "reckons share"),
    ("field.share", "named share", ""),
    ("field.count", "named counts", ""),
    ("field.first", "named first", ""),
    ("field.value", "named_one which|when", "every"),
    ("field.list", "named which", ""),
    ("field.count", "named", "which when"),
    ("field.first", "dated textless first which|when", ""),
)
