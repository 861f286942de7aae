import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.trace.printable import one_line, printable
from tests.unhurried import UNHURRIED


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
        ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"),  # sets the clipboard
        ("safe\rEVIL", r"safe\rEVIL"),
        ("\x9b31m", r"\x9b31m"),  # one-byte CSI
        ("abc\u202edcba", r"abc\u202edcba"),
        ("\U000e0041", r"\U000e0041"),
        ("\udc80", r"\udc80"),
        ("a\tb\nc é 漢 😀", "a\tb\nc é 漢 😀"),
    ],
)
def test_what_acts_on_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@UNHURRIED
@given(st.text(st.characters()))
def test_no_control_character_and_no_surrogate_is_left(text: str) -> None:
    shown = printable(text)

    assert all(c in "\t\n" or unicodedata.category(c) not in {"Cc", "Cs"} for c in shown)
    shown.encode("utf-8")


@UNHURRIED
@given(st.text(), st.integers(min_value=1, max_value=50))
def test_one_line_is_one_line_of_at_most_that_length(text: str, max_chars: int) -> None:
    line = one_line(text, max_chars)

    assert len(line) <= max_chars
    assert "\n" not in line
