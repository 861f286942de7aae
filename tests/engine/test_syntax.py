import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.engine import syntax


@pytest.mark.parametrize(
    "text", ["x = 1", "print(1)", "for i in x: pass", "import re", "await f()"]
)
def test_statements_look_like_code(text: str) -> None:
    assert syntax.looks_like_code(text)


@pytest.mark.parametrize("text", ["Paris", "Paris, France", "a: b", "7", "not code!", ""])
def test_prose_does_not_look_like_code(text: str) -> None:
    assert not syntax.looks_like_code(text)


def test_a_syntax_error_is_one_line_with_its_place() -> None:
    assert syntax.syntax_error("x = 1") is None
    reason = syntax.syntax_error("x = 1\ny = (")
    assert reason is not None
    assert "line 2: y = (" in reason
    assert syntax.syntax_error("x = '\0'")


def test_a_bad_escape_is_no_error_and_no_warning() -> None:
    assert syntax.syntax_error("import re\nre.findall('\\d', context)") is None


def test_names_are_read_in_order() -> None:
    code = "a = 1\nfor b in c: d = b\ndef e(): pass\n_f = 2\nclass G: pass"
    assert sorted(syntax.assigned_names(code)) == ["G", "a", "b", "d", "e"]
    assert syntax.assigned_names("not code (") == ()
    assert syntax.called_names("x = grep('a', n)") == {"grep", "n"}
    assert syntax.called_names("grep( broken") == {"grep", "broken"}


def test_literals_given_to_final_are_found() -> None:
    assert syntax.final_literals("FINAL('a')") == ("a",)
    assert syntax.final_literals("x = 5\nFINAL(x)") == ("5",)
    assert syntax.final_literals("x = 5\nx = grep('a')\nFINAL(x)") == ()
    assert syntax.final_literals("x = y = 5\nFINAL(x)") == ()
    assert syntax.final_literals("d['k'] = 5\nFINAL(d)") == ()
    assert syntax.final_literals("FINAL(f(1))") == ()
    assert syntax.final_literals("FINAL()") == ()
    assert syntax.final_literals("FINAL(") == ()
    assert syntax.final_literals("[].append('a')") == ()


def test_literals_put_into_the_answer_are_found_once_it_is_ready() -> None:
    ready = "answer['ready'] = True"
    assert syntax.final_literals(f"answer['content'] = 'a'\n{ready}") == ("a",)
    assert syntax.final_literals(f"x = 4\nanswer['content'] = x\n{ready}") == ("4",)
    assert syntax.final_literals("answer = {'content': 'a', 'ready': True}") == ("a",)
    assert syntax.final_literals("answer['content'] = 'a'") == ()
    assert syntax.final_literals("answer['content'] = 'a'\nanswer['ready'] = False") == ()
    assert syntax.final_literals(f"answer['content'] = f(1)\n{ready}") == ()
    assert syntax.final_literals(f"other['content'] = 'a'\n{ready}") == ()
    assert syntax.final_literals("answer = {**given, 1: 2}\nanswer[0] = 1\nanswer.x = 2") == ()


@pytest.mark.parametrize("terms", [300, 1500, 100_000])
def test_deep_code_is_compared_by_its_lines(terms: int) -> None:
    deep = "x = " + "+".join(["1"] * terms)
    assert syntax.normal_form(deep) == syntax.normal_form(f"{deep}  \n\n")


@given(st.text(max_size=80))
def test_nothing_raises(text: str) -> None:
    syntax.syntax_error(text)
    syntax.normal_form(text)
    syntax.called_names(text)
    syntax.assigned_names(text)
    syntax.final_literals(text)
    syntax.looks_like_code(text)
