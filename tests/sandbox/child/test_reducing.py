import itertools

import pytest

from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.sandbox.child.reducing import NOT_FOUND, Reducer
from tests.sandbox.child.worker import FunctionWorker

TEXT = "".join(f"line {n} of the log\n" for n in range(600))


def finder(prompt: str) -> str:
    """Finds the sevens in a part, and joins notes."""
    body = prompt.split("Text:\n")[1]
    if "notes on parts" in prompt:
        return f"joined {body.count('- ')}"
    return "seven" if "line 7 " in body else NOT_FOUND


def test_a_text_is_read_in_parts_and_the_answers_put_together(
    capsys: pytest.CaptureFixture[str],
) -> None:
    worker = FunctionWorker(finder)
    answer = Reducer(worker, 2000, TEXT).map_reduce("Where?")
    assert answer == "joined 1"
    mapped, closing = worker.asked
    assert all(len(prompt) <= 2000 for prompt in mapped.prompts)
    assert "- seven" in closing.prompts[0]
    n_parts = len(mapped.prompts)
    assert capsys.readouterr().out == (f"[note] map_reduce read {n_parts} parts; 1 had an answer\n")


def test_what_no_part_says_is_not_found() -> None:
    worker = FunctionWorker(lambda prompt: NOT_FOUND)
    assert Reducer(worker, 2000, TEXT).map_reduce("Where?") == NOT_FOUND
    assert len(worker.asked) == 1


def test_an_answer_that_holds_the_words_not_found_is_an_answer() -> None:
    worker = FunctionWorker(lambda prompt: "404 NOT FOUND" if "bad" in prompt else '"Not found."')
    found = Reducer(worker, 2000, "").map_reduce("Status?", ["bad", "good"], list)
    assert found == ["404 NOT FOUND"]


def test_answers_that_fit_no_one_prompt_are_put_together_in_a_tree() -> None:
    def long(prompt: str) -> str:
        return "x" * 300 if "notes" not in prompt else "y" * 300

    worker = FunctionWorker(long)
    pieces = [f"piece {n}" for n in range(40)]
    assert Reducer(worker, 1500, "").map_reduce("Sum up.", pieces) == "y" * 300
    sizes = [len(asked.prompts) for asked in worker.asked]
    assert sizes[0] == 40
    assert sizes[-1] == 1
    assert len(sizes) > 3
    assert all(after < before for before, after in itertools.pairwise(sizes))
    assert all(len(prompt) <= 1500 for asked in worker.asked for prompt in asked.prompts)


def test_answers_too_long_for_one_prompt_each_still_come_to_an_end() -> None:
    worker = FunctionWorker(lambda prompt: "z" * 9000)
    assert str(Reducer(worker, 1200, "").map_reduce("?", ["a", "b", "c", "d", "e"])) == "z" * 9000
    assert all(len(prompt) <= 1400 for asked in worker.asked for prompt in asked.prompts)


def test_a_cell_may_put_answers_together_by_itself_or_say_how() -> None:
    worker = FunctionWorker(lambda prompt: prompt.split("Text:\n")[1].split("\n")[0])
    reducer = Reducer(worker, 2000, "")
    assert reducer.map_reduce("?", ["a", "b"], lambda found: "+".join(found)) == "a+b"
    reducer.map_reduce("?", ["a", "b"], "List them.")
    assert worker.asked[-1].prompts[0].startswith("List them.\n")


def test_one_part_needs_no_putting_together() -> None:
    worker = FunctionWorker(lambda prompt: "here")
    assert Reducer(worker, 2000, "").map_reduce("Where?", "a short text") == "here"
    assert len(worker.asked) == 1


def test_failures_are_told_and_are_the_answer_only_where_there_is_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    worker = FunctionWorker(lambda prompt: None if "bad" in prompt else "good one")
    reducer = Reducer(worker, 2000, "")
    assert reducer.map_reduce("?", ["bad", "fine"]) == "good one"
    assert "1 had an answer, 1 failed (no luck)" in capsys.readouterr().out
    assert isinstance(reducer.map_reduce("?", ["bad"]), SubcallFailure)
