"""The worked examples that roots are shown, held against the benchmarks' own questions.

They must not give away a benchmark: no six words in a row are those of a question, or of what a
text says about itself. And they must cover what is asked: each kind of question is known as such.
"""

import re
from collections import Counter
from importlib import resources

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.tasks.labelled import SOURCES
from benchmarks.tasks.registry import FAMILIES
from benchmarks.tasks.task import Request, Task
from benchmarks.tasks.windows import Window
from rlm_local.engine.answer_form import in_form, misfit
from rlm_local.engine.example_bank import pick
from rlm_local.engine.look import Look

WORDS_IN_A_ROW = 6
FIELDS = ("date", "user", "text", "label")
KINDS = {
    "most": "label.extreme",
    "least": "label.extreme",
    "compare": "label.compare",
    "count": "label.count",
}
"""Of counting, in whatever part of the lines."""
PARTS = {"counting": "", "users": " in users", "month": " in month", "range": " in range"}
EXPECTED = {
    **{
        f"{part}.{asked}": f"{kind}{where}"
        for part, where in PARTS.items()
        for asked, kind in KINDS.items()
    },
    "user.most": "user.extreme",
    "user.second": "user.second",
    "user.label_most": "user.label_extreme",
    "user.label_compare": "user.or_user",
    "users.second": "user.second in users",
    "users.label_most": "user.label_extreme in users",
    "timeline.most_date": "date.extreme",
    "timeline.second_date": "date.second",
    "timeline.dates_n_times": "date.times",
    "timeline.before_after": "period.compare",
    "timeline.first_month": "month.first",
    "timeline.months_above": "month.above",
    "timeline.months_on_top": "month.top",
    **{f"pairs.{n:02d}": "pairs.both" for n in (1, 2, 3, 6, 8)},
    **{f"pairs.{n:02d}": "pairs.both_dated" for n in (4, 5, 7, 9, 10)},
    **{f"pairs.{n:02d}": "pairs.one_other" for n in (11, 14, 15, 16, 18, 19, 20)},
    **{f"pairs.{n:02d}": "pairs.one_alone" for n in (12, 13, 17)},
    **{f"code.{kind}": f"code.{kind}" for kind in ("definition", "override", "default", "caller")},
    **{
        f"verbatim.{content}": "text.copy" for content in ("words", "json", "csv", "codes", "mixed")
    },
    "vt": "text.chain",
    "cwe": "text.frequent",
    "fwe": "text.frequent",
    "qa1": "text.state",
    "qa2": "text.state_item",
    "qa3": "text.state_item",
    **{f"niah_{form}": "lookup.value" for form in ("single_1", "single_2", "single_3")},
    **{f"niah_multikey_{n}": "lookup.value" for n in (1, 2, 3)},
    "niah_multivalue": "lookup.values",
    "niah_multiquery": "lookup.keys",
}


@pytest.fixture(scope="module")
def tasks(data: DataFolder) -> tuple[Task, ...]:
    """Some of every family, every kind of question among them."""
    return tuple(
        task
        for family in FAMILIES.values()
        if family.name != "pairs-file"
        for seed in (0, 1)
        for task in family.tasks(
            Request(8_000, seed, data, options={"mix": "even"} if "mix" in family.options else {})
        )
    )


def _look(task: Task) -> Look:
    if task.family.startswith(("oolong", "pairs")):
        labels = task.facts.get("labels") or task.facts["six"]
        return Look("records", fields=FIELDS, labels=tuple(labels), n=task.facts["items"])
    return Look("code" if task.family == "code" else "text")


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9']+", text.casefold())
    return {tuple(words[at : at + WORDS_IN_A_ROW]) for at in range(len(words) - WORDS_IN_A_ROW + 1)}


def _prompts() -> dict[str, str]:
    folder = resources.files("rlm_local.engine") / "prompts"
    files = [*folder.iterdir(), *(folder / "bank").iterdir()]
    return {file.name: file.read_text("utf-8") for file in files if file.name.endswith(".md")}


def test_no_prompt_holds_a_benchmarks_words(tasks: tuple[Task, ...]) -> None:
    known = set[tuple[str, ...]]().union(*(_runs(task.question) for task in tasks))
    for source in SOURCES.values():
        window = Window(source, ("one", "two"), ())
        for start in ("The following", "Recall: the preceding"):
            known |= _runs(window.preamble(start))
    shared = {name: _runs(text) & known for name, text in _prompts().items()}
    assert {name: runs for name, runs in shared.items() if runs} == {}


def test_no_example_uses_a_benchmarks_labels(tasks: tuple[Task, ...]) -> None:
    labels = {label for task in tasks for label in _look(task).labels if len(label) > 3}
    codes = re.findall(r"```python\n(.*?)```", "\n".join(_prompts().values()), re.DOTALL)
    assert [label for label in labels if any(f"'{label}'" in code for code in codes)] == []


def _expected(task: Task) -> str:
    """`users.most` is the name of two questions: of a few users' labels, and of those users."""
    if task.kind == "users.most" and "which user" in task.question:
        return "user.extreme in users"
    return EXPECTED[task.kind]


def test_every_question_is_taken_for_what_it_is(tasks: tuple[Task, ...]) -> None:
    wrong = Counter(
        (task.kind, found.kind)
        for task in tasks
        if task.kind in EXPECTED
        and (found := pick(task.question, _look(task))).kind != _expected(task)
    )
    assert dict(wrong) == {}


def test_questions_over_records_and_code_are_all_covered(tasks: tuple[Task, ...]) -> None:
    coverage = Counter(
        pick(task.question, _look(task)).coverage
        for task in tasks
        if _look(task).shape in {"records", "code"}
    )
    assert set(coverage) == {"shown"}


def test_mending_an_answers_form_never_costs_a_point(tasks: tuple[Task, ...]) -> None:
    forms = ("{}", "Answer: {}", "Label: {}", "{}.0", "The answer is {}", "[{}]")
    better = 0
    for task in tasks:
        joined = "\n" if task.scorer == "pairs_f1" else ", "
        for form in forms:
            answer = form.format(joined.join(task.truth))
            mended = in_form(answer, task.question)
            assert task.score(mended) >= task.score(answer), (task.question, answer, mended)
            better += task.score(mended) > task.score(answer)
            if task.score(mended) == 1:
                labels = task.facts.get("labels", ())
                assert misfit(mended, task.question, labels) == "", (task.question, mended)
    assert better
