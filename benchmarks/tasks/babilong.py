"""BABILong: the facts of a bAbI story scattered over natural text.

Facts keep their order and stand between sentences, at random places, as in booydar/babilong
(arXiv 2406.10149). Instruction and format line of the first five are its own; the others are asked
in one form, which lists the labels. Stories of the first eight are made by `babi_worlds`, so that
none is known; with `stories=official`, and for all others, they come from bAbI's own files. The
natural text is RULER's instead of PG-19's.
"""

import random
import re
from collections.abc import Collection, Iterator
from functools import lru_cache, partial
from pathlib import Path

from benchmarks.tasks.babi_worlds import LABELS, TASKS, Story, answer, make_story, read_stories
from benchmarks.tasks.data import DataMissing
from benchmarks.tasks.haystack import Hidden, hide
from benchmarks.tasks.natural import background
from benchmarks.tasks.task import Context, Family, Request, Task

__all__ = ["FAMILIES"]

_ASK = {
    "qa1": (
        "The text holds facts about positions of different persons hidden in some random text. "
        "Answer the question based only on the information from the facts. If a person was in "
        "different locations, use the latest location to answer the question.",
        "Always return your answer in the following format: The most recent location of 'person' "
        "is 'location'. Do not write anything else after that.",
    ),
    "qa2": (
        "The text holds facts about locations and actions of different persons hidden in some "
        "random text. Answer the question based only on the information from the facts. If a "
        "person got an item in the first location and travelled to the second location the item "
        "is also in the second location. If a person dropped an item in the first location and "
        "moved to the second location the item remains in the first location.",
        "Always return your answer in the following format: The 'item' is in 'location'. Do not "
        "write anything else after that.",
    ),
    "qa4": (
        "The text holds facts about locations and their relations hidden in some random text. "
        "Answer the question based only on the information from the facts.",
        "Your answer should contain only one word - location. Do not write anything else after "
        "that.",
    ),
    "qa5": (
        "The text holds facts about persons, their actions and what they gave to whom hidden in "
        "some random text. Answer the question based only on the information from the facts.",
        "Your answer should contain only one word. Do not write anything else after that. Do not "
        "explain your answer.",
    ),
}
_ASK["qa3"] = (
    _ASK["qa2"][0],
    "Always return your answer in the following format: Before the 'location_1' the 'item' was in "
    "the 'location_2'. Do not write anything else after that.",
)


_ASK_OTHERS = (
    "The text holds facts about persons, places and things hidden in some random text. Answer the "
    "question based only on the information from the facts, the latest where they differ."
)
_ALL_TASKS = tuple(f"qa{number}" for number in range(1, 21))


def _make(task: str, request: Request) -> Iterator[Task]:
    usual = "made" if task in TASKS else "official"
    source = request.option("stories", usual, {"official", usual})
    generator = random.Random(f"babilong {task} {request.tokens} {request.seed}")
    story = (
        _official(task, request)
        if source == "official"
        else make_story(task, f"{request.tokens} {request.seed}")
    )
    behind = background(request)
    places = sorted(generator.random() for _ in story.facts)
    hidden = [Hidden(fact, at) for fact, at in zip(story.facts, places, strict=True)]
    n_chars = round(request.tokens * (behind.chars_per_token or 4.0))
    key = f"babilong_{task}-{request.tokens}-{request.seed}-{source}-{behind.name}"
    labels = LABELS.get(task) or _official_labels(task, request)
    about, form = _ASK.get(task) or (_ASK_OTHERS, _form(labels))
    yield Task(
        name=key,
        family=f"babilong_{task}",
        kind=task,
        seed=request.seed,
        tokens=request.tokens,
        context=Context.of_text(
            key,
            lambda: hide(behind.pieces(), hidden, n_chars=n_chars, separator=behind.separator),
        ),
        question=f"{about}\n{form}\nQuestion: {story.question}",
        truth=(story.answer,),
        scorer="babilong",
        options={"labels": sorted(labels), "asked": story.question},
        guess=generator.choice(sorted(labels)),
        shortcut=partial(_replay, story.question) if task in TASKS else None,
        facts={"facts": len(story.facts)},
    )


_FACT = re.compile(
    r"\b(?:Mary|John|Daniel|Sandra|Bill|Fred|Jeff) [a-z]+(?: [a-z]+){0,2} the [a-z]+"
    r"(?: there| to [A-Z][a-z]+)?\.|\bThe [a-z]+ is (?:north|south|east|west) of the [a-z]+\."
)


def _replay(question: str, text: str) -> str:
    """All sentences of bAbI's forms, gone through in order."""
    return answer(_FACT.findall(text), question)


def _form(labels: Collection[str]) -> str:
    return (
        f"Your answer should be one of these: {'; '.join(sorted(labels))}. Where several are asked "
        "for, write them with commas between. Do not write anything else."
    )


def _official(task: str, request: Request) -> Story:
    stories = _official_stories(_official_file(task, request))
    return stories[request.seed % len(stories)]


def _official_labels(task: str, request: Request) -> frozenset[str]:
    """All answers of the task's file."""
    return frozenset(story.answer for story in _official_stories(_official_file(task, request)))


def _official_file(task: str, request: Request) -> Path:
    folder = request.data.find("babi")
    files = sorted(folder.glob(f"{task}_*test.txt"))
    if not files:
        raise DataMissing(f"{folder} holds no {task}_*test.txt, a file of the bAbI tasks v1.2")
    return files[0]


@lru_cache(maxsize=20)
def _official_stories(path: Path) -> list[Story]:
    return list(read_stories(path))


FAMILIES = tuple(
    Family(
        f"babilong_{task}",
        f"bAbI's {task} in natural text",
        partial(_make, task),
        needs=("ruler",) if task in TASKS else ("ruler", "babi"),
        options={
            "stories": "made (default) or official" if task in TASKS else "official",
            "haystack": "auto (default), essay or natural",
        },
    )
    for task in _ALL_TASKS
)
