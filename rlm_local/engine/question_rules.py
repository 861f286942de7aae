"""What the words of each kind of question are: tables of (kind, pattern), the surer rule first.

Patterns are for lower-case questions without what they say of the answer's form. `<who>` stands for
the words for people, `<n>` for a count. Which table is asked when is `question_kinds`' business.
"""

from typing import TypeAlias

from rlm_local.engine.question_wording import DATE

__all__ = [
    "BY_WORDS", "CODE", "CODE_WORDS", "COUNTS", "DATED", "LABELS", "LISTS", "LOOK_UPS", "NUMBERS",
    "ONE_ALONE", "ONE_OTHER", "PAIRS", "PLAIN_COUNT", "SINGLE", "STORY", "TEXTS", "TIMES", "USERS",
    "WHERE_ITEM", "WHERE_STORY", "YES_NO", "Rules",
]  # fmt: skip

Rules: TypeAlias = tuple[tuple[str, str], ...]

_MOST = (
    r"\b(?<!at )(?:most|least|fewest|rarest|commonest|(?:high|larg|bigg|great|low|small)est|top)\b"
)
_SECOND = r"\b(?:second|third|fourth|fifth|2nd|3rd|[45]th|runner-up|next)\b"
"""Any place but the first."""
_THRESHOLD = (
    r"\b(?:(?:at (?:least|most)|(?:more|fewer|less) than|exactly) <n>"
    r"|<n> (?:\w+ ){0,2}or more)\b"
)
_WHICH = r"\b(?:which|what|who)\b"
_NONE = r"\b(?:no|none|never|not an?y?|without)\b"
_QUANTITY = rf"(?:{_THRESHOLD}|\b(?:(?:only|just) <n>|an?)\b|{_NONE})"
_SEVERAL = rf".*(?:{_QUANTITY}.*\b(?:and|but|while)\b.*{_QUANTITY}|{_NONE})"
"""So many of one and so many of another, or none of one."""
COUNTS = (
    r"\b(?:how many|(?<!phone )(?<!serial )(?<!order )(?<!flight )(?<!account )(?<!telephone )"
    r"(?<!tracking )(?<!reference )(?<!model )(?<!part )(?<!invoice )(?<!version )(?<!page )"
    r"number of(?! the \w+(?<!s)\b)|count (?:the|of|how|all))\b"
)
"""The serial number of a thing is none of them."""
LISTS = (
    r"\b(?:list|name|give|find|show) (?:me )?(?:all|every|each|the)\b"
    r"|\bwhat are (?:all )?the\b|\bwhich \w+s\b"
)
BY_WORDS = r"\b(?:mention|contain|include|word|say|start|end)"
"""Where a list is of lines that hold words, and nothing in them need be judged."""
PLAIN_COUNT = (
    COUNTS + r" \w+(?: \w+)?"
    r"(?:\?|(?: (?:are|were) there| there (?:are|were)| did| does| has| in)\b)"
)
"""How many there are, whatever they say."""
YES_NO = r"\A(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b"

PAIRS = r"\bpairs? of\b.{0,30}<who>|\b<who> pairs?\b"
ONE_OTHER = r"\bone\b.*\bthe other\b"
_AND_MORE = r"\band (?:<n>|an?|no|at|exactly|more|fewer|less|only|just)\b"
ONE_ALONE = rf"\A(?:(?!\bone\b).)*\bone\b(?:(?!{_AND_MORE}).)*\bthe other\b"
"""Where one of the two need be one thing only."""

_MONTH_WHICH = r"\b(?:which|what)(?: of the)? months?\b.*"
_DAY_WHICH = r"\b(?:which|what)(?: of the)? (?:dates?|days?)\b.*"
_SET_AGAINST = r".*\b(?:than|compared|versus|vs|or|as)\b.*"
TIMES: Rules = (
    ("month.first", r"\b(?:which|what) month\b.*\bfirst\b|\bfirst month\b"),
    ("month.top", rf"\bhow many months\b.*{_MOST}"),
    ("month.above", r"\bhow many months\b"),
    ("month.extreme", rf"{_MONTH_WHICH}{_MOST}"),
    ("date.times", r"\bhow many (?:\w+ )?(?:dates|days)\b"),
    ("date.second", rf"{_DAY_WHICH}{_SECOND}"),
    ("date.extreme", rf"{_DAY_WHICH}(?:{_MOST}|often|busiest)"),
    ("period.compare", rf"\bbefore\b{_SET_AGAINST}\bafter\b|\bafter\b{_SET_AGAINST}\bbefore\b"),
)

_USER = rf"(?:{_WHICH}(?: of (?:the(?:se| two)?)?)? <who>\b|\bwho\b|\bof <who>\b[^.?!]*\bwhich\b)"
_USERS = rf"{COUNTS} (?:\w+ )?<who>\b(?!'| #?\d)"
USERS: Rules = (
    ("user.conditions_count", rf"{_USERS}{_SEVERAL}"),
    ("user.conditions", rf"(?:{_USER}|(?:{LISTS}).*\b<who>\b){_SEVERAL}"),
    ("user.threshold", rf"{_USERS}.*{_THRESHOLD}"),
    ("user.or_user", rf"{_USER}.*\d{{2,}},? or (?:<who> )?#?\d{{2,}}"),
    ("user.second", rf"{_USER}.*{_SECOND}"),
    ("user.extreme", rf"{_USER}.*(?:{_MOST}|\boften\b)"),
    ("user.threshold_list", rf"(?:{_USER}|(?:{LISTS}).*\b<who>\b).*{_THRESHOLD}"),
    ("user.distinct", _USERS),
)
"""Where the question names a label, its extreme, second and distinct are those of that label."""

