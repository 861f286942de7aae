import hashlib
import re
from collections import Counter
from datetime import date, datetime
from itertools import combinations

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.labelled import SOURCES
from benchmarks.tasks.oolong import window_of
from benchmarks.tasks.pairs import pair_queries
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.scorers import pairs_of
from benchmarks.tasks.task import OptionError, Request
from benchmarks.tasks.windows import Row

TREC = ("numeric value", "location", "entity", "human being", "description and abstract concept",
        "abbreviation")  # fmt: skip
NAMED = ("description and abstract concept", "entity", "human being", "numeric value", "location",
         "abbreviation")  # fmt: skip
COUNT_WORDS = {"one": 1, "two": 2}


def test_over_trec_the_questions_are_the_papers_word_for_word() -> None:
    text = "\n".join(pair_queries(TREC, NAMED, "questions"))
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "30431158eff86896998f5177344a2c0ae323e39698d7d3556f2198bf2a8efe39"
    )


def _satisfies(clause: str, rows: list[Row]) -> bool:
    """Whether one user has what a clause of the question says."""
    counts = Counter(row.label for row in rows)
    clause = clause.replace("and one with", "and at least one instance with")
    wanted = re.findall(
        r"(at least|exactly) (one|two) instances? with (.+?)(?=,| and (?:at least|exactly)|$)",
        clause,
    )
    assert wanted, clause
    return all(
        counts[label] >= COUNT_WORDS[n] if how == "at least" else counts[label] == COUNT_WORDS[n]
        for how, n, label in wanted
    )


def _alike(question: str, rows: list[Row]) -> bool:
    found = re.search(r"at least one instance with an? (.+?) or (.+?)(?:,|\.)", question)
    assert found
    if not any(row.label in found.groups() for row in rows):
        return False
    bound = re.search(r"that are an? (.+?) for both users must be (\w+) (\w+ \d+, \d+)", question)
    if bound is None:
        return True
    day = datetime.strptime(bound[3], "%B %d, %Y").date()
    days = [row.day for row in rows if row.label == bound[1]]
    return all(d > day if bound[2] == "after" else d < day for d in days)


def _pairs(question: str, users: dict[int, list[Row]]) -> set[tuple[int, int]]:
    asked = question.split("(no duplicate pairs, list lower ID first) ")[1].split(". Each of")[0]
    pairs = set()
    for a, b in combinations(sorted(users), 2):
        if asked.startswith("where both"):
            right = _alike(question, users[a]) and _alike(question, users[b])
        else:
            one, other = asked.removeprefix("such that one user has ").split(
                ", and the other user has "
            )
            right = any(
                _satisfies(one, users[x]) and _satisfies(other, users[y])
                for x, y in ((a, b), (b, a))
            )
        if right:
            pairs.add((a, b))
    return pairs


@pytest.mark.parametrize("source", ["trec", "wordnet"])
@pytest.mark.parametrize("seed", range(2))
def test_every_truth_is_what_going_through_all_pairs_finds(
    data: DataFolder, source: str, seed: int
) -> None:
    window, _ = window_of(SOURCES[source], Request(2_000, seed, data))
    users: dict[int, list[Row]] = {}
    for row in window.rows:
        users.setdefault(row.user, []).append(row)
    tasks = FAMILIES[f"pairs-{source}"].tasks(Request(2_000, seed, data))
    assert len(tasks) == 20
    for task in tasks:
        assert pairs_of("\n".join(task.truth)) == _pairs(task.question, users), task.question


def test_some_questions_have_many_pairs_and_lower_users_stand_first(data: DataFolder) -> None:
    tasks = FAMILIES["pairs-trec"].tasks(Request(16_000, 1, data))
    sizes = [len(task.truth) for task in tasks]
    assert max(sizes) > 500
    for task in tasks:
        pairs = [tuple(map(int, re.findall(r"\d+", pair))) for pair in task.truth]
        assert all(a < b for a, b in pairs)
        assert pairs == sorted(set(pairs))


def test_six_labels_are_needed(data: DataFolder) -> None:
    with pytest.raises(OptionError, match="six labels"):
        FAMILIES["pairs-file"].tasks(Request(8_000, 1, data))


def test_everybody_with_everybody_is_better_than_nothing(data: DataFolder) -> None:
    tasks = FAMILIES["pairs-trec"].tasks(Request(8_000, 1, data))
    assert 0 < sum(task.score(task.blind) for task in tasks) / len(tasks) < 0.6


def test_days_of_the_questions_lie_within_the_windows(data: DataFolder) -> None:
    window, _ = window_of(SOURCES["trec"], Request(8_000, 1, data))
    days = [row.day for row in window.rows]
    assert min(days) < date(2023, 1, 6)
    assert max(days) > date(2023, 5, 20)
