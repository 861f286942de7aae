"""A run's beginning and end stand in its trace, and agree with the answer that is given back."""

from rlm_local.events import RunEnded, RunStarted
from tests.engine.scenes import SANDBOX, Scene, cell


async def test_the_record_of_the_end_and_the_answer_say_the_same() -> None:
    stage = Scene.of(cell("print(grep('magic'))"), cell("FINAL('9345706')"))
    answer = await stage.ask()
    ended = stage.sink.of(RunEnded)[-1]
    assert (ended.answer, ended.stop_reason) == (answer.text, answer.stop_reason)
    assert (ended.turns, ended.subcalls) == (answer.turns, answer.subcalls)
    assert ended.usage == answer.usage
    assert stage.sink.events[-1] == ended


async def test_the_record_of_the_start_names_question_text_models_and_limits() -> None:
    stage = Scene.of(cell("print(grep('magic'))"), cell("FINAL('9345706')"), seed=7)
    answer = await stage.ask("Which number?")
    started = stage.sink.of(RunStarted)[0]
    assert started.question == "Which number?"
    assert started.context == answer.context
    assert started.models == {"root": stage.root.digest, "worker": stage.worker.digest}
    assert started.limits["max_turns"] == 12
    assert started.sandbox == SANDBOX
    assert started.seed == 7
    assert started.versions["rlm_local"]