LABELS: Rules = (
    ("label.second", rf"{_SECOND}(?:[- ]\w+)?[- ]?{_MOST}"),
    ("label.compare", r"\b(?:more|less|equally|as) (?:common|frequent|often)\b"),
    ("label.share", r"\b(?:percent(?:age)?|share|fraction|proportion)\b|%"),
    ("label.each", r"\b(?:each|every|per) (?:label|category|class|kind|type|one)\b"),
    ("label.compare", r"\b(?:more|fewer|less)(?: \S+){0,4} than\b(?! \d)"),
    ("label.extreme", _MOST),
    ("label.count", COUNTS),
)

_AVERAGE = r"\b(?:average|mean|median)\b"
_TOTAL = r"\b(?:total|sum)\b"
NUMBERS: Rules = (
    ("number.group", rf"(?:{_AVERAGE}|{_TOTAL}).*\b(?:per|by|for each|each|every)\b"),
    ("number.average", _AVERAGE),
    ("number.total", rf"{_TOTAL}|\b(?:altogether|in all|overall|combined)\b|\bhow much\b"),
    (
        "number.extreme",
        r"\b(?:high|low|larg|small|bigg|long|short|cheap|old|great)est\b"
        r"|\bmost expensive\b|\bm(?:ax|in)imum\b",
    ),
)

SINGLE: Rules = (
    ("word.count", rf"{COUNTS}.*\b(?:contain|mention|include|say|with the word|the word|phrase)"),
    ("record.first", r"\b(?:first|earliest|oldest|latest|last|newest|most recent)\b"),
)

CODE_WORDS = r"\b(?:function|method|class|argument|parameter)s? `"
CODE: Rules = (
    ("code.override", r"\boverrid|\bsubclass"),
    ("code.default", r"\bdefault\b"),
    ("code.caller", r"\bcalls?\b|\bcalled\b|\bcallers?\b|\binvoke|\bwho uses\b"),
    (
        "code.definition",
        r"\bdefine[sd]?\b|\bdefinition\b|\bimplement|\bdeclare|\bwhere is\b"
        r"|\b(?:which|what) (?:file|module)\b|\bwritten down\b",
    ),
)

_WORD_FOR_WORD = r"(?:exactly|verbatim|word for word|character for character|unchanged)"
TEXTS: Rules = (
    (
        "text.copy",
        rf"\b(?:copy|reproduce|repeat|quote|print|output)\b.*\b{_WORD_FOR_WORD}\b|\bverbatim\b",
    ),
    (
        "text.chain",
        r"\bnames?\b.*\bstand for\b|\bchains? of\b.*\bassign"
        r"|\bvariables?\b.*\b(?:assigned|value|resolve|equal|end up)\b",
    ),
    (
        "text.frequent",
        rf"(?:{_MOST}|\boften\b).*\bwords?\b|\bwords?\b.*(?:{_MOST}|\boften\b|\bfrequen)",
    ),
    (
        "text.summary",
        r"\bsummar(?:y|ise|ize)|\bmain (?:points|ideas|topics|theme)|\boverview\b"
        r"|\bin (?:a few|one|two|three|five) sentences\b"
        r"|\bwhat (?:is|are) (?:this|the) (?:text|documents?|book|report|letters?) about\b",
    ),
)
STORY = (
    r"\bfacts? about\b.*\b(?:locations?|positions?|persons?)\b"
    r"|\b(?:moves?|goes|went|carr(?:y|ies)) .*\bfrom \w+ to\b"
)
"""People that go from place to place and carry things."""
WHERE_STORY = r"(?:\A|[.!?] )(?:where|in which)\b"
WHERE_ITEM = r"\bwhere (?:is|was) the\b"

LOOK_UPS: Rules = (
    (
        "lookup.document",
        r"\b(?:which|what) (?:document|file|page|chapter|letter|section|article)\b",
    ),
    ("lookup.keys", r"\b(?:all|every|each|list|what are)\b.*\b(?:for|of)\b.*\band\b"),
    (
        "lookup.values",
        r"\b(?:list|name|find|give)\b.*\ball\b|\bwhat are all\b|\bwhich .*s\b.*\ball\b|\ball the\b",
    ),
    ("lookup.either", r"\bwhich\b.*\bor\b|\b(?:who|what) .*,.* or "),
    (
        "lookup.hops",
        r"\b(?:who|that|which|whose|where|when)\b.+"
        r"\b(?:that|which|whose|who|of the|by the|in which|where)\b",
    ),
    ("lookup.value", r"\b(?:what|which|who|when|where|whose|how)\b"),
)
DATED = rf"\b(?:before|after|since|until) {DATE}"
