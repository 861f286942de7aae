import json
from pathlib import Path

import pytest

from benchmarks.instant import InstantEndpoint, cell
from benchmarks.instant_server import Rule
from benchmarks.tasks.command import main
from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.outcomes import read_outcomes
from benchmarks.tasks.registry import FAMILIES


def _given(data: DataFolder, *names: str) -> list[str]:
    return [flag for name in names for flag in ("--data", f"{name}={data.find(name)}")]


def test_all_families_are_listed_with_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    said = capsys.readouterr().out
    assert all(f"{name} " in said for name in FAMILIES)
    assert "--set documents=" in said


def test_what_is_made_can_be_scored_elsewhere(
    data: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made"
    sms = ["make", "oolong-sms", "--tokens", "8K", "--questions", "4", "--out", str(out)]
    for seed in ("3", "4", "4"):
        main([*sms, "--seed", seed, *_given(data, "sms")])
    rows = [json.loads(line) for line in (out / "tasks.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 8
    assert {row["seed"] for row in rows} == {3, 4}
    assert len({row["path"] for row in rows}) == 2
    for row in rows:
        assert len((out / row["path"]).read_text("utf-8")) == row["context_chars"]
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(
            json.dumps({"name": row["name"], "answer": f"Answer: {row['truth'][0]}"}) + "\n"
            for row in rows[:-2]
        )
    )
    capsys.readouterr()
    main(["score", str(out / "tasks.jsonl"), str(answers)])
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "0.750 over 8 questions"
    assert said.count("no answer") == 2


def test_a_run_goes_on_where_it_ended(
    data: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    run = ["run", "vt", "verbatim", "--tokens", "2K,4K", "--arm", "regex", "--out", str(out)]
    main([*run, "--seeds", "1"])
    assert len(list(read_outcomes(out))) == 4
    main([*run, "--seeds", "2", "--by-kind"])
    done = list(read_outcomes(out))
    assert len(done) == len({one.name for one in done}) == 8
    assert {one.score for one in done} == {1.0}
    assert "score by kind" in capsys.readouterr().out


def test_our_rlm_is_asked_over_the_file(
    data: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    look = (
        "import re\nfound = re.findall(r'VAR (\\w+) =', context)\n"
        "print(found)\nFINAL(', '.join(found))"
    )
    with InstantEndpoint() as server:
        server.set_rules([Rule("", [cell(look)])])
        endpoint = ["--base-url", server.base_url, "--root", "root", "--mode", "rlm"]
        main(["run", "vt", "--tokens", "8K", "--seeds", "1", "--out", str(out), *endpoint])
    (done,) = read_outcomes(out)
    assert (done.arm, done.score, done.error) == ("rlm", 1.0, "")
    assert done.facts["mode"] == "rlm"
    assert done.seconds > 0
    assert "1.000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["make", "vtt", "--out", "x"], "there is no family vtt; there is vt"),
        (["make", "vt", "--set", "depth", "--out", "x"], "write it as OPTION=VALUE"),
        (["make", "vt", "--set", "depth=2", "--out", "x"], "does not take depth"),
        (["make", "vt", "--data", "vt=/x", "--out", "x"], "no data called vt"),
        (["make", "oolong-sms", "--data", "sms=/nothing/there", "--out", "x"], "does not exist"),
        (["run", "vtt", "--arm", "blind"], "there is no family vtt"),
        (["run", "vt", "--arm", "peer:rlm"], "there is no peer rlm"),
        (["issue5", "--seed", "1", "--rows", "poetry"], "no row of the plan begins with poetry"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(line: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(line)
    assert said in str(exit_.value)
    assert "\n" not in str(exit_.value)


def test_the_model_itself_is_asked_over_what_it_can_read(data: DataFolder, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run = ["run", "vt", "--tokens", "8K", "--seeds", "1", "--out", str(out)]
    with InstantEndpoint() as server:
        server.set_rules([Rule("", ["I see none."])])
        for control in ("truncated", "closed-book"):
            endpoint = ["--base-url", server.base_url, "--root", "root", "--window-tokens", "900"]
            main([*run, "--arm", control, *endpoint])
    done = list(read_outcomes(out))
    assert [(one.arm, one.score, one.error) for one in done] == [
        ("truncated", 0.0, ""),
        ("closed-book", 0.0, ""),
    ]
    assert {one.facts["mode"] for one in done} == {"direct"}
