import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.tasks.outcomes import Outcome, append, interval, read_outcomes, tables
from tests.unhurried import UNHURRIED

ONE = Outcome(
    name="a-1",
    family="fam",
    kind="fam.kind",
    seed=1,
    tokens=8_000,
    context="a",
    arm="rlm",
    score=1.0,
    scores={"exact_match": 1.0, "f1": 1.0},
    blind=0.25,
    answer="x",
    truth=["x"],
    question="?",
    seconds=2.0,
    facts={"turns": 2, "subcalls": 4},
)

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def test_lines_come_back_and_one_that_was_cut_off_does_not(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.jsonl"
    assert list(read_outcomes(path)) == []
    append(path, ONE)
    append(path, replace(ONE, name="a-2", answer="ü\n"))
    path.write_text(path.read_text("utf-8") + '{"name": "a-3", "fam', encoding="utf-8")
    assert [one.name for one in read_outcomes(path)] == ["a-1", "a-2"]
    assert next(read_outcomes(path)) == ONE


def test_a_line_after_one_that_was_cut_off_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    append(path, ONE)
    path.write_text(path.read_text("utf-8") + '{"name": "a-2", "fam', encoding="utf-8")
    append(path, replace(ONE, name="a-3"))
    assert [one.name for one in read_outcomes(path)] == ["a-1", "a-3"]


@UNHURRIED
@given(st.lists(SCORES, min_size=1, max_size=6))
def test_the_mean_lies_within_its_interval_or_nearly(groups: list[list[float]]) -> None:
    low, high = interval(groups)
    values = [value for group in groups for value in group]
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert low - 0.2 <= sum(values) / len(values) <= high + 0.2


def test_questions_over_one_context_count_as_one_draw() -> None:
    alike = [[1.0] * 25, [0.0] * 25]
    apart = [[float(n % 2)] for n in range(50)]
    assert interval(alike) == (0.0, 1.0)
    low, high = interval(apart)
    assert 0.3 < low < 0.45
    assert 0.55 < high < 0.7


def test_the_interval_of_one_context_is_drawn_from_its_questions() -> None:
    low, high = interval([[1.0, 0.0] * 20])
    assert low < 0.5 < high


def test_tables_tell_score_controls_costs_and_failures() -> None:
    out = io.StringIO()
    lost = replace(ONE, name="b-1", context="b", kind="fam.other", error="ModelError: gone")
    failed = replace(lost, score=0.0, scores={"exact_match": 0.0, "f1": 0.5})
    tables([ONE, failed], by_kind=True, console=Console(file=out, width=160))
    row = next(line for line in out.getvalue().splitlines() if "8000" in line)
    assert "rlm" in row
    for piece in ("fam", "0.500", "0.00-1.00", "f1 0.75", "0.250", "2.00", "4.0", "2.0"):
        assert piece in row
    assert "fam.other" in out.getvalue()
    assert row.split("│")[-2].strip() == "1"


@pytest.mark.parametrize("arm", ["rlm", "regex"])
def test_arms_have_rows_of_their_own(arm: str) -> None:
    out = io.StringIO()
    tables(
        [ONE, replace(ONE, arm="regex", facts={})],
        by_kind=False,
        console=Console(file=out, width=160),
    )
    assert sum(f"│ {arm}" in line for line in out.getvalue().splitlines()) == 1
