import pytest

from rlm_local.engine.child_calls import ChildCall, child_calls
from rlm_local.types import CellCall, ContextSlice, Json


def _read(texts: tuple[str, ...], **args: Json) -> tuple[ChildCall, ...]:
    return child_calls(CellCall("rlm_query", args, texts))


def test_without_contexts_every_text_is_a_question() -> None:
    assert _read(("a?", "b?"), has_context=False) == (ChildCall("a?"), ChildCall("b?"))
    assert _read(()) == ()


def test_a_slice_takes_the_place_of_its_text() -> None:
    calls = _read(("a?", "b?", "text of b"), has_context=True, slices=[[5, 9], None])
    assert calls == (ChildCall("a?", part=ContextSlice(5, 9)), ChildCall("b?", text="text of b"))


def test_without_slices_questions_and_texts_take_turns() -> None:
    calls = _read(("a?", "text of a", "b?", ""), has_context=True)
    assert calls == (ChildCall("a?", text="text of a"), ChildCall("b?", text=""))


@pytest.mark.parametrize(
    ("texts", "slices", "said"),
    [
        (("a?",), None, "each question needs its context"),
        (("a?", "text", "b?"), [None, [0, 1], [1, 2]], "each question needs its context"),
        (("a?",), [[9, 5]], "a slice is a start and an end"),
        (("a?",), [[-1, 5]], "a slice is a start and an end"),
        (("a?",), [[1, 2, 3]], "a slice is a start and an end"),
        (("a?",), ["0:5"], "a slice is a start and an end"),
        (("a?",), 5, "slices must be a list"),
    ],
)
def test_what_does_not_add_up_is_refused(texts: tuple[str, ...], slices: Json, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _read(texts, has_context=True, slices=slices)
