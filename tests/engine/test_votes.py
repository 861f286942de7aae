import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.engine.votes import Votes, normal_answer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,234", "1234"),
        ("42", "42.0"),
        ("+7", " 7."),
        ("-0.50", "-0.5"),
        ("007", "7"),
        ("Plum Tree", " plum  tree. "),
        ('"yes"', "Yes"),
        ("a, b, c", "c, a, b"),
        ("['b', 'a']", "a, b"),
        ('["b", "a"]', "('a', 'b')"),
        ("- x\n- y", "y\nx"),
        ("1. x\n2. y", "x; y"),
        ("[1, 2]", "2, 1"),
        ("{'a': 1, 'b': 2}", "b: 2, a: 1"),
        ("[(1, 2), (3, 4)]", "[(3, 4), (1, 2)]"),
        ("1,234 and more", "1,234 AND MORE"),
    ],
)
def test_the_same_said_otherwise_is_the_same(one: str, other: str) -> None:
    assert normal_answer(one) == normal_answer(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,234", "1.234"),
        ("12", "1, 2"),
        ("a, b", "a, c"),
        ("a, a, b", "a, b"),
        ("-5", "5"),
        ("0.5", "5"),
        ("100", "1"),
        ("yes", "no"),
    ],
)
def test_what_is_not_the_same_stays_apart(one: str, other: str) -> None:
    assert normal_answer(one) != normal_answer(other)


@given(st.text(max_size=200))
def test_any_text_has_a_spelling(text: str) -> None:
    assert normal_answer(text) == normal_answer(f" {text} ")


@given(st.integers())
def test_whole_numbers_keep_their_value(number: int) -> None:
    assert normal_answer(f"{number:,}") == normal_answer(str(number)) == str(number)


def _votes(samples: int, *answers: str | None) -> Votes:
    votes = Votes(samples)
    for number, answer in enumerate(answers):
        votes.add(number, answer)
    return votes


@pytest.mark.parametrize(
    ("samples", "answers", "winner"),
    [
        (3, ("a", "b", "B"), 1),
        (3, ("a", "b", "c"), 0),
        (4, ("a", "b", "b", "A"), 0),
        (3, (None, "b", "c"), 1),
        (3, (None, None, None), None),
        (5, ("a", "b", "b", "c", "c"), 1),
    ],
)
def test_most_votes_win_and_the_first_of_several(
    samples: int, answers: tuple[str | None, ...], winner: int | None
) -> None:
    assert _votes(samples, *answers).winner == winner


@pytest.mark.parametrize(
    ("samples", "answers", "certain"),
    [
        (3, (), False),
        (3, ("a",), False),
        (3, ("a", "a"), True),
        (3, ("a", "b"), False),
        (2, ("a",), True),
        (4, ("a", "a"), True),
        (5, ("a", "a"), False),
        (5, ("a", "b", "b"), False),
        (5, ("a", "a", "b"), False),
        (3, (None, "b"), False),
        (3, (None, None), False),
        (3, ("a", None), True),
        (3, (None, None, None), True),
        (9, ("a", "a", "a", "a", "a"), True),
    ],
)
def test_it_is_certain_once_nobody_can_overtake(
    samples: int, answers: tuple[str | None, ...], certain: bool
) -> None:
    assert _votes(samples, *answers).is_certain == certain


@given(
    st.integers(1, 7).flatmap(
        lambda n: st.tuples(
            st.lists(st.sampled_from(["a", "b", "c", None]), min_size=n, max_size=n),
            st.permutations(range(n)),
        )
    )
)
def test_a_certain_winner_says_what_the_winner_of_all_says(
    told: tuple[list[str | None], list[int]],
) -> None:
    answers, order = told
    whole = _votes(len(answers), *answers)
    early = Votes(len(answers))
    for number in order:
        early.add(number, answers[number])
        if early.is_certain:
            break
    assert (early.winner is None) == (whole.winner is None)
    if early.winner is not None and whole.winner is not None:
        assert answers[early.winner] == answers[whole.winner]


def test_the_tally_names_each_answer_as_it_was_first_written() -> None:
    assert _votes(4, "x", "1,000", "1000", None).tally() == {"1,000": 2, "x": 1}
