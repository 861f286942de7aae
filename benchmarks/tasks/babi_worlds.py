"""Small worlds of people, places and things, told in bAbI's sentences.

Eight of bAbI's tasks: where someone is, where a thing is, where it was before, what lies beside
what, who gave what to whom, whether someone is somewhere, and how many and which things someone
carries. A world is fixed by its seed. Official stories, of all twenty tasks, are read from bAbI's
files. Hides nothing: see `babilong`.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LABELS", "TASKS", "Story", "answer", "make_story", "read_stories"]

_PEOPLE = ("Mary", "John", "Daniel", "Sandra")
_GIVERS = ("Bill", "Fred", "Jeff", "Mary")
_PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
_THINGS = ("apple", "football", "milk")
_GO = ("went to", "moved to", "journeyed to", "travelled to", "went back to")
_GET = ("picked up", "got", "grabbed", "took")
_DROP = ("dropped", "discarded", "left", "put down")
_GIVE = ("gave", "handed", "passed")
_SIDES = ("north", "south", "east", "west")
_OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}

_NUMBERS = ("none", "one", "two", "three")

TASKS = ("qa1", "qa2", "qa3", "qa4", "qa5", "qa6", "qa7", "qa8")
"""Those whose stories can be made."""
LABELS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("qa1", "qa2", "qa3", "qa4"), frozenset(_PLACES)),
    "qa5": frozenset(("Bill", "Fred", "Jeff", *_THINGS, "Mary")),
    "qa6": frozenset(("yes", "no")),
    "qa7": frozenset(_NUMBERS),
    "qa8": frozenset((*_THINGS, "nothing")),
}
"""The labels that BABILong's scorer looks for."""


@dataclass(frozen=True, slots=True)
class Story:
    """Facts in their order, a question and its answer."""

    facts: tuple[str, ...]
    question: str
    answer: str


def make_story(task: str, seed: str) -> Story:
    """The seed's story; its answer is what `answer` finds by going through the facts."""
    generator = random.Random(f"{task} {seed}")
    while True:
        facts, questions = _TELLERS[task](generator)
        generator.shuffle(questions)
        for question in questions:
            found = answer(facts, question)
            if found:
                return Story(tuple(facts), question, found)


def _walks(generator: random.Random) -> tuple[list[str], list[str]]:
    n_facts = generator.randint(2, 10)
    facts = [_go(generator, generator.choice(_PEOPLE)) for _ in range(n_facts)]
    return facts, [f"Where is {person}?" for person in _PEOPLE]


def _carries(generator: random.Random, n_facts: int) -> list[str]:
    """People walk about, take things where these lie, and put them down."""
    at: dict[str, str] = {}
    lies = {thing: generator.choice(_PLACES) for thing in _THINGS}
    held: dict[str, str] = {}
    facts: list[str] = []
    while len(facts) < n_facts:
        person = generator.choice(_PEOPLE)
        here = [thing for thing in _THINGS if thing not in held and lies[thing] == at.get(person)]
        has = [thing for thing in _THINGS if held.get(thing) == person]
        act = generator.random()
        if here and act < 0.5:
            thing = generator.choice(here)
            held[thing] = person
            facts.append(f"{person} {generator.choice(_GET)} the {thing}.")
        elif has and act < 0.7:
            thing = generator.choice(has)
            lies[thing] = at[person]
            del held[thing]
            facts.append(f"{person} {generator.choice(_DROP)} the {thing}.")
        else:
            facts.append(_go(generator, person))
            at[person] = facts[-1].rstrip(".").rsplit(" ", 1)[1]
    return facts


def _where_things(generator: random.Random) -> tuple[list[str], list[str]]:
    facts = _carries(generator, generator.randint(6, 20))
    return facts, [f"Where is the {thing}?" for thing in _THINGS]


