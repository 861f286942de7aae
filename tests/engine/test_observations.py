from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.engine.observations import cut_middle, is_evidence, observe
from rlm_local.types import CellResult

DONE = CellResult(
    stdout="", stdout_chars=0, result=None, error=None, error_type=None, final=None, seconds=0.1
)


def test_output_value_and_error_are_shown_in_that_order() -> None:
    result = replace(DONE, stdout="printed\n", stdout_chars=8, result="'value'")
    assert observe(result, 1000) == "printed\n'value'"
    failed = replace(result, result=None, error="ValueError: no\n")
    assert observe(failed, 1000) == "printed\nValueError: no"


def test_a_cell_that_printed_nothing_says_so() -> None:
    assert observe(DONE, 1000) == "(nothing was printed)"


def test_a_long_output_is_cut_in_the_middle_with_its_true_length() -> None:
    result = replace(DONE, stdout="a" * 500 + "b" * 500, stdout_chars=1_000_000)
    text = observe(result, 300)
    assert text.startswith("aaa")
    assert text.endswith("bbb")
    assert "999,700 of 1,000,000 characters left out" in text
    assert len(text) < 400


def test_a_long_value_and_a_long_error_leave_room_for_each_other() -> None:
    result = replace(
        DONE, stdout="p" * 9000, stdout_chars=9000, result="v" * 9000, error="e" * 9000
    )
    text = observe(result, 1000)
    assert len(text) < 1600
    assert all(letter * 100 in text for letter in "pve")


def test_a_restart_tells_what_is_gone() -> None:
    result = replace(DONE, restarted=True, lost_names=("hits", "rows"))
    assert "Gone: hits, rows." in observe(result, 100)
    assert "Gone: nothing." in observe(replace(DONE, restarted=True), 100)


@pytest.mark.parametrize(
    ("stdout", "value", "error", "is_one"),
    [
        ("a line", None, None, True),
        ("", "'value'", None, True),
        ("", "[]", None, False),
        ("", "None", None, False),
        ("[]\n", None, None, False),
        ("(0 matching lines for 'x')\n", None, None, False),
        ("(0 matching lines for 'x')\nbut", None, None, True),
        ("", None, "ValueError", False),
        ("printed", None, "ValueError", True),
        ("\n \n", None, None, False),
        ("", "<sub-call failed: cannot reach it>", None, False),
        ("", "[<sub-call failed: a>, <sub-call failed: b > c>]", None, False),
        ("", "[<sub-call failed: a>, 'an answer', <sub-call failed: b>]", None, True),
    ],
)
def test_only_what_was_found_is_evidence(
    stdout: str, value: str | None, error: str | None, is_one: bool
) -> None:
    assert is_evidence(replace(DONE, stdout=stdout, result=value, error=error)) is is_one


@given(st.text(max_size=300), st.integers(1, 100))
def test_a_cut_keeps_both_ends_and_counts_right(text: str, n_chars: int) -> None:
    cut = cut_middle(text, n_chars)
    if len(text) <= n_chars:
        assert cut == text
        return
    head = n_chars * 2 // 3
    assert cut.startswith(text[:head])
    assert cut.endswith(text[len(text) - (n_chars - head) :])
    assert f"[... {len(text) - n_chars:,} of {len(text):,} characters left out ...]" in cut
