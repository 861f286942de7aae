from pathlib import Path

import pytest

from benchmarks.tasks.command import main
from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.outcomes import Outcome, read_outcomes
from benchmarks.tasks.plan import PLANS, AskRow, LabelRow, Plan, Scale, read_plan, windows
from benchmarks.tasks.planned import figures
from benchmarks.tasks.registry import family_named
from benchmarks.tasks.task import OptionError

ROW = AskRow(
    name="row",
    families=("vt", "cwe"),
    lengths=("2K", "2M"),
    contexts=10,
    questions=(3, 2),
    each="length",
    bar=0.5,
)


def test_every_plan_is_readable_and_names_families() -> None:
    for path in PLANS.glob("*.yaml"):
        for row in read_plan(path.stem).rows:
            for family in row.families:
                assert set(row.options) <= set(family_named(family).options)
            assert windows(row, Scale(seed=1))


def test_the_plan_of_small_models_asks_as_many_as_it_must() -> None:
    counts = {
        row.name: sum(one.questions for one in windows(row, Scale(seed=1)))
        for row in read_plan("issue5").rows
    }
    assert counts["S-NIAH single"] == 80
    assert counts["aggregation"] == 100
    assert counts["HotpotQA, all documents"] == 100
    assert counts["code"] == 40


def test_families_are_all_asked_or_take_turns() -> None:
    every = windows(ROW, Scale(seed=7))
    assert len(every) == 40
    assert {one.seed for one in every} == set(range(7, 17))
    turns = windows(ROW.model_copy(update={"take_turns": True}), Scale(seed=7))
    assert [one.family for one in turns[:4]] == ["vt", "cwe", "vt", "cwe"]
    assert [one.questions for one in turns[:3]] == [3, 2, 3]


def test_a_small_run_is_a_fifth_and_leaves_the_longest_out() -> None:
    small = windows(ROW, Scale(seed=1, small=True))
    assert {(one.group, one.seed) for one in small} == {("2K", 1), ("2K", 2)}
    one = ROW.model_copy(update={"contexts": 1, "questions": (50,)})
    assert [its.questions for its in windows(one, Scale(seed=1, small=True))] == [10, 10]


@pytest.mark.parametrize(("samples", "expected"), [(1, [1]), (4, [1, 1, 1, 1]), (10, [3, 3, 2, 2])])
def test_samples_are_spread_over_contexts(samples: int, expected: list[int]) -> None:
    row = ROW.model_copy(update={"lengths": ("2K",), "contexts": 2, "questions": (3,)})
    assert [one.questions for one in windows(row, Scale(1, samples=samples))] == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows: [", "while parsing"),
        ("title: x\nrows: [{name: a}]", "Field required"),
        ("title: x\nrow: []", "Extra inputs"),
    ],
)
def test_a_plan_that_is_written_wrongly_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(OptionError, match=said):
        read_plan(str(path))
    with pytest.raises(OptionError, match="there is no plan issue55; there is issue5"):
        read_plan("issue55")


def _outcome(
    name: str, score: float, arm: str = "rlm", *, evidence: str = "printed", coverage: str = "shown"
) -> Outcome:
    return Outcome(
        name=name,
        family="f",
        kind="k",
        seed=1,
        tokens=1,
        context=name,
        arm=arm,
        score=score,
        scores={"x": score, "f1": score / 2},
        blind=0.0,
        answer="",
        truth=[],
        question="",
        facts={"evidence": evidence, "coverage": coverage} if arm == "rlm" else {},
    )


def test_figures_stand_beside_their_bars_and_controls() -> None:
    row = ROW.model_copy(
        update={"controls": ("regex",), "above_controls": True, "uncovered_bar": 0.4, "each": "row"}
    )
    plan = Plan(title="t", rows=(row,), wrong_without_evidence=0)
    done = [
        _outcome("a", 1.0),
        _outcome("b", 0.0, evidence="none", coverage="uncovered"),
        _outcome("c", 1.0),
        _outcome("elsewhere", 0.0, evidence="none"),
        *(_outcome(name, 1.0, "regex") for name in "abc"),
    ]
    placed = dict.fromkeys("abc", ("row", ""))
    found = {(one.name, one.arm): one for one in figures(plan, done, placed, "rlm")}
    own = found["row", "rlm"]
    assert (own.n, round(own.value, 3), own.is_met) == (3, 0.667, False)
    assert own.note == "not above regex"
    assert own.low < own.value < own.high
    assert found["row", "regex"].bar is None
    assert found["row, kinds without an example", "rlm"].is_met is False
    assert found["row, f1", "rlm"].value == pytest.approx(1 / 3)
    blind = found["wrong answers before any evidence", "rlm"]
    assert (blind.value, blind.is_met, blind.note) == (1, False, "of 1 wrong: 1 none")


def test_labels_have_a_row_of_their_own() -> None:
    plan = Plan(title="t", labels=(LabelRow(name="labels", source="sms", lines=2, bar=0.9),))
    done = [_outcome(name, 1.0) for name in "ab"]
    lines = [
        Outcome(**{**{f: getattr(one, f) for f in one.__slots__}, "family": "worker labels",
                   "kind": "labels"})
        for one in done
    ]  # fmt: skip
    (figure,) = figures(plan, lines, {}, "rlm")
    assert (figure.name, figure.n, figure.is_met) == ("labels", 2, True)


def test_a_plan_is_asked_once_and_reported_again(
    data: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "p.yaml", tmp_path / "out.jsonl"
    path.write_text(
        "title: two rows\nrows:\n"
        "- {name: tracing, families: [vt], lengths: [2K], contexts: 2, questions: [1], bar: 0.9}\n"
        "- {name: copying, families: [verbatim], lengths: [2K], contexts: 2, questions: [1],"
        " bar: 0.9}\n"
    )
    words = ["--data", f"words={data.find('words')}"]
    run = ["plan", str(path), "--seed", "5", "--arm", "regex", "--out", str(out), *words]
    main([*run, "--rows", "trac"])
    assert len(list(read_outcomes(out))) == 2
    main(run)
    assert len(list(read_outcomes(out))) == 4
    capsys.readouterr()
    main([*run, "--report-only"])
    said = capsys.readouterr().out
    assert said.count(" met") == 2
    assert "0.34-1.00" in said
    with pytest.raises(SystemExit, match="no row of the plan begins with x; there is tracing"):
        main([*run, "--rows", "x"])
    with pytest.raises(SystemExit, match="there is no arm regexp"):
        main([*run, "--arm", "regexp"])
