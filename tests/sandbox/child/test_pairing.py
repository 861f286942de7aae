import datetime

import pytest

from rlm_local.sandbox.child.pairing import MOST_PAIRS, Pairing
from rlm_local.sandbox.child.records.dates import Date, Month
from rlm_local.sandbox.child.records.ids import Id
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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Id("40117"), 40117),
        (40117.0, "40117"),
        (Date("2023-01-06"), datetime.date(2023, 1, 6)),
        (Month(7), 7),
        ((Id("7"), "a"), [7, "a"]),
    ],
)
def test_keys_that_are_equal_in_another_type_agree(one: object, other: object) -> None:
    worker = FunctionWorker(scores=lambda prompt: "yes")
    left, right = [{"day": one}, {"day": "else"}], [{"Day ": other}]
    assert Pairing(worker, 4000).join(left, right, "?", key="day") == [(left[0], right[0])]
    assert len(worker.asked[0].prompts) == 1


def test_a_field_that_an_item_fills_when_it_is_read_may_be_the_key() -> None:
    class Lazy(dict[str, object]):
        def __missing__(self, name: str) -> object:
            return {"mood": "glad"}[name]

    worker = FunctionWorker(scores=lambda prompt: "yes")
    left, right = [Lazy(text="a")], [{"text": "b", "mood": "glad"}]
    assert Pairing(worker, 4000).join(left, right, "?", key="mood") == [(left[0], right[0])]


def test_it_is_told_when_no_items_agree_in_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    worker = FunctionWorker(scores=lambda prompt: "yes")
    pairing = Pairing(worker, 4000)
    assert pairing.join([{"id": 1}], [{"id": "x"}], "?", key="id") == []
    assert capsys.readouterr().out == (
        "[note] no two items agree in 'id', so no pair was asked; left has '1', right has 'x'\n"
    )
    alone = [{"id": 1}, {"id": 2}]
    assert pairing.join(alone, alone, "?", key="id") == []
    assert "[note] no two items agree" in capsys.readouterr().out
    pairing.join([{"id": 1}], [{"id": "1"}], "?", key="id")
    assert pairing.join([], alone, "?", key="id") == []
    assert capsys.readouterr().out == ""


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
