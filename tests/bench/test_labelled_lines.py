from pathlib import Path

import pytest

from rlm_local.bench.labelled_lines import (
    LabelledLine,
    labels_of,
    pick,
    read_lines,
    read_row,
    sample_lines,
)
from rlm_local.errors import UserError

FORMS = {
    "a.tsv": "ham\tsee you  at six\nspam\tyou have won\nham\tsee you at six\n",
    "a.jsonl": '{"label": "ham", "text": "see you at six"}\n'
    '{"label": "spam", "input": "you have won"}\n',
    "a.csv": 'label,text\nham,see you at six\nspam,"you have\nwon"\n',
    "a.label": "ham:x see you at six\n",
}


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl", "a.csv"])
def test_lines_are_read_in_every_form(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FORMS[name])
    assert read_lines(path) == [
        LabelledLine("see you at six", "ham"),
        LabelledLine("you have won", "spam"),
    ]


def test_the_coarse_class_of_a_trec_line_is_its_label() -> None:
    assert read_row("HUM:ind Who was it ?") == ("HUM", "Who was it ?")
    assert read_row("no label here") == ("", "")


@pytest.mark.parametrize("text", ["", "ham\tone\nham\ttwo\n", '{"label": \n'])
def test_a_file_without_two_labels_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=r"a\.txt"):
        read_lines(path)
    with pytest.raises(UserError, match="cannot read"):
        read_lines(tmp_path / "none.tsv")


def test_the_sample_has_as_many_lines_of_each_label() -> None:
    lines = sample_lines()
    counts = [sum(line.label == label for line in lines) for label in labels_of(lines)]
    assert counts == [12] * 4


def test_every_label_is_picked_and_a_seed_picks_the_same() -> None:
    lines = sample_lines()
    picked = pick(lines, 6, seed=3)
    assert len(set(picked)) == 6
    assert set(labels_of(picked)) == set(labels_of(lines))
    assert picked == pick(lines, 6, seed=3)
    assert picked != pick(lines, 6, seed=4)
    assert len(pick(lines, 500, seed=1)) == len(lines)
