import pytest

from rlm_local.sandbox.child.asking import MAX_SHOTS, SCORED, Scored, chosen_options
from rlm_local.sandbox.child.wire import MAX_HEADER_BYTES, encode_frame


def test_a_choice_travels_with_its_system_text_and_turns() -> None:
    options, form = chosen_options(["ham", "spam"], "Label it.", [("a", "ham")])
    assert options == {
        "choices": ["ham", "spam"],
        "scores": True,
        "max_tokens": 12,
        "system": "Label it.",
        "shots": [["a", "ham"]],
    }
    assert form is SCORED
    assert "system" not in chosen_options(["ham", "spam"], None, ())[0]


def test_more_than_a_call_can_carry_is_refused() -> None:
    for system, shots in (("x" * 500_000, []), (None, [("a", "b")] * (MAX_SHOTS + 1))):
        with pytest.raises(ValueError, match="at most"):
            chosen_options(["a", "b"], system, shots)


@pytest.mark.parametrize("letter", ["x", "\n", "é", "\x00", "\U0001f600", "\ud800"])
def test_what_is_not_refused_fits_the_header_of_a_frame(letter: str) -> None:
    most = next(n for n in range(400_000, 0, -5_000) if fits(letter * n))
    options, _ = chosen_options(["a", "b"], letter * most, ())
    assert len(encode_frame(options)) < MAX_HEADER_BYTES
    assert most >= 30_000
    with pytest.raises(ValueError, match="at most"):
        chosen_options([letter * 400_000, "b"], None, ())


def fits(system: str) -> bool:
    try:
        return bool(chosen_options(["a", "b"], system, ()))
    except ValueError:
        return False


def test_a_reply_is_the_choice_and_what_is_known_of_the_others() -> None:
    text = '{"value": "ham", "scores": {"ham": -0.5, "spam": -1}}'
    assert SCORED.read(text) == Scored("ham", {"ham": -0.5, "spam": -1.0})
    assert SCORED.read('{"value": "ham", "scores": null}') == Scored("ham", {})


@pytest.mark.parametrize("text", ["ham", "[]", '{"scores": {}}', '{"value": 1, "scores": {}}'])
def test_a_reply_without_a_choice_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        SCORED.read(text)
