"""The tables hang together: signs that are known, kinds that there are."""

import re

from rlm_local.engine.field_rules import (
    OF_GROUPS,
    OF_NUMBERS,
    OF_PERIODS,
    OF_VALUES,
    PLAINLY_COUNTED,
    SIGNS,
)
from rlm_local.engine.question_kinds import WHATS

RULES = (*OF_NUMBERS, *OF_PERIODS, *OF_GROUPS, *OF_VALUES)
OF_THE_LOOK = {
    "numbers", "amount", "reckons", "dated", "named", "named_one", "named_two", "textless",
}  # fmt: skip
"""Signs that no pattern finds: they are told from the fields."""


def test_every_rule_is_of_known_signs_and_kinds() -> None:
    for what, needed, excluded in RULES:
        signs = {sign for group in needed.split() for sign in group.split("|")}
        assert signs | set(excluded.split()) <= set(SIGNS) | OF_THE_LOOK, what
        assert what in WHATS


def test_every_sign_is_used_and_is_a_pattern() -> None:
    used = {sign for _, needed, excluded in RULES
            for sign in re.split(r"[ |]", f"{needed} {excluded}")}  # fmt: skip
    reckoned = {"above_things", "counts_number"}
    assert set(SIGNS) - used <= reckoned
    for pattern in SIGNS.values():
        re.compile(pattern.replace("<group>", "x").replace("<number>", "y"))


def test_what_is_done_to_any_record_is_only_counted() -> None:
    assert re.search(PLAINLY_COUNTED, "how many letters were sent in may?")
    assert not re.search(PLAINLY_COUNTED, "how many letters were angry?")
