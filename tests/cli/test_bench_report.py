import pytest

from rlm_local.bench.attempts import Failure
from rlm_local.bench.profile_trial import Candidate, Trial
from rlm_local.bench.worker_trial import SizeResult
from rlm_local.cli.bench_report import print_sizes, print_trials, size_as_json, trial_as_json
from rlm_local.registry import ProfileSpec

SIZE = SizeResult(3, (("ham", "ham"), ("spam", None), ("ham", "spam")), 2.0, 1, 70, 10)
TRIAL = Trial(
    Candidate("coder fence", ProfileSpec(style="fence", system="coder")),
    (True, False), 2.0, 900, 0, ("the server said 500",), 3.0,
)  # fmt: skip
FAILURE = Failure("small json", "the prompt has 9,000 tokens\x1b[2J")


def test_sizes_are_a_table_with_mistakes_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    print_sizes([SIZE], [FAILURE])
    said = capsys.readouterr().out
    assert "1 of 3" in said
    assert "3 a call: spam taken for nothing: 1" in said
    assert "small json came to nothing: the prompt has 9,000 tokens" in said
    assert "\x1b[2J" not in said


def test_trials_are_a_table_with_failures(capsys: pytest.CaptureFixture[str]) -> None:
    print_trials([TRIAL], [FAILURE])
    said = capsys.readouterr().out
    assert "1 of 2" in said
    assert "failed: the server said 500" in said
    assert "small json came to nothing" in said


def test_what_came_to_nothing_stands_beside_what_came_to_something() -> None:
    assert size_as_json(SIZE)["by_label"] == {"ham": [1, 2], "spam": [0, 1]}
    assert size_as_json(FAILURE) == {"name": FAILURE.name, "error": FAILURE.reason}
    assert trial_as_json(TRIAL)["right"] == [True, False]
    assert trial_as_json(TRIAL)["spec"] == {"style": "fence", "system": "coder"}
    assert trial_as_json(FAILURE) == {"profile": FAILURE.name, "error": FAILURE.reason}
