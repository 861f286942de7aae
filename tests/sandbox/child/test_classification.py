from collections.abc import Mapping

import pytest

from rlm_local.sandbox.child.classification import Classifier, distinct_labels
from rlm_local.sandbox.child.failures import SubcallFailure
from tests.sandbox.child.worker import FunctionWorker

LABELS = ["rain", "sun"]
INVENTED = "- rain: it pours now\n- sun: a clear sky\n- rain: a wet day\n- sun: hot sands"


def by_words(prompt: str) -> str:
    return "rain" if "wet" in prompt else "sun"


def leaning(prompt: str) -> Mapping[str, float]:
    """Always rain, but surer of it where it is wet."""
    number = int(prompt.split()[2])
    return {"rain": -0.01, "sun": (-6.0 if "wet" in prompt else -2.0) - number % 7 / 5}


def test_each_item_gets_its_label_in_order_and_equal_ones_are_asked_once() -> None:
    worker = FunctionWorker(scores=by_words)
    labels = Classifier(worker, 4000).classify(["wet 1", "dry 1", "wet 1", "dry 2"], LABELS)
    assert labels == ["rain", "sun", "rain", "sun"]
    (asked,) = worker.asked
    assert asked.prompts == ["Text: wet 1\nLabel:", "Text: dry 1\nLabel:", "Text: dry 2\nLabel:"]
    assert asked.choices == LABELS


def test_the_question_and_the_labels_are_the_system_text() -> None:
    worker = FunctionWorker(scores=by_words)
    classifier = Classifier(worker, 4000)
    classifier.classify(["a"], LABELS, instruction="What is the weather?")
    classifier.classify(["a"], ["a, or b", "a very long label of many words"])
    assert worker.asked[0].system == "What is the weather?\nAnswer with one label from: rain, sun."
    assert "\n- a, or b\n- a very long label of many words" in (worker.asked[1].system or "")


def test_given_examples_are_earlier_turns() -> None:
    worker = FunctionWorker(scores=by_words)
    Classifier(worker, 4000).classify(["a"], LABELS, examples=[("storm", "rain")])
    assert worker.asked[0].shots == [("Text: storm\nLabel:", "rain")]


def test_examples_are_invented_once_for_labels_and_instruction() -> None:
    worker = FunctionWorker(lambda prompt: INVENTED, by_words)
    classifier = Classifier(worker, 4000)
    for instruction in ("Weather?", "Weather?", "What weather?"):
        classifier.classify([f"item {n}" for n in range(9)], LABELS, instruction=instruction)
    assert sum(asked.regex is not None for asked in worker.asked) == 2
    assert worker.asked[1].shots[:2] == [
        ("Text: it pours now\nLabel:", "rain"),
        ("Text: a clear sky\nLabel:", "sun"),
    ]


def test_none_are_invented_where_none_are_wanted_or_few_items_are_asked_about() -> None:
    worker = FunctionWorker(lambda prompt: INVENTED, by_words)
    classifier = Classifier(worker, 4000)
    classifier.classify([f"item {n}" for n in range(9)], LABELS, examples=[])
    classifier.classify(["a", "b"], LABELS)
    assert [asked.shots for asked in worker.asked] == [[], []]


def test_a_worker_that_cannot_invent_labels_without_examples() -> None:
    worker = FunctionWorker(lambda prompt: None, by_words)
    labels = Classifier(worker, 4000).classify([f"dry {n}" for n in range(9)], LABELS)
    assert labels == ["sun"] * 9


@pytest.mark.parametrize(("n_wet", "n_dry"), [(20, 20), (35, 7), (7, 35)])
def test_a_lean_to_one_of_two_labels_is_cut_where_words_change(n_wet: int, n_dry: int) -> None:
    texts = [f"wet {n}" for n in range(n_wet)] + [f"dry {n}" for n in range(n_dry)]
    worker = FunctionWorker(scores=leaning)
    labels = Classifier(worker, 4000).classify(texts, LABELS, examples=[])
    assert labels == ["rain"] * n_wet + ["sun"] * n_dry


def test_what_has_no_scores_or_more_labels_or_few_items_is_not_cut() -> None:
    texts = [f"wet {n}" for n in range(20)] + [f"dry {n}" for n in range(20)]
    for items, labels, scores in (
        (texts, [*LABELS, "snow"], leaning),
        (texts[10:25], LABELS, leaning),
        (texts, LABELS, lambda prompt: "rain"),
    ):
        worker = FunctionWorker(scores=scores)
        found = Classifier(worker, 4000).classify(items, labels, examples=[])
        assert found == ["rain"] * len(items)


def test_a_label_that_the_server_does_not_list_is_unknown() -> None:
    texts = [f"wet {n}" for n in range(20)] + [f"dry {n}" for n in range(20)]

    def lists_one(prompt: str) -> Mapping[str, float]:
        return {"rain": -0.01} if "wet" in prompt else leaning(prompt)

    worker = FunctionWorker(scores=lists_one)
    assert Classifier(worker, 4000).classify(texts, LABELS, examples=[]) == ["rain"] * 40


def test_a_few_replies_that_list_one_label_stay_as_they_are_beside_a_cut() -> None:
    texts = [f"wet {n}" for n in range(30)] + [f"dry {n}" for n in range(30)] + ["odd 1"]
    worker = FunctionWorker(scores=lambda p: {"sun": -0.1} if "odd" in p else leaning(p))
    labels = Classifier(worker, 4000).classify(texts, LABELS, examples=[])
    assert labels == ["rain"] * 30 + ["sun"] * 31


def test_failures_stay_failures_beside_the_others() -> None:
    texts = [f"wet {n}" for n in range(20)] + [f"dry {n}" for n in range(20)] + ["lost 1"]
    worker = FunctionWorker(scores=lambda p: None if "lost" in p else leaning(p))
    labels = Classifier(worker, 4000).classify(texts, LABELS, examples=[])
    assert isinstance(labels[-1], SubcallFailure)
    assert labels[:-1] == ["rain"] * 20 + ["sun"] * 20


def test_long_items_and_examples_are_cut_to_the_window() -> None:
    worker = FunctionWorker(scores=by_words)
    examples = [("wet " * 5000, "rain"), ("dry " * 5000, "sun")]
    Classifier(worker, 2000).classify(["item " * 9000], LABELS, examples=examples)
    (asked,) = worker.asked
    whole = len(asked.system or "") + sum(len(a) + len(b) for a, b in asked.shots)
    assert whole + len(asked.prompts[0]) <= 2000
    assert len(asked.shots) == 2


def test_examples_that_leave_no_room_are_left_out() -> None:
    worker = FunctionWorker(scores=by_words)
    labels = [f"label {n} " + "x" * 60 for n in range(30)]
    Classifier(worker, 2000).classify(["a"], labels, examples=[("t", label) for label in labels])
    assert worker.asked[0].shots == []


def test_no_items_ask_nobody() -> None:
    worker = FunctionWorker()
    assert Classifier(worker, 4000).classify([], LABELS) == []
    assert worker.asked == []


@pytest.mark.parametrize("labels", [["one"], "one", [], ["a", " a "]])
def test_fewer_than_two_labels_are_refused(labels: list[str] | str) -> None:
    with pytest.raises(ValueError, match="two labels or more"):
        distinct_labels(labels)