def _where_before(generator: random.Random) -> tuple[list[str], list[str]]:
    facts = _carries(generator, generator.randint(15, 40))
    asked = [f"Where was the {thing} before the {place}?" for thing in _THINGS for place in _PLACES]
    return facts, asked


def _beside(generator: random.Random) -> tuple[list[str], list[str]]:
    first, middle, last = generator.sample(_PLACES, 3)
    side = generator.choice(_SIDES)
    other = generator.choice([one for one in _SIDES if one != side])
    facts = [f"The {first} is {side} of the {middle}.", f"The {last} is {other} of the {middle}."]
    generator.shuffle(facts)
    asked = [f"What is {one} of the {place}?" for one in _SIDES for place in (middle, first, last)]
    asked += [f"What is the {place} {one} of?" for one in _SIDES for place in (middle, first, last)]
    return facts, asked


def _gifts(generator: random.Random) -> tuple[list[str], list[str]]:
    has: dict[str, str] = {}
    facts: list[str] = []
    gifts = 0
    wanted = generator.randint(1, 4)
    while gifts < wanted:
        person = generator.choice(_GIVERS)
        mine = [thing for thing in _THINGS if has.get(thing) == person]
        free = [thing for thing in _THINGS if thing not in has]
        act = generator.random()
        if mine and act < 0.5:
            thing = generator.choice(mine)
            taker = generator.choice([one for one in _GIVERS if one != person])
            has[thing] = taker
            facts.append(f"{person} {generator.choice(_GIVE)} the {thing} to {taker}.")
            gifts += 1
        elif free and act < 0.8:
            thing = generator.choice(free)
            has[thing] = person
            facts.append(f"{person} {generator.choice(_GET)} the {thing} there.")
        else:
            facts.append(_go(generator, person))
    asked = [f"Who did {a} give the {thing} to?" for a in _GIVERS for thing in _THINGS]
    asked += [f"Who gave the {thing}?" for thing in _THINGS]
    asked += [f"What did {a} give to {b}?" for a in _GIVERS for b in _GIVERS if a != b]
    return facts, asked


def _whether(generator: random.Random) -> tuple[list[str], list[str]]:
    facts, _ = _walks(generator)
    places = [_last_place(facts, person) for person in _PEOPLE]
    asked = [
        f"Is {person} in the {generator.choice((place, generator.choice(_PLACES)))}?"
        for person, place in zip(_PEOPLE, places, strict=True)
        if place
    ]
    return facts, asked


def _how_many(generator: random.Random) -> tuple[list[str], list[str]]:
    facts = _carries(generator, generator.randint(6, 20))
    return facts, [f"How many objects is {person} carrying?" for person in _told_of(facts)]


def _what_things(generator: random.Random) -> tuple[list[str], list[str]]:
    facts = _carries(generator, generator.randint(6, 20))
    return facts, [f"What is {person} carrying?" for person in _told_of(facts)]


def _told_of(facts: Sequence[str]) -> list[str]:
    """Those who picked something up at some time, and one who did not."""
    got = {fact.split()[0] for fact in facts if not _moved(fact)[0]}
    others = [person for person in _PEOPLE if person not in got]
    return [*sorted(got), *others[:1]]


def _go(generator: random.Random, person: str) -> str:
    return f"{person} {generator.choice(_GO)} the {generator.choice(_PLACES)}."


_TELLERS = {
    "qa1": _walks,
    "qa2": _where_things,
    "qa3": _where_before,
    "qa4": _beside,
    "qa5": _gifts,
    "qa6": _whether,
    "qa7": _how_many,
    "qa8": _what_things,
}


