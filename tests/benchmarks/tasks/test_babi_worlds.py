from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tasks.babi_worlds import LABELS, TASKS, Story, answer, make_story, read_stories
from tests.unhurried import UNHURRIED

OFFICIAL = """\
1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Daniel went back to the hallway.
5 Sandra moved to the garden.
6 Where is Daniel? \thallway\t4
1 Mary got the milk there.
2 John moved to the bedroom.
3 Sandra went back to the kitchen.
4 Mary travelled to the hallway.
5 Where is the milk? \thallway\t1 4
"""
"""The forms of bAbI's files."""


@UNHURRIED
@given(st.sampled_from(TASKS), st.integers(0, 10**6))
def test_every_story_has_an_answer_among_the_labels(task: str, seed: int) -> None:
    story = make_story(task, str(seed))
    assert story == make_story(task, str(seed))
    assert set(story.answer.split(",")) <= LABELS[task]
    assert answer(story.facts, story.question) == story.answer
    assert story.answer.lower() not in story.question.lower()


@UNHURRIED
@given(st.integers(0, 10**6))
def test_where_things_are_agrees_with_a_plain_simulation(seed: int) -> None:
    story = make_story("qa2", str(seed))
    thing = story.question.split()[3].rstrip("?")
    at: dict[str, str] = {}
    carrier, place = "", ""
    for fact in story.facts:
        words = fact.rstrip(".").split()
        if words[-2] == "the" and words[-1] in LABELS["qa1"]:
            at[words[0]] = words[-1]
        elif words[-1] == thing:
            taken = words[1] in {"picked", "got", "grabbed", "took"}
            carrier, place = (words[0], "") if taken else ("", at[words[0]])
    assert story.answer == (at[carrier] if carrier else place)


@pytest.mark.parametrize(
    ("facts", "question", "found"),
    [
        (
            "Charlie is no one.|Mary went to the office.|Mary moved to the garden.",
            "Where is Mary?",
            "garden",
        ),
        (
            "John journeyed to the bedroom.|Mary grabbed the apple.|Mary went back to the bathroom."
            "|Daniel moved to the garden.|Mary travelled to the kitchen.",
            "Where was the apple before the kitchen?",
            "bathroom",
        ),
        (
            "John went back to the kitchen.|Sandra took the football."
            "|Sandra travelled to the garden.|Sandra journeyed to the bedroom.",
            "Where was the football before the bedroom?",
            "garden",
        ),
        (
            "The hallway is south of the kitchen.|The bedroom is north of the kitchen.",
            "What is the kitchen south of?",
            "bedroom",
        ),
        (
            "The garden is west of the bedroom.|The bedroom is west of the kitchen.",
            "What is west of the bedroom?",
            "garden",
        ),
        (
            "Mary picked up the apple there.|Mary gave the apple to Fred."
            "|Mary moved to the bedroom.|Bill took the milk there.",
            "Who did Mary give the apple to?",
            "Fred",
        ),
        (
            "Jeff took the football there.|Jeff passed the football to Fred."
            "|Jeff got the milk there.",
            "Who gave the football?",
            "Jeff",
        ),
        (
            "Fred picked up the apple there.|Fred handed the apple to Bill.",
            "What did Fred give to Bill?",
            "apple",
        ),
        ("Mary went to the office.|Mary moved to the garden.", "Is Mary in the office?", "no"),
        ("John travelled to the hallway.", "Is John in the hallway?", "yes"),
        ("John travelled to the hallway.", "Is Mary in the hallway?", ""),
        (
            "Sandra picked up the milk there.|Sandra took the apple there.",
            "How many objects is Sandra carrying?",
            "two",
        ),
        (
            "Daniel grabbed the apple there.|Daniel grabbed the milk there."
            "|Daniel put down the apple.",
            "What is Daniel carrying?",
            "milk",
        ),
        (
            "Daniel grabbed the apple.|Daniel got the milk.",
            "What is Daniel carrying?",
            "apple,milk",
        ),
        ("Daniel grabbed the apple.", "What is Mary carrying?", "nothing"),
        ("Mary went to the office.", "Where is John?", ""),
        ("Mary went to the office.", "Where is the milk?", ""),
    ],
)
def test_questions_are_answered_as_babi_does(facts: str, question: str, found: str) -> None:
    assert answer(facts.split("|"), question) == found


def test_official_stories_are_read_one_a_question(tmp_path: Path) -> None:
    path = tmp_path / "qa1_test.txt"
    path.write_text(OFFICIAL)
    stories = list(read_stories(path))
    assert stories[1] == Story(
        (
            "Mary moved to the bathroom.",
            "John went to the hallway.",
            "Daniel went back to the hallway.",
            "Sandra moved to the garden.",
        ),
        "Where is Daniel?",
        "hallway",
    )
    assert len(stories) == 3
    assert all(answer(story.facts, story.question) == story.answer for story in stories)
