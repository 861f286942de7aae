import re

import pytest

from rlm_local.serving.grammar_patterns import FORMATS, inside_quotes, plain_text


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^[a-z]+$", "abc", True),
        ("[a-z]{2}", "ab", True),
        ("a|b", "b", True),
        ("^a|b$", "ab", False),
        (".*", 'a"b', False),
        (".*", "a b", True),
        (r"\S+", "a\\", False),
        (r"\S+", "a-b", True),
        (r"\D", '"', False),
        ("[^x]*", "ab", True),
        ("[^x]*", 'a"', False),
        (r"\[.\]", "[a]", True),
        (r"a\$", "a$", True),
        (r"[.\]]", "]", True),
    ],
)
def test_a_pattern_is_of_the_whole_text_and_writes_no_quote(
    pattern: str, text: str, *, expected: bool
) -> None:
    written = inside_quotes(pattern)
    assert written is not None
    assert (re.fullmatch(written, text) is not None) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?i)a",
        "(?P<a>b)",
        r"(a)\1",
        r"\bword",
        "a+?",
        'say "a"',
        r"a\\b",
        "a^b",
        "(",
        r"[\S]",
    ],
)
def test_what_no_automaton_has_is_given_up(pattern: str) -> None:
    assert inside_quotes(pattern) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("date", "2024-12-31"),
        ("date-time", "2024-12-31T23:59:59"),
        ("date-time", "2024-12-31T23:59:59+01:00"),
        ("time", "00:00:00"),
        ("uuid", "01234567-89ab-cdef-0123-456789abcdef"),
    ],
)
def test_formats_have_one_spelling(name: str, text: str) -> None:
    assert re.fullmatch(FORMATS[name], text)
    assert not re.fullmatch(FORMATS[name], text + "0")


def test_a_text_by_its_length_has_neither_quotes_nor_controls() -> None:
    assert re.fullmatch(plain_text(1, 3), "äb ")
    assert not re.fullmatch(plain_text(1, 3), "")
    assert not re.fullmatch(plain_text(0, ""), "a\n")
