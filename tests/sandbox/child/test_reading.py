import pytest

from rlm_local.sandbox.child.reading import Reading, read_passages
from tests.sandbox.child.texts_with_titles import FAILED, Reader

PASSAGES = [("Skell", "Skell is a village of ninety houses."), ("Tarn", "The Tarn is a river.")]


def read(reply: object, question: str = "How many houses has Skell?", **options: bool) -> Reading:
    worker = Reader(lambda prompt: reply)
    return read_passages(worker, question, PASSAGES, prompt_chars=4000, **options)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("ninety", "ninety"),
        (" ninety.\nBecause it says so.", "ninety"),
        ('"ninety houses"', "ninety houses"),
        ("Answer: ninety", "ninety"),
        ("The answer is ninety.", "ninety"),
        ("Skell Inc.", "Skell Inc"),
        ("J. K.", "J. K."),
        ("unknown", None),
        ("Unknown.", None),
        ("The passages do not say.", None),
        ("Not mentioned in the passages", None),
        ("", None),
        ("  \n ", None),
    ],
)
def test_a_reply_is_made_a_short_answer_or_none(reply: str, answer: str | None) -> None:
    assert read(reply).answer == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("- Skell has ninety houses.\nAnswer: ninety", "ninety"),
        ("Answer: unknown", None),
        ("- facts without an end", None),
    ],
)
def test_with_facts_first_the_answer_stands_behind_them(reply: str, answer: str | None) -> None:
    assert read(reply, facts_first=True).answer == answer


def test_a_failed_sub_call_is_no_answer_and_says_why() -> None:
    assert read(FAILED) == Reading(None, "no luck")


def test_a_question_for_yes_or_no_gets_one_of_these() -> None:
    worker = Reader("yes")
    found = read_passages(
        worker, "Is Skell a village?", PASSAGES, prompt_chars=4000, facts_first=True
    )
    assert found.answer == "yes"
    assert worker.choices == [("yes", "no", "unknown")]


def test_passages_stand_numbered_before_the_question() -> None:
    worker = Reader("x")
    read_passages(worker, "How many houses has Skell?", PASSAGES, prompt_chars=4000)
    (prompt,) = worker.prompts
    assert prompt.index("[1] Skell\n") < prompt.index("[2] Tarn\n") < prompt.index("Question: How")
    assert worker.choices == [None]


def test_a_prompt_fits_the_worker() -> None:
    worker = Reader("x")
    long = [(f"p{n}", "many words of it " * 500) for n in range(6)]
    read_passages(worker, "What of it?", long, prompt_chars=4000, facts_first=True)
    assert len(worker.prompts[0]) <= 4000
