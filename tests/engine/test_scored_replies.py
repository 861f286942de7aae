import json
import math

import pytest

from rlm_local.engine.scored_replies import is_kept_reply, scored_text, scores_wanted
from rlm_local.types import Choices, Constraint, Json, Regex

LABELS = Choices(("ham", "spam"))


def test_a_reply_and_its_scores_are_one_text() -> None:
    text = scored_text("ham", {"ham": -0.123456, "spam": -2.0, "other": -math.inf})
    assert json.loads(text) == {"value": "ham", "scores": {"ham": -0.1235, "spam": -2.0}}


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ('{"value": "ham", "scores": {}}', True),
        ('{"value": "eggs", "scores": {}}', False),
        ('{"value": "ham"}', False),
        ('{"value": ["ham"], "scores": {}}', False),
        ("ham", False),
        ("[", False),
    ],
)
def test_a_kept_reply_counts_only_if_it_is_of_the_form_asked_for(text: str, is_kept: bool) -> None:
    assert is_kept_reply(text, LABELS, wants_scores=True) == is_kept
    assert not is_kept_reply(text, LABELS, wants_scores=False) or text == "ham"


@pytest.mark.parametrize(
    ("args", "constraint", "said"),
    [
        ({"scores": True}, None, "give choices too"),
        ({"scores": True}, Regex("a"), "give choices too"),
        ({"scores": 1}, LABELS, "True or False, not 1"),
    ],
)
def test_scores_are_those_of_choices(
    args: dict[str, Json], constraint: Constraint | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        scores_wanted(args, constraint)


def test_scores_are_wanted_only_where_a_call_says_so() -> None:
    assert scores_wanted({"scores": True}, LABELS)
    assert not scores_wanted({"scores": False}, LABELS)
    assert not scores_wanted({}, None)
