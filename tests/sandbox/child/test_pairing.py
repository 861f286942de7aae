import pytest

from rlm_local.sandbox.child.pairing import MOST_PAIRS, Pairing
from tests.sandbox.child.worker import FunctionWorker


def same_letter(prompt: str) -> str | None:
    first, second = (line.split(": ")[1] for line in prompt.split("\n")[:2])
    if "lost" in prompt:
        return None
    return "yes" if first[0] == second[0] else "no"


def test_pairs_that_belong_together_come_back_as_the_items_they_are() -> None:
    worker = FunctionWorker(scores=same_letter)
    left = [{"text": "apple"}, {"text": "beet"}]
    pairs = Pairing(worker, 4000).join(left, ["ant", "bat", "cow"], "Same first letter?")
    assert pairs == [(left[0], "ant"), (left[1], "bat")]
    (asked,) = worker.asked
    assert len(asked.prompts) == 6
    assert (asked.system or "").startswith("Same first letter?\n")
    assert asked.choices == ["yes", "no"]


def test_a_list_joined_with_itself_gives_each_pair_once() -> None:
    worker = FunctionWorker(scores=same_letter)
    items = ["ant", "ape", "bat"]
    assert Pairing(worker, 4000).join(items, items, "?") == [("ant", "ape")]
    assert len(worker.asked[0].prompts) == 3


def test_only_items_that_agree_in_the_key_are_asked_about() -> None:
    worker = FunctionWorker(scores=same_letter)
    left = [{"text": "ant", "day": 1}, {"text": "axe", "day": 2}]
    right = [{"text": "ape", "day": 2}, {"text": "arm", "day": 3}]
    assert Pairing(worker, 4000).join(left, right, "?", key="day") == [(left[1], right[0])]
    assert len(worker.asked[0].prompts) == 1
    assert Pairing(worker, 4000).join(["a"], ["bb"], "?", key=lambda item: len(str(item))) == []
    with pytest.raises(ValueError, match="no such field"):
        Pairing(worker, 4000).join(left, right, "?", key="night")


def test_too_many_pairs_are_refused_with_their_number_and_what_to_do() -> None:
    worker = FunctionWorker(scores=same_letter)
    items = [str(n) for n in range(200)]
    with pytest.raises(ValueError, match=r"200 x 200 items make 40,000 pairs.* key="):
        Pairing(worker, 4000).join(items, list(items), "?")
    with pytest.raises(ValueError, match=f"19,900 pairs.* at most {MOST_PAIRS:,}"):
        Pairing(worker, 4000).join(items, items, "?")
    assert worker.asked == []
    assert len(Pairing(worker, 4000).join(items, items, "?", most_pairs=20_000)) > 0


def test_pairs_that_could_not_be_judged_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    worker = FunctionWorker(scores=same_letter)
    assert Pairing(worker, 4000).join(["lost", "a"], ["ant"], "?") == [("a", "ant")]
    assert "1 of 2 pairs could not be judged: no luck" in capsys.readouterr().out


def test_long_items_are_cut_to_the_window_and_none_ask_nobody() -> None:
    worker = FunctionWorker(scores=same_letter)
    Pairing(worker, 2000).join(["a" * 9000], ["a" * 9000], "?")
    assert len(worker.asked[0].prompts[0]) <= 2000
    assert Pairing(worker, 2000).join([], ["a"], "?") == []
    assert len(worker.asked) == 1
