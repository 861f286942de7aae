import re

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.documents import hotpot
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.task import Request


@pytest.mark.parametrize(("n", "questions"), [("100", 5), ("400", 10)])
def test_there_are_as_many_documents_as_were_asked_for(
    data: DataFolder, n: str, questions: int
) -> None:
    tasks = FAMILIES["multihop"].tasks(Request(1, 1, data, options={"documents": n}))
    assert len(tasks) == questions
    text = tasks[0].context.text()
    assert re.findall(r"^Document (\d+):$", text, re.MULTILINE) == [
        str(number) for number in range(1, int(n) + 1)
    ]


def test_all_that_a_question_needs_is_in_the_text(data: DataFolder) -> None:
    questions, _ = hotpot(data.find("ruler"))
    known = {question.text: question for question in questions}
    for seed in range(4):
        for task in FAMILIES["multihop"].tasks(Request(32_000, seed, data)):
            question, text = known[task.question], task.context.text()
            assert task.truth == (question.answer,)
            assert all(str(document) in text for document in question.own)
            assert set(task.facts["gold titles"]) == set(question.gold)


def test_more_than_there_is_gives_every_document_once(data: DataFolder) -> None:
    options = {"documents": "66581", "layout": "jsonl"}
    tasks = FAMILIES["multihop"].tasks(Request(1, 1, data, options=options))
    assert tasks[0].context.text().count("\n") == 800
    assert tasks[0].tokens == 66_581 * 134


def test_hotpotqas_score_comes_with_its_f1(data: DataFolder) -> None:
    task = FAMILIES["multihop"].tasks(Request(8_000, 2, data))[0]
    assert set(task.scores(f"the {task.truth[0]}")) == {"exact_match", "f1"}
    assert task.score(f"The {task.truth[0]}.") == 1
    assert task.score(f"It is {task.truth[0]}") == 0


def test_rulers_questions_are_scored_by_containment(data: DataFolder) -> None:
    for family in ("qa_1", "qa_2"):
        (task,) = FAMILIES[family].tasks(Request(8_000, 2, data))
        assert task.question.startswith("Answer the question based on the given documents. Only ")
        assert task.score(f"I say {task.truth[0]}, no doubt") == 1


def test_squads_own_article_comes_before_other_paragraphs(data: DataFolder) -> None:
    for seed in range(5):
        (task,) = FAMILIES["qa_1"].tasks(Request(3_000, seed, data))
        number = task.truth[0].split()[0]
        assert task.context.text().count(f"Paragraph {number} ") == 6


def test_all_documents_stand_in_the_same_order_whatever_is_asked(data: DataFolder) -> None:
    texts = set()
    for n in (1, 7):
        request = Request(1, 3, data, questions=n, options={"documents": "66581"})
        tasks = FAMILIES["multihop"].tasks(request)
        assert len(tasks) == n
        texts.add((tasks[0].context.key, tasks[0].context.text()))
    assert len(texts) == 1
