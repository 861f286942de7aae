import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.wire import Frame, FrameError
from rlm_local.sandbox.messages import parse_call, parse_done, parse_ready, reply_header
from rlm_local.types import CellCall, CellReply, Passage, SubcallOutcome

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_names = st.sampled_from(
    ["op", "id", "cell", "fn", "args", "texts", "vars", "stdout_chars", "error_type", "report"]
)
_headers = st.dictionaries(_names, _json)


def _call(fn: str, args: dict[str, object], *texts: str) -> CellCall:
    header: dict[str, object] = {"op": "call", "id": 1, "cell": 1, "fn": fn, "args": args}
    return parse_call(Frame(header, texts)).call


@given(_headers, st.lists(st.text(max_size=3), max_size=3))
def test_forged_frames_raise_nothing_but_frame_errors(
    header: dict[str, object], texts: list[str]
) -> None:
    for parse in (parse_call, parse_done, parse_ready):
        try:
            parse(Frame(header, tuple(texts)))
        except FrameError:
            continue


def test_a_call_keeps_what_is_known_and_drops_the_rest() -> None:
    args: dict[str, object] = {"choices": ["a"], "max_tokens": 3, "evil": "x"}
    assert _call("llm_query", args, "p") == CellCall(
        "llm_query", {"choices": ["a"], "max_tokens": 3}, ("p",)
    )


def test_a_call_keeps_what_stands_before_its_prompts() -> None:
    args: dict[str, object] = {"system": "s", "shots": [["a", "b"]], "scores": True}
    assert _call("llm_query", args, "p").args == args


@pytest.mark.parametrize(
    ("fn", "args", "texts"),
    [
        ("llm_query", {"choices": "ab"}, ["p"]),
        ("llm_query", {"choices": [1]}, ["p"]),
        ("llm_query", {"regex": 1}, ["p"]),
        ("llm_query", {"schema": "x"}, ["p"]),
        ("llm_query", {"max_tokens": 0}, ["p"]),
        ("llm_query", {"max_tokens": True}, ["p"]),
        ("llm_query", {"system": 1}, ["p"]),
        ("llm_query", {"shots": "ab"}, ["p"]),
        ("llm_query", {"shots": ["ab"]}, ["p"]),
        ("llm_query", {"shots": [["a"]]}, ["p"]),
        ("llm_query", {"shots": [["a", 1]]}, ["p"]),
        ("llm_query", {"shots": [["a", "b"]] * 1001}, ["p"]),
        ("llm_query", {"scores": "yes"}, ["p"]),
        ("rlm_query", {}, ["p"]),
        ("rlm_query", {"has_context": True, "slices": [None]}, ["p"]),
        ("rlm_query", {"has_context": True, "slices": [[0, 1]]}, ["p", "c"]),
        ("rlm_query", {"has_context": True, "slices": [[2, 1]]}, ["p"]),
        ("rlm_query", {"has_context": True, "slices": [[-1, 1]]}, ["p"]),
        ("rlm_query", {"has_context": True, "slices": [[0, 1.5]]}, ["p"]),
        ("search", {"k": 0}, ["q"]),
        ("search", {"k": 5}, []),
        ("__class__", {}, []),
    ],
)
def test_calls_of_a_wrong_shape_are_refused(
    fn: str, args: dict[str, object], texts: list[str]
) -> None:
    with pytest.raises(FrameError):
        _call(fn, args, *texts)


def test_a_reply_carries_outcomes_in_order_and_marks_the_failed() -> None:
    reply = CellReply((SubcallOutcome("a"), SubcallOutcome(None, "why")), notes=("n",))
    assert reply_header(3, reply) == (
        {"op": "reply", "id": 3, "notes": ["n"], "failed": [1]},
        ("a", "why"),
    )


def test_a_reply_carries_passages_or_a_refusal() -> None:
    header, texts = reply_header(1, CellReply(passages=(Passage("d", 1, 2, "t", 0.5),)))
    assert header["passages"] == [{"document": "d", "start": 1, "score": 0.5}]
    assert texts == ("t",)
    assert reply_header(1, CellReply(refusal="no"))[0]["refusal"] == "no"
