import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.documents import Document, choose, hotpot, lay_out, squad
from tests.unhurried import UNHURRIED

POOL = [Document(f"Title {n}", f"Text {n}. " * (n % 7 + 1)) for n in range(400)]


@UNHURRIED
@given(st.integers(1, 300), st.integers(0, 9))
def test_as_many_documents_are_chosen_as_are_wanted_and_none_twice(n: int, n_must: int) -> None:
    must = POOL[:n_must]
    chosen = choose(must, [POOL], generator=random.Random(n), n_documents=n)
    assert len(chosen) == len(set(chosen)) == max(n, n_must)
    assert set(must) <= set(chosen)


def test_what_must_be_there_stands_anywhere() -> None:
    places = [
        choose(POOL[:1], [POOL], generator=random.Random(seed), n_documents=100).index(POOL[0])
        for seed in range(40)
    ]
    assert min(places) < 15
    assert max(places) > 85


def test_pools_are_used_up_one_after_the_other() -> None:
    near, far = POOL[:20], POOL[20:]
    chosen = choose([], [near, far], generator=random.Random(1), n_documents=30)
    assert set(near) <= set(chosen)


def test_one_collection_has_the_same_documents_in_every_layout() -> None:
    picked = POOL[3:9]
    text = lay_out("key", picked, "text").text()
    assert text.startswith("Document 1:\nTitle 3\nText 3.")
    assert text.count("\n\nDocument ") == 5
    lines = lay_out("key", picked, "jsonl").text().splitlines()
    assert [json.loads(line)["title"] for line in lines] == [one.title for one in picked]
    folder = lay_out("key", picked, "folder")
    assert folder.files[0].name == "00001-title-3.txt"
    assert ["".join(file.pieces()) for file in folder.files] == [f"{one}\n" for one in picked]


def test_documents_that_several_questions_share_are_there_once(data: DataFolder) -> None:
    questions, pool = hotpot(data.find("ruler"))
    assert len(pool) == len(set(pool)) == 800
    assert {document for question in questions for document in question.own} == set(pool)
    assert all({one.title for one in its.own} >= set(its.gold) for its in questions[:80])


def test_questions_without_an_answer_are_not_asked(data: DataFolder) -> None:
    questions, paragraphs = squad(data.find("ruler"))
    assert len(questions) == len(paragraphs) == 240
    assert all(question.answers == (question.answers[0],) for question in questions)
    assert all(question.own not in question.near for question in questions)


@pytest.mark.parametrize("title", ["", "?!"])
def test_a_document_without_a_title_still_has_a_file_name(title: str) -> None:
    (file,) = lay_out("key", [Document(title, "...")], "folder").files
    assert file.name == "00001-document.txt"
