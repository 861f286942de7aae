import random
from collections import Counter

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.labelled import SOURCES
from benchmarks.tasks.oolong import window_of
from benchmarks.tasks.oolong_queries import queries
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.task import Request
from tests.benchmarks.tasks.oolong_reader import answer, lines_of

KINDS = {
    *(f"{part}.{kind}" for part in ("counting", "users", "month", "range")
      for kind in ("most", "least", "compare", "count")),
    *(f"{part}.{kind}" for part in ("user", "users") for kind in ("most", "second", "label_most")),
    "user.label_compare",
    "timeline.most_date",
    "timeline.second_date",
    "timeline.dates_n_times",
    "timeline.before_after",
    "timeline.first_month",
    "timeline.months_above",
    "timeline.months_on_top",
}  # fmt: skip


@pytest.mark.parametrize("source", ["wordnet", "sms", "trec"])
@pytest.mark.parametrize("tokens", [2_000, 8_000, 32_000])
def test_every_truth_is_what_a_reader_of_the_question_finds(
    data: DataFolder, source: str, tokens: int
) -> None:
    known = {
        text: label
        for label, texts in SOURCES[source].read(data).by_label.items()
        for text in texts
    }
    for seed in range(4):
        window, _ = window_of(SOURCES[source], Request(tokens, seed, data))
        lines = lines_of("".join(window.pieces()), known)
        asked = queries(window.rows, window.labels, random.Random(seed))
        assert len(asked) > 25
        for query in asked:
            assert query.solve(window.rows) == answer(query.text, lines), query.text


def test_all_kinds_of_oolongs_questions_are_asked(data: DataFolder) -> None:
    kinds = set()
    for seed in range(12):
        window, _ = window_of(SOURCES["trec"], Request(16_000, seed, data))
        kinds |= {query.kind for query in queries(window.rows, window.labels, random.Random(1))}
    assert kinds == KINDS


def test_questions_are_word_for_word_oolongs(data: DataFolder) -> None:
    window, _ = window_of(SOURCES["sms"], Request(16_000, 1, data))
    texts = {query.text for query in queries(window.rows, window.labels, random.Random(1))}
    assert texts >= {
        "In the above data, how many data points should be classified as label 'spam'? Give your "
        "final answer in the form 'Answer: number'.",
        "For how many months is the label 'ham' the single most frequently occuring label? "
        "Disregard months where there is a tie for the most common label.  Give your final answer "
        "in the form 'Answer: [X]', where [X] is the number of months where 'ham' is the most "
        "common label.",
        "In which month did the label 'ham first occur more often than the label 'spam'? Give your "
        "final answer in the form 'Answer: [month] [year]', where [month] is the name of the month "
        "and [year] is the four-digit year where 'ham' first occured more often than 'spam.'",
    }


def test_the_official_mix_has_the_shares_of_the_fifty_questions(data: DataFolder) -> None:
    types: Counter[str] = Counter()
    for seed in range(4):
        tasks = FAMILIES["oolong-trec"].tasks(Request(32_000, seed, data))
        assert len(tasks) == 25
        types.update(task.options["answer_type"] for task in tasks)
    assert types["comparison"] == pytest.approx(58, abs=4)
    assert types["number"] == pytest.approx(24, abs=4)
    assert types["label"] == pytest.approx(14, abs=4)
    assert types["user"] == pytest.approx(4, abs=1)


def test_the_even_mix_asks_no_kind_much_more_often_than_another(data: DataFolder) -> None:
    tasks = FAMILIES["oolong-trec"].tasks(
        Request(32_000, 1, data, questions=50, options={"mix": "even"})
    )
    counts = Counter(task.kind for task in tasks)
    assert len(counts) > 18
    assert max(counts.values()) <= 3


def test_labels_by_regular_expressions_are_no_gold(data: DataFolder) -> None:
    tasks = FAMILIES["oolong-trec"].tasks(Request(16_000, 1, data))
    scores = [
        task.score(task.shortcut(task.context.text()))
        for task in tasks
        if task.shortcut is not None
    ]
    assert len(scores) == 25
    assert 0 < sum(scores) / 25 < 1
