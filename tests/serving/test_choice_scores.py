import math

import pytest

from rlm_local.serving.choice_scores import (
    Piece,
    Step,
    choice_begun_by,
    choice_scores,
    steps_of,
)

LABELS = ("ham", "spam")


def step(chosen: str, share: float, **others: float) -> Step:
    pieces = tuple(Piece(text, math.log(part)) for text, part in others.items())
    return Step(Piece(chosen, math.log(share)), pieces)


def shares(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(math.exp(score), 6) for name, score in scores.items()}


def test_the_first_token_tells_labels_apart() -> None:
    scores = choice_scores([step("sp", 0.7, sp=0.7, ham=0.25)], "sp", LABELS)
    assert shares(scores) == {"ham": 0.25, "spam": 0.7}


def test_all_tokens_that_begin_one_label_are_summed() -> None:
    found = choice_scores([step("sp", 0.5, s=0.1, spam=0.2, h=0.05, ham=0.1)], "sp", LABELS)
    assert shares(found) == {"ham": 0.15, "spam": 0.8}


def test_labels_that_begin_alike_are_told_apart_by_a_later_token() -> None:
    labels = ("art", "artifact", "body")
    reply = [step("art", 0.8, body=0.2), step("ifact", 0.75, **{"<|im_end|>": 0.25})]
    assert shares(choice_scores(reply, "artifact", labels)) == {"artifact": 0.6, "body": 0.2}
    reply = [step("art", 0.8, body=0.2), step("<|im_end|>", 0.25, ifact=0.75)]
    assert shares(choice_scores(reply, "art", labels)) == {
        "art": 0.2,
        "artifact": 0.6,
        "body": 0.2,
    }


def test_a_label_whose_end_is_not_told_counts_as_far_as_it_was_written() -> None:
    assert shares(choice_scores([step("art", 0.8)], "art", ("art", "artifact"))) == {"art": 0.8}


def test_tokens_that_begin_several_labels_tell_nothing() -> None:
    found = choice_scores([step("person", 0.6, p=0.3)], "person", ("person", "plant"))
    assert shares(found) == {"person": 0.6}


def test_forbidden_tokens_are_left_out() -> None:
    masked = Step(Piece("ham", -0.1), (Piece("spam", -9999.0), Piece("sp", -math.inf)))
    assert set(choice_scores([masked], "ham", LABELS)) == {"ham"}


def test_a_choice_is_found_within_other_text() -> None:
    reply = [
        step('{"value":', 1.0),
        step(' "', 0.9),
        step("ham", 0.6, spam=0.3, Ham=0.1),
        step('"}', 1.0),
    ]
    assert shares(choice_scores(reply, "ham", LABELS)) == {"ham": 0.6, "spam": 0.3}
    glued = [step('{"value": "ham', 0.6, **{'{"value": "sp': 0.3, "ham": 0.1}), step('"}', 1.0)]
    assert shares(choice_scores(glued, "ham", LABELS)) == {"ham": 0.6, "spam": 0.3}
    closed = [step('{"value": "', 1.0), step('art"', 0.6, artifact=0.4)]
    assert shares(choice_scores(closed, "art", ("art", "artifact"))) == {
        "art": 0.6,
        "artifact": 0.4,
    }


def test_nothing_is_known_of_a_reply_whose_tokens_are_other_text() -> None:
    assert choice_scores([step("x", 1.0)], "ham", LABELS) == {}
    assert choice_scores([], "ham", LABELS) == {}
    assert choice_scores([step("ham", 1.0)], "", LABELS) == {}


def test_a_sum_is_never_more_than_certainty() -> None:
    scores = choice_scores([Step(Piece("ham", 0.0), (Piece("h", -3.0),))], "ham", LABELS)
    assert scores == {"ham": 0.0}


@pytest.mark.parametrize(
    ("text", "choice"), [("h", "ham"), ("spam", "spam"), ("", None), ("x", None)]
)
def test_a_beginning_names_a_choice_where_only_one_begins_so(text: str, choice: str | None) -> None:
    assert choice_begun_by(text, LABELS) == choice


def test_a_choice_that_others_go_on_from_is_not_told_by_its_text() -> None:
    assert choice_begun_by("art", ("art", "artifact")) is None


def test_steps_are_read_from_a_reply() -> None:
    logprobs = {
        "content": [
            {"token": "a", "logprob": -1, "top_logprobs": [{"token": "b", "logprob": -2.5}, 3]}
        ]
    }
    assert steps_of(logprobs) == (Step(Piece("a", -1.0), (Piece("b", -2.5),)),)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [],
        {"content": None},
        {"content": [3]},
        {"content": [{"token": "a"}]},
        {"content": [{"token": 1, "logprob": 0}]},
        {"content": [{"token": "a", "logprob": True}]},
    ],
)
def test_log_probabilities_of_another_shape_are_none(logprobs: object) -> None:
    assert steps_of(logprobs) == ()
