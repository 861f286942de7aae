from dataclasses import replace

import pytest

from rlm_local.engine.guards import RunView, Sampled, judge_answer, judge_reply
from rlm_local.engine.replies import parse_reply
from rlm_local.engine.syntax import normal_form

EXAMPLES = 'The service listens on port 7413.\nFINAL("the widow Tessen")'


def _view(*ran: str, evidence: str = "", question: str = "Who paid?") -> RunView:
    return RunView(question, frozenset(normal_form(code) for code in ran), evidence, EXAMPLES)


def _guard(code: str, view: RunView) -> str | None:
    text = f"```repl\n{code}\n```"
    verdict = judge_reply(Sampled(parse_reply(text), text), view)
    return verdict.guard if verdict else None


def _guard_of_text(text: str, view: RunView, *, was_cut: bool = False) -> str | None:
    verdict = judge_reply(Sampled(parse_reply(text), text, was_cut), view)
    return verdict.guard if verdict else None


@pytest.mark.parametrize(
    "code",
    [
        "print(grep('paid'))",
        "hits = grep('paid')\nFINAL(hits[0])",
        "FINAL(ask('Who paid?', context))",
        "FINAL(definitions('pour')[0].path)",
        "FINAL(len(LABELS))",
        "# look first\nprint(context[:100])",
        "'''doc'''\nx = await_me",
        "return_value = [await f() for f in fs]",
    ],
)
def test_a_cell_that_looks_passes(code: str) -> None:
    assert _guard(code, _view()) is None


@pytest.mark.parametrize("code", ["# only words", "pass", '"""doc"""', "...", "", "\n# a\n\n# b"])
def test_a_cell_that_does_nothing_is_refused(code: str) -> None:
    assert _guard(code, _view()) == "empty-cell"


def test_a_reply_without_code_is_refused() -> None:
    assert _guard_of_text("I think it is Paris", _view(evidence="x")) == "no-code"


@pytest.mark.parametrize("code", ["print('", "x = (1", "for", "a b", "x = 1\n  y = 2", "x\0"])
def test_code_that_does_not_parse_is_refused(code: str) -> None:
    assert _guard(code, _view()) == "broken-code"


def test_the_same_cell_again_is_refused_whatever_its_comments() -> None:
    view = _view("print(grep('paid'))", evidence="seen")
    assert _guard('# again\nprint( grep("paid") )', view) == "repeated-cell"
    assert _guard("print(grep('pay'))", view) is None


def test_two_cells_of_which_one_is_new_pass() -> None:
    text = "```repl\nprint(1)\n```\n```repl\nprint(2)\n```"
    assert _guard_of_text(text, _view("print(1)")) is None


@pytest.mark.parametrize(
    "code",
    [
        "FINAL('Paris')",
        "print(grep('paid'))\nFINAL('Paris')",
        "x = 'Paris'\nFINAL(x)",
        "x = 1 + 1\nFINAL(x)",
        "FINAL_VAR('x')",
        "final(f'{1}')",
    ],
)
def test_an_answer_from_nowhere_is_refused(code: str) -> None:
    assert _guard(code, _view()) == "blind-final"


def test_an_answer_after_something_was_shown_passes() -> None:
    assert _guard("FINAL('Paris')", _view(evidence="Paris paid")) is None
    assert _guard_of_text("FINAL(Paris)", _view(evidence="Paris paid")) is None


def test_an_answer_computed_from_earlier_variables_passes() -> None:
    assert _guard("FINAL(len(hits))", _view("hits = grep('a')")) is None


def test_an_answer_as_text_before_anything_was_shown_is_refused() -> None:
    assert _guard_of_text("FINAL(Paris)", _view()) == "blind-final"


def test_an_answer_that_stands_only_in_an_example_is_refused() -> None:
    seen = _view(evidence="the bill was paid")
    assert _guard("FINAL('the widow Tessen')", seen) == "example-answer"
    assert _guard_of_text("FINAL(The Widow Tessen)", seen) == "example-answer"
    assert _guard("FINAL('the widow Tessen')", _view(evidence="by the widow Tessen")) is None
    assert _guard("FINAL('Tess')", _view(evidence="-", question="Is it Tess?")) is None
    assert _guard("FINAL(741)", seen) is None  # too short to be a copy
    assert _guard("FINAL('the mayor')", seen) is None


def test_a_reply_that_repeats_itself_to_the_limit_is_refused() -> None:
    text = "```repl\n" + "print('and so on')\n" * 40 + "print('and"
    assert _guard_of_text(text, _view(), was_cut=True) == "endless-reply"
    assert _guard_of_text("```repl\nprint(grep('x'))", _view(), was_cut=True) is None


@pytest.mark.parametrize(
    ("answer", "question", "guard"),
    [
        ("", "Who?", "empty-answer"),
        (" None ", "Who?", "empty-answer"),
        ("[]", "Who?", "empty-answer"),
        ("True", "Which is more common?", "answer-form"),
        ("True", "Is it true?", None),
        ("False", "Does it rain?", None),
        ("Paris", "Where?", None),
        ("0", "How many?", None),
        ("several", "How many?", None),
        ("x" * 300, "How many lines are there?", "answer-form"),
        ("x" * 300 + "7", "How many lines are there?", None),
        (
            "14",
            "Which? Write it as 'Kind: x', where x is one of the kinds: nut, bolt.",
            "answer-form",
        ),
        ("nut", "Which? Write it as 'Kind: x', where x is one of the kinds: nut, bolt.", None),
        ("several", "Write it as 'Total: n'.", "answer-form"),
    ],
)
def test_an_answer_has_the_form_of_the_question(
    answer: str, question: str, guard: str | None
) -> None:
    view = replace(_view(question=question), mends_form=True)
    verdict = judge_answer(answer, view)
    assert (verdict.guard if verdict else None) == guard


def test_a_capable_coder_is_not_held_to_a_form() -> None:
    question = "Which? Write it as 'Kind: x', where x is one of the kinds: nut, bolt."
    assert judge_answer("14", _view(question=question)) is None
