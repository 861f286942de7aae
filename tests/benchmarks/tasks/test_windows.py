import re
from collections import Counter

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.labelled import SOURCES
from benchmarks.tasks.oolong import window_of
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.task import OptionError, Request
from benchmarks.tasks.windows import Window, official_items, read_rows

LINE = re.compile(r"Date: [A-Z][a-z]{2} \d\d, 20\d\d \|\| User: \d{5} \|\| Instance: .+")


def window(data: DataFolder, source: str, seed: int, tokens: int = 16_000) -> Window:
    return window_of(SOURCES[source], Request(tokens, seed, data))[0]


@pytest.mark.parametrize(("tokens", "items"), [(131_072, 3_182), (32_768, 787), (8_192, 188)])
def test_windows_over_trec_have_oolongs_number_of_lines(tokens: int, items: int) -> None:
    assert official_items("trec", tokens) == items


def test_the_official_number_of_lines_can_be_had(data: DataFolder) -> None:
    request = Request(8_192, 1, data, options={"items": "official"})
    assert FAMILIES["oolong-trec"].tasks(request)[0].facts["items"] == 188


def test_other_sources_have_no_official_number_of_lines(data: DataFolder) -> None:
    request = Request(8_192, 1, data, options={"items": "official"})
    with pytest.raises(OptionError, match="give items=N"):
        FAMILIES["oolong-wordnet"].tasks(request)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_window_is_preamble_lines_and_preamble_again(data: DataFolder, source: str) -> None:
    its = window(data, source, 1)
    text = "".join(its.pieces())
    lines = text.split("\n")
    n = len(its.rows)
    assert lines[0].startswith(f"The following lines contain {n} ")
    assert lines[1] == ""
    assert lines[2].endswith("Calculate the exact answer given these datapoints.")
    assert all(LINE.fullmatch(line) for line in lines[4 : 4 + n])
    assert lines[4 + n] == lines[0].replace("The following", "Recall: the preceding")
    assert text.endswith("datapoints.\n\n")


def test_the_preamble_over_trec_is_oolongs(data: DataFolder) -> None:
    its = window(data, "trec", 1)
    named = ", ".join(f"'{label}'" for label in its.labels)
    n = len(its.rows)
    about, task = its.preamble("The following").split("\n\n", 1)
    assert about == (
        f"The following lines contain {n} general-knowledge questions, one per line. Each question "
        f"has an answer that can be described as one of 6 categories: {named}."
    )
    assert task == (
        f"You will be asked to answer questions about the aggregate label statistics across all {n}"
        " examples in this dataset. Do not try to guess, estimate, or approximate the result. "
        "Calculate the exact answer given these datapoints.\n\n"
    )


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_lines_are_the_sources_own_under_their_own_labels(data: DataFolder, source: str) -> None:
    known = SOURCES[source].read(data).by_label
    its = window(data, source, 2)
    assert all(row.text in known[row.label] for row in its.rows)
    assert set(its.labels) == set(known) == {row.label for row in its.rows}


def test_labels_are_mixed_unevenly_and_otherwise_for_every_seed(data: DataFolder) -> None:
    mixes = []
    for seed in range(12):
        counts = Counter(row.label for row in window(data, "wordnet", seed).rows)
        mixes.append(max(counts.values()) / min(counts.values()))
    assert max(mixes) > 2 * min(mixes)


def test_a_tenth_as_many_users_as_lines_take_four_lines_of_five(data: DataFolder) -> None:
    rows = window(data, "trec", 1, 32_000).rows
    counts = Counter(row.user for row in rows)
    common = [n for _, n in counts.most_common(len(rows) // 10)]
    assert sum(common) / len(rows) == pytest.approx(0.8, abs=0.06)
    assert len(counts) / len(rows) == pytest.approx(0.3, abs=0.05)


def test_rows_read_from_the_text_are_the_rows_that_were_written(data: DataFolder) -> None:
    its = window(data, "sms", 3)
    labels = {row.text: row.label for row in its.rows}
    assert tuple(read_rows("".join(its.pieces()), labels.__getitem__)) == its.rows
