import pytest

from rlm_local.engine.ending import answer_form, plain_answer
from rlm_local.types import Choices, Limits, Regex
from tests.engine.scenes import Scene, cell


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("9345706", "9345706"),
        ("Answer: 9345706", "9345706"),
        ("The final answer is: 7", "7"),
        ("FINAL(7)", "7"),
        ("```repl\nFINAL('seven')\n```", "seven"),
        ("```python\nprint(1)\n```", "python\nprint(1)"),
        ("<think>hm</think> 7 ", "7"),
        ("`7`", "7"),
        ("", ""),
    ],
)
def test_an_answer_is_unwrapped(reply: str, answer: str) -> None:
    assert plain_answer(reply) == answer


def test_a_question_without_doubt_about_its_form_is_constrained() -> None:
    assert answer_form("How many bridges are there?") == Regex(r"[0-9][0-9,]*")
    assert answer_form("Is the bridge open?") == Choices(("Yes", "No"))


@pytest.mark.parametrize(
    "question",
    [
        "Which bridge opened first?",
        "Is it a bridge or a tunnel?",
        "How many bridges? Answer as 'Count: N'.",
        "How many bridges are there; answer in words?",
        "Is the bridge open",
    ],
)
def test_a_question_that_leaves_doubt_is_not_constrained(question: str) -> None:
    assert answer_form(question) is None


async def test_the_forced_answer_carries_the_constraint_and_then_no_prefill() -> None:
    for style in ("fence", "prefill"):
        scene = Scene.of(
            "print(context[:5])" if style == "prefill" else cell("print(context[:5])"),
            "3",
            style="prefill" if style == "prefill" else "fence",
            limits=Limits(max_turns=1),
        )
        answer = await scene.ask("How many gates are there?")
        assert (answer.text, answer.stop_reason) == ("3", "forced")
        assert scene.root.requests[-1].constraint == Regex(r"[0-9][0-9,]*")
        assert not scene.root.requests[-1].continue_final
