"""What holds for every family: the same seed gives the same bytes, and the length is kept."""

import json
from dataclasses import replace

import pytest

from benchmarks.tasks.babi_worlds import TASKS
from benchmarks.tasks.data import DataFolder, DataMissing
from benchmarks.tasks.registry import FAMILIES, family_named
from benchmarks.tasks.task import OptionError, Request, Task

CHARS_PER_TOKEN = {
    "niah_single_1": 3.75,
    "niah_single_2": 4.6,
    "niah_single_3": 4.6,
    "niah_multikey_1": 4.6,
    "niah_multikey_2": 3.04,
    "niah_multikey_3": 1.5,
    "niah_multivalue": 4.6,
    "niah_multiquery": 4.6,
    "vt": 3.75,
    "fwe": 2.63,
    "qa_1": 4.69,
    "qa_2": 4.07,
    "multihop": 4.07,
    "oolong-wordnet": 2.98,
    "oolong-sms": 2.65,
    "oolong-debian": 2.77,
    "oolong-trec": 2.9,
    "oolong-file": 3.0,
    "pairs-wordnet": 2.98,
    "pairs-debian": 2.77,
    "pairs-trec": 2.9,
    "code": 4.7,
    **{f"babilong_qa{n}": 4.6 for n in range(1, 21)},
}
"""Of Qwen's tokenizer, measured over the real data; cwe and verbatim are held below."""
NEVER_TWO_SEEDS_ALIKE = sorted(set(FAMILIES) - {"pairs-file"})
SOLVED_BY_A_PROGRAM = (
    *(name for name in FAMILIES if name.startswith("niah")),
    *(f"babilong_{task}" for task in TASKS),
    "vt",
    "cwe",
    "fwe",
    "verbatim",
)


def make(data: DataFolder, family: str, tokens: int, seed: int) -> list[Task]:
    return FAMILIES[family].tasks(Request(tokens, seed, data))


def n_chars(task: Task) -> int:
    return sum(len(piece) for file in task.context.files for piece in file.pieces())


@pytest.mark.parametrize("family", NEVER_TWO_SEEDS_ALIKE)
def test_a_seed_fixes_every_byte_and_another_seed_changes_them(
    data: DataFolder, family: str
) -> None:
    first, again, other = (make(data, family, 8_000, seed) for seed in (3, 3, 4))
    assert [task.as_json() for task in first] == [task.as_json() for task in again]
    assert first[0].context.text() == again[0].context.text()
    assert first[0].context.text() != other[0].context.text()
    assert first[0].context.key != other[0].context.key
    assert not {task.name for task in first} & {task.name for task in other}


@pytest.mark.parametrize("family", NEVER_TWO_SEEDS_ALIKE)
def test_the_truth_scores_1_and_nothing_scores_0(data: DataFolder, family: str) -> None:
    for task in make(data, family, 8_000, 1):
        answer = ", ".join(task.truth)
        if task.scorer == "oolong":
            answer = f"Answer: {answer}"
        assert task.score(answer) == 1
        assert next(iter(task.scores(answer).values())) == 1
        if task.truth:
            assert task.score("") == 0
        assert 0 <= task.score(task.blind) <= 1
        json.dumps(task.as_json())


@pytest.mark.parametrize("family", sorted(CHARS_PER_TOKEN))
@pytest.mark.parametrize("tokens", [8_000, 32_000])
def test_a_context_is_as_long_as_was_asked(data: DataFolder, family: str, tokens: int) -> None:
    wanted = tokens * CHARS_PER_TOKEN[family]
    for seed in (1, 2):
        assert n_chars(make(data, family, tokens, seed)[0]) == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("family", ["niah_single_1", "niah_multikey_3", "oolong-sms", "vt", "cwe"])
def test_a_million_tokens_are_125_times_8_thousand(data: DataFolder, family: str) -> None:
    small, large = (n_chars(make(data, family, tokens, 1)[0]) for tokens in (8_000, 1_000_000))
    drift = 1.15 if family == "cwe" else 1  # longer numbers have fewer characters a token
    assert small * 125 / large == pytest.approx(drift, rel=0.03)


@pytest.mark.parametrize("content", ["words", "json", "csv", "codes", "mixed"])
def test_every_content_of_a_copy_has_its_length(data: DataFolder, content: str) -> None:
    sizes = []
    for tokens in (8_000, 32_000):
        options = {"content": content}
        (task,) = FAMILIES["verbatim"].tasks(Request(tokens, 1, data, options=options))
        sizes.append(n_chars(task))
    assert sizes[1] / sizes[0] == pytest.approx(4, rel=0.03)


@pytest.mark.parametrize("family", SOLVED_BY_A_PROGRAM)
def test_a_program_without_a_model_solves_what_is_only_to_be_found(
    data: DataFolder, family: str
) -> None:
    for seed in range(8):
        for task in make(data, family, 8_000, seed):
            assert task.shortcut is not None
            assert task.score(task.shortcut(task.context.text())) == 1


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_family_says_what_it_needs(tmp_path: object, data: DataFolder, family: str) -> None:
    empty = replace(data, root=data.root / "nothing", given={})
    if not FAMILIES[family].needs:
        return
    if all(empty.has(need) for need in FAMILIES[family].needs):
        return  # a system package has it
    with pytest.raises(DataMissing, match=r"is missing: .*--data \w+=PATH"):
        make(empty, family, 8_000, 1)


def test_unknown_families_and_options_are_refused_with_the_nearest(data: DataFolder) -> None:
    with pytest.raises(OptionError, match="niah_single_2"):
        family_named("niah_singel_2")
    with pytest.raises(OptionError, match="does not take depth"):
        FAMILIES["vt"].tasks(Request(8_000, 1, data, options={"depth": "3"}))
    with pytest.raises(OptionError, match="is not one of"):
        FAMILIES["qa_1"].tasks(Request(8_000, 1, data, options={"layout": "pdf"}))
    with pytest.raises(OptionError, match="no whole number"):
        FAMILIES["verbatim"].tasks(Request(8_000, 1, data, options={"block": "long"}))


def test_no_more_questions_are_made_than_are_wanted(data: DataFolder) -> None:
    for family, n in (("oolong-sms", 7), ("pairs-trec", 3), ("code", 5)):
        assert len(FAMILIES[family].tasks(Request(32_000, 1, data, n))) == n


def test_all_questions_of_a_seed_are_over_one_context(data: DataFolder) -> None:
    for family in ("oolong-wordnet", "pairs-wordnet", "multihop", "code"):
        tasks = make(data, family, 32_000, 1)
        assert len(tasks) > 1
        assert len({task.context.key for task in tasks}) == 1
        assert len({task.name for task in tasks}) == len(tasks)


@pytest.mark.parametrize("family", ["oolong-wordnet", "pairs-trec", "multihop", "code"])
def test_a_name_means_one_question_however_many_are_asked(data: DataFolder, family: str) -> None:
    few, many = (FAMILIES[family].tasks(Request(32_000, 1, data, n)) for n in (3, 9))
    known = {task.name: task.sha256 for task in many}
    assert all(known.get(task.name, task.sha256) == task.sha256 for task in few)
    texts = {task.context.key: task.context.text() for task in (few[0], many[0])}
    assert all(texts[task.context.key] == task.context.text() for task in (few[0], many[0]))


def test_the_thirteen_tasks_of_ruler_are_there() -> None:
    needles = {name for name in FAMILIES if name.startswith("niah_")}
    assert len(needles) == 8
    assert {"vt", "cwe", "fwe", "qa_1", "qa_2"} <= set(FAMILIES)
