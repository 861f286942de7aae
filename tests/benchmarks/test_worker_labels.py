from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tasks.data import DataFolder
from benchmarks.worker_labels import Lines, interval, lines_of, measure, report_of
from rlm_local.capacity import FixedServer
from rlm_local.serving.openai_model import Endpoint, OpenAIModel
from rlm_local.serving.tokenizer import RatioTokenCounter
from tests.fakes.openai_server import OpenAIServer


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    lines = [f"ham\tsee you at {n} by the river, as we said\n" for n in range(300)]
    lines += [f"spam\tWIN {n} pounds now, call this number at once\n" for n in range(90)]
    (tmp_path / "SMSSpamCollection").write_text("".join(lines), "utf-8")
    return DataFolder(tmp_path)


@pytest.mark.parametrize(
    ("mix", "counts"),
    [
        ("even", {"ham": 30, "spam": 30}),
        ("5:1", {"ham": 50, "spam": 10}),
        ("natural", {"ham": 46, "spam": 14}),
    ],
)
def test_lines_have_the_mix_asked_for_and_examples_are_other_lines(
    data: DataFolder, mix: str, counts: dict[str, int]
) -> None:
    lines = lines_of(data, "sms", 60, mix=mix, seed=1)
    assert Counter(label for _, label in lines.asked) == counts
    assert Counter(label for _, label in lines.examples) == {"ham": 2, "spam": 2}
    assert not set(lines.examples) & set(lines.asked)
    assert lines == lines_of(data, "sms", 60, mix=mix, seed=1)
    assert lines.asked != lines_of(data, "sms", 60, mix=mix, seed=2).asked


def test_a_mix_of_another_number_of_labels_is_refused(data: DataFolder) -> None:
    with pytest.raises(ValueError, match="3 shares for 2 labels"):
        lines_of(data, "sms", 60, mix="1:2:3", seed=1)


def test_the_interval_is_wilsons() -> None:
    assert interval(8, 10) == pytest.approx((0.490, 0.943), abs=0.001)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(20, 20)[1] == 1.0


def _leans_to_spam(body: dict[str, Any]) -> Mapping[str, float]:
    said = body["messages"][-1]["content"]
    if "Write new texts" in said:
        return {"- ham: hello there\n- spam: win a car\n- ham: good night\n- spam: call us": 1.0}
    ham = 0.001 if "WIN" in said else 0.3
    return {"ham": ham, "spam": 1 - ham}


async def test_each_recipe_is_measured_with_words_weighed_and_without(data: DataFolder) -> None:
    lines = lines_of(data, "sms", 60, mix="even", seed=1)
    async with OpenAIServer() as server:
        server.options.shares = _leans_to_spam
        model = OpenAIModel(
            Endpoint(server.base_url, None, "worker"), digest="d", context_tokens=4096,
            server=FixedServer("here", 8), tokens=RatioTokenCounter(), dialect="vllm",
        )  # fmt: skip
        rows = await measure(model, lines, recipes=("plain", "invented", "real"), in_flight=8)
        await model.aclose()
    assert [row["recipe"] for row in rows] == [
        "plain", "plain, words", "invented", "invented, words", "real", "real, words",
    ]  # fmt: skip
    assert [row["accuracy"] for row in rows] == [0.5, 1.0] * 3
    assert rows[0]["right by label"] == "ham 0/30, spam 30/30"
    assert len(server.requests) == 3 * 60 + 1
    assert [measure.value for measure in report_of(rows, {}).measures] == [1.0]


async def test_what_failed_is_counted_as_wrong() -> None:
    lines = Lines("other", "even", ("a", "b", "c"), (("one", "a"), ("two", "b")), ())
    async with OpenAIServer() as server:
        server.options.fault = "400"
        model = OpenAIModel(
            Endpoint(server.base_url, None, "worker"), digest="d", context_tokens=4096,
            server=FixedServer("here", 8), tokens=RatioTokenCounter(), dialect="vllm",
        )  # fmt: skip
        (row,) = await measure(model, lines, recipes=("plain",), in_flight=8)
        await model.aclose()
    assert (row["accuracy"], row["failed"], row["right by label"]) == (0, 2, "a 0/1, b 0/1, c 0/0")
