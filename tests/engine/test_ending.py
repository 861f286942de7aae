import pytest

from rlm_local.engine.ending import answer_form, plain_answer
from rlm_local.types import Choices, Completion, Limits, ModelRequest, Regex
from tests.engine.scenes import Scene, cell
from tests.fakes.parts import ScriptedRoot

LOOK = cell("print(grep('sunny'))")


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


async def test_a_run_that_only_repeated_itself_does_not_say_that_its_turns_are_used() -> None:
    scene = Scene.of(root=ScriptedRoot(*[LOOK] * 7, ""), limits=Limits(max_turns=50))
    answer = await scene.ask()
    assert "9345706" in answer.text
    assert answer.error == (
        "the root only repeated cells, so it was stopped after 3 turns without an answer"
    )


@pytest.mark.parametrize(
    ("look", "limits", "stop"),
    [
        (LOOK, Limits(max_turns=1), "max_turns"),
        (cell("print(grep('sunny'), llm_query_batched(['a', 'b']))"), Limits(max_subcalls=1),
         "max_subcalls"),
    ],
)  # fmt: skip
async def test_a_last_prompt_that_fits_no_window_leaves_what_was_found(
    look: str, limits: Limits, stop: str
) -> None:
    scene = Scene.of(look, limits=limits)
    inner = scene.root.answer

    async def then_narrow(request: ModelRequest) -> Completion:
        scene.root.context_tokens = 100
        return await inner(request)

    scene.root.answer = then_narrow
    answer = await scene.ask()
    assert answer.stop_reason == stop
    assert "9345706" in answer.text
    assert len(scene.root.requests) == 1


async def test_a_forced_answer_that_does_not_fit_its_form_is_taken_as_it_stands() -> None:
    scene = Scene.of(LOOK, "Answer: there are 3 gates", limits=Limits(max_turns=1))
    answer = await scene.ask("How many gates are there?")
    assert scene.root.requests[-1].constraint == Regex(r"[0-9][0-9,]*")
    assert (answer.text, answer.stop_reason) == ("there are 3 gates", "forced")


async def test_a_last_answer_that_names_a_variable_is_its_value() -> None:
    seen = cell("code = context.split('is ')[1][:7]\nprint(code)")
    for said in (
        "FINAL_VAR(code)",
        'I return it.\nFINAL_VAR("code")',
        "```repl\nFINAL_VAR('code')\n```",
    ):
        scene = Scene.of(seen, said, limits=Limits(max_turns=1))
        answer = await scene.ask()
        assert (answer.text, answer.stop_reason) == ("9345706", "forced")


async def test_a_last_answer_that_names_nothing_gives_what_was_found() -> None:
    scene = Scene.of(cell("print(grep('magic'))"), "FINAL_VAR(nothing)", limits=Limits(max_turns=1))
    answer = await scene.ask()
    assert "9345706" in answer.text
    assert answer.stop_reason == "max_turns"