def answer(facts: Sequence[str], question: str) -> str:
    """What the facts say, by going through them in order; "" when they do not say.

    Of several gifts that fit, the last counts, as in bAbI.
    """
    words = question.rstrip("?").split()
    if words[-1] == "carrying":
        things = _carried(facts, words[-2])
        return _NUMBERS[len(things)] if words[0] == "How" else ",".join(things) or "nothing"
    if words[0] == "Is":
        place = _last_place(facts, words[1])
        return ("yes" if place == words[-1] else "no") if place else ""
    if question.startswith("What is "):
        return _side_answer(facts, words)
    if words[0] == "Who" or question.startswith("What did"):
        return _gift_answer(facts, words)
    if words[1] == "was":
        return _before(_trail(facts, words[3]), words[-1])
    if words[2] == "the":
        return (_trail(facts, words[3]) or [""])[-1]
    return _last_place(facts, words[2])


def _last_place(facts: Sequence[str], person: str) -> str:
    moves = (_moved(fact) for fact in reversed(facts))
    return next((place for who, place in moves if who == person), "")


def _moved(fact: str) -> tuple[str, str]:
    found = re.fullmatch(rf"(\w+) (?:{'|'.join(_GO)}) the (\w+)\.", fact)
    return (found[1], found[2]) if found else ("", "")


def _trail(facts: Sequence[str], thing: str) -> list[str]:
    """The places where a thing was known to be, one after the other."""
    at: dict[str, str] = {}
    holder, trail = "", list[str]()
    for fact in facts:
        who = fact.split()[0]
        person, place = _moved(fact)
        if person:
            at[person] = place
        elif re.fullmatch(rf"\w+ (?:{'|'.join(_GET)}) the {thing}(?: there)?\.", fact):
            holder = who
        elif re.fullmatch(rf"\w+ (?:{'|'.join(_DROP)}) the {thing}(?: there)?\.", fact):
            holder = ""
        if who == holder and who in at and trail[-1:] != [at[who]]:
            trail.append(at[who])
    return trail


def _carried(facts: Sequence[str], person: str) -> list[str]:
    """What a person holds in the end, in the order in which it was taken."""
    held: list[str] = []
    for fact in facts:
        found = re.fullmatch(rf"{person} (.+) the (\w+)(?: there)?\.", fact)
        if found and found[1] in _GET:
            held.append(found[2])
        elif found and found[1] in _DROP:
            held.remove(found[2])
    return held


def _before(trail: Sequence[str], place: str) -> str:
    """Where a thing was before it came to the place for the last time."""
    arrivals = [number for number, one in enumerate(trail) if one == place and number]
    return trail[arrivals[-1] - 1] if arrivals else ""


def _side_answer(facts: Sequence[str], words: Sequence[str]) -> str:
    """`What is north of the X?` and `What is the X north of?`."""
    for fact in facts:
        found = re.fullmatch(r"The (\w+) is (\w+) of the (\w+)\.", fact)
        if found is None:
            continue
        one, side, other = found.groups()
        for this, its_side, that in ((one, side, other), (other, _OPPOSITE[side], one)):
            if words[2] == "the" and (words[3], words[4]) == (this, its_side):
                return that
            if words[2] != "the" and (words[2], words[5]) == (its_side, that):
                return this
    return ""


def _gift_answer(facts: Sequence[str], words: Sequence[str]) -> str:
    for fact in reversed(facts):
        found = re.fullmatch(rf"(\w+) (?:{'|'.join(_GIVE)}) the (\w+) to (\w+)\.", fact)
        if found is None:
            continue
        giver, thing, taker = found.groups()
        if words[:2] == ["Who", "gave"] and words[3] == thing:
            return giver
        if words[:2] == ["Who", "did"] and (words[2], words[5]) == (giver, thing):
            return taker
        if words[:2] == ["What", "did"] and (words[2], words[5]) == (giver, taker):
            return thing
    return ""


def read_stories(path: Path) -> Iterator[Story]:
    """The stories of one of bAbI's files, one for each question."""
    facts: list[str] = []
    for line in path.read_text("utf-8").splitlines():
        number, _, rest = line.partition(" ")
        if number == "1":
            facts = []
        if "\t" in rest:
            question, found = rest.split("\t")[:2]
            yield Story(tuple(facts), question.strip(), found)
        else:
            facts.append(rest)
