"""Lines are cut one at a time, none lost."""

from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.records.lines import Lines

TEXTS = st.text(st.sampled_from("ab \n\r"), max_size=60)


@given(TEXTS)
def test_forwards_all_lines_come(text: str) -> None:
    assert [line for line in Lines(text) if line] == [line for line in text.split("\n") if line]


@given(TEXTS)
def test_backwards_the_same_come_with_their_places(text: str) -> None:
    found = list(Lines(text).backwards())
    assert [line for _, line in found] == text.split("\n")[::-1]
    assert all(text.startswith(line, at) for at, line in found)


def test_a_sample_of_a_long_text_is_of_all_its_parts() -> None:
    text = "\n".join(f"line {i}\n" for i in range(200_000))
    sample = Lines(text).sample()
    assert sample[0] == "line 0"
    assert sample[-1] == "line 199999"
    assert 200 < len(sample) < 1000
    assert any("line 100" in line for line in sample)
    assert all(line.startswith("line ") for line in sample)


def test_a_sample_of_a_small_text_is_all_of_it() -> None:
    assert Lines("a\r\n\n  \nb").sample() == ["a", "b"]
