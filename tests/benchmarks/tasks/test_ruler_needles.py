import re
from collections import defaultdict

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.ruler_needles import NOISE
from benchmarks.tasks.task import Request, Task

NEEDLE = re.compile(r"One of the special magic (numbers|uuids) for (\S+) is: (\S+)\.")
FORMS = [name for name in FAMILIES if name.startswith("niah_")]


def make(data: DataFolder, form: str, seed: int, **options: str) -> Task:
    (task,) = FAMILIES[form].tasks(Request(8_000, seed, data, options=options))
    return task


def values_by_key(task: Task) -> dict[str, list[str]]:
    found = defaultdict(list)
    for _, key, value in NEEDLE.findall(task.context.text()):
        found[key].append(value)
    return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(5))
def test_the_truth_is_what_the_text_says_of_the_keys_asked_for(
    data: DataFolder, form: str, seed: int
) -> None:
    task = make(data, form, seed)
    named = re.search(r" for (.+) mentioned in the provided text\?$", task.question)
    assert named
    keys = re.split(r", and |, ", named[1])
    found = values_by_key(task)
    assert sorted(task.truth) == sorted(value for key in keys for value in found[key])
    assert len(task.truth) == (4 if form in {"niah_multivalue", "niah_multiquery"} else 1)


@pytest.mark.parametrize(("form", "n"), [("niah_multikey_1", 4), ("niah_multiquery", 4)])
def test_as_many_keys_are_hidden_as_ruler_hides(data: DataFolder, form: str, n: int) -> None:
    assert len(values_by_key(make(data, form, 2))) == n


def test_questions_are_rulers(data: DataFolder) -> None:
    single, multi = make(data, "niah_single_3", 1), make(data, "niah_multivalue", 1)
    assert re.fullmatch(
        r"What is the special magic uuid for \w+-\w+ mentioned in the provided text\?",
        single.question,
    )
    assert re.fullmatch(
        r"What are all the special magic numbers for \w+-\w+ mentioned in the provided text\?",
        multi.question,
    )


def test_a_needle_among_needles_is_the_only_one_with_its_key(data: DataFolder) -> None:
    for form in ("niah_multikey_2", "niah_multikey_3"):
        task = make(data, form, 1)
        lines = task.context.text().split("\n")
        assert all(NEEDLE.fullmatch(line) for line in lines)
        assert sum(task.truth[0] in line for line in lines) == 1


def test_noise_is_rulers_line_again_and_again(data: DataFolder) -> None:
    lines = make(data, "niah_single_1", 1).context.text().split("\n")
    assert sum(line != NOISE for line in lines) == 1


def test_numbers_have_seven_digits_and_uuids_their_form(data: DataFolder) -> None:
    assert all(re.fullmatch(r"\d{7}", v) for v in make(data, "niah_multivalue", 1).truth)
    assert re.fullmatch(r"[0-9a-f-]{36}", make(data, "niah_single_3", 1).truth[0])


def test_needles_lie_all_over_the_text(data: DataFolder) -> None:
    places = []
    for seed in range(40):
        text = make(data, "niah_single_2", seed).context.text()
        found = NEEDLE.search(text)
        assert found
        places.append(found.start() / len(text))
    assert min(places) < 0.15
    assert max(places) > 0.85


def test_essays_are_sentences_and_natural_text_is_passages(data: DataFolder) -> None:
    essay = make(data, "niah_single_2", 1, haystack="essay")
    natural = make(data, "niah_single_2", 1, haystack="natural")
    assert "\n" not in essay.context.text()
    assert "\n\n" in natural.context.text()
    assert (essay.facts["haystack"], natural.facts["haystack"]) == ("essay", "natural")
