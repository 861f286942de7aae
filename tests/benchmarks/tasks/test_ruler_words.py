import re
from collections import Counter

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.task import Request, Task


def make(data: DataFolder, family: str, seed: int, tokens: int = 8_000) -> Task:
    (task,) = FAMILIES[family].tasks(Request(tokens, seed, data))
    return task


@pytest.mark.parametrize("seed", range(10))
def test_variables_form_one_chain_of_four_hops_in_order(data: DataFolder, seed: int) -> None:
    task = make(data, "vt", seed)
    value = re.search(r"assigned the value (\d{5}) in the text", task.question)
    assert value
    lines = re.findall(r"VAR ([A-Z]{5}) = (?:VAR )?(\w+)", task.context.text())
    assert len(lines) == 5
    assert lines[0] == (task.truth[0], value[1])
    assert [(b, a) for a, b in zip(task.truth, task.truth[1:], strict=False)] == lines[1:]


@pytest.mark.parametrize("tokens", [8_000, 60_000])
@pytest.mark.parametrize("seed", range(3))
def test_ten_words_are_more_common_than_all_others(
    data: DataFolder, seed: int, tokens: int
) -> None:
    task = make(data, "cwe", seed, tokens)
    numbers, words = zip(*re.findall(r"(\d+)\. (\S+)", task.context.text()), strict=True)
    counts = Counter(words)
    assert [int(number) for number in numbers] == list(range(1, len(words) + 1))
    common = counts.most_common(11)
    assert {word for word, _ in common[:10]} == set(task.truth)
    assert {n for _, n in common[:10]} == {common[0][1]}
    assert common[0][1] >= 10 * common[10][1] == 10 * (common[0][1] // 10)


def test_at_eight_thousand_tokens_the_counts_are_rulers(data: DataFolder) -> None:
    counts = Counter(re.findall(r"\d+\. (\S+)", make(data, "cwe", 1).context.text()))
    assert counts.most_common(11)[9][1] == 30
    assert counts.most_common(11)[10][1] == 3


@pytest.mark.parametrize("seed", range(5))
def test_three_coded_words_are_the_most_frequent_after_the_dots(
    data: DataFolder, seed: int
) -> None:
    task = make(data, "fwe", seed)
    ranked = Counter(task.context.text().split(" ")).most_common(5)
    assert ranked[0][0] == "..."
    assert tuple(word for word, _ in ranked[1:4]) == task.truth
    assert ranked[3][1] > ranked[4][1]
