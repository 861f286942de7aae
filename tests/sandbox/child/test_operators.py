from rlm_local.sandbox.child.classification import Classifier
from rlm_local.sandbox.child.failures import SubcallFailure
from rlm_local.sandbox.child.operators import Operators
from rlm_local.sandbox.child.reducing import Reducer
from tests.sandbox.child.worker import FunctionWorker


def operators(worker: FunctionWorker, prompt_chars: int = 2000) -> Operators:
    return Operators(
        worker,
        prompt_chars,
        classifier=Classifier(worker, prompt_chars),
        reducer=Reducer(worker, prompt_chars, ""),
    )


def test_extract_gives_one_value_an_item() -> None:
    worker = FunctionWorker(lambda prompt: 1878 if "bridge" in prompt else 1900)
    assert operators(worker).extract("Which year?", ["the bridge", "the mill"], int) == [1878, 1900]
    (asked,) = worker.asked
    assert (asked.type, asked.schema) == (int, None)
    assert asked.prompts[0] == (
        "Which year?\nReply with the value only.\n\nText:\nthe bridge\n\nValue:"
    )


def test_extract_takes_a_schema_for_a_type() -> None:
    worker = FunctionWorker(lambda prompt: {"year": 1})
    schema = {"type": "object"}
    assert operators(worker).extract("?", "one text", schema) == [{"year": 1}]
    assert (worker.asked[0].type, worker.asked[0].schema) == (None, schema)


def test_extract_without_a_type_gives_texts_and_none_where_an_item_does_not_say() -> None:
    replies = {"a": " red\n", "b": "NOT FOUND.", "c": None}
    worker = FunctionWorker(lambda prompt: replies[prompt.split("Text:\n")[1][0]])
    red, none, failed = operators(worker).extract("Colour?", ["a", "b", "c"])
    assert (red, none) == ("red", None)
    assert isinstance(failed, SubcallFailure)
    assert "If the text does not say, reply NOT FOUND." in worker.asked[0].prompts[0]


def test_an_answer_that_holds_the_words_not_found_is_an_answer() -> None:
    replies = iter(["404 NOT FOUND", "**Not found.**", "not  found"])
    worker = FunctionWorker(lambda prompt: next(replies))
    assert operators(worker).extract("Status?", ["a", "b", "c"]) == ["404 NOT FOUND", None, None]
    worker = FunctionWorker(lambda prompt: "404 NOT FOUND")
    assert operators(worker).ask("Status?", "words " * 1000) == "404 NOT FOUND"
    assert "- 404 NOT FOUND" in worker.asked[-1].prompts[0]


def test_a_long_text_is_asked_in_parts_and_the_closing_answer_has_the_type() -> None:
    worker = FunctionWorker(lambda prompt: "part says 3")
    assert operators(worker).ask("How many?", "words " * 1000, type=int) == "part says 3"
    *mapped, closing = worker.asked
    assert [asked.type for asked in mapped] == [None]
    assert closing.type is int
    assert "- part says 3\n- part says 3" in closing.prompts[0]
