import asyncio
import dataclasses
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rlm_local.errors import ModelError, WeightsError
from rlm_local.serving.constraints import fits
from rlm_local.serving.transformers_model import TransformersModel
from rlm_local.types import Choices, JsonSchema, Message, ModelRequest, Regex, Sampling
from tests.fakes.tiny_model import save_tiny_model

# Torch's own compiler package warns of torch's own past when Outlines' kernel imports it.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-model")
    save_tiny_model(folder)
    return folder


@pytest.fixture
async def model(tiny_folder: Path) -> AsyncIterator[TransformersModel]:
    opened = TransformersModel(tiny_folder, name="tiny", digest="d", context_tokens=400)
    yield opened
    await opened.aclose()


def worker(text: str, *, max_tokens: int = 12) -> ModelRequest:
    return ModelRequest((Message("user", text),), Sampling(max_tokens), priority=10)


async def test_a_batch_gives_what_its_requests_give_alone(model: TransformersModel) -> None:
    requests = [worker("a"), worker("a much longer question " * 3), worker("short", max_tokens=3)]
    alone = [(await model.complete(request)).text for request in requests]
    together = await asyncio.gather(*map(model.complete, requests))
    assert [reply.text for reply in together] == alone


async def test_each_row_of_a_batch_ends_at_its_own_length(model: TransformersModel) -> None:
    lengths = [1, 5, 9]
    replies = await asyncio.gather(
        *(model.complete(worker("abc", max_tokens=length)) for length in lengths)
    )
    assert [reply.usage.completion_tokens for reply in replies] == lengths
    assert {reply.finish_reason for reply in replies} == {"length"}


async def test_the_next_root_turn_reads_only_what_is_new(model: TransformersModel) -> None:
    first = ModelRequest((Message("user", "question " * 9),), Sampling(10))
    reply = await model.complete(first)
    assert reply.usage.cached_tokens == 0
    history = (*first.messages, Message("assistant", reply.text), Message("user", "go on"))
    await model.complete(worker("a sub-call in between"))
    second = ModelRequest(history, Sampling(10))
    continued = await model.complete(second)
    assert continued.usage.cached_tokens >= reply.usage.prompt_tokens
    fresh = await asyncio.gather(model.complete(second), model.complete(second))
    assert {other.text for other in fresh} == {continued.text}
    assert {other.usage.cached_tokens for other in fresh} == {0}


async def test_a_changed_history_is_reused_up_to_the_change(model: TransformersModel) -> None:
    requests = [
        ModelRequest((Message("user", f"{'same ' * 10}{end}"),), Sampling(6))
        for end in ("one", "two")
    ]
    await model.complete(requests[0])
    changed = await model.complete(requests[1])
    assert 50 <= changed.usage.cached_tokens < changed.usage.prompt_tokens
    same_again = await model.complete(requests[1])
    assert same_again.usage.cached_tokens == changed.usage.prompt_tokens - 1
    assert same_again.text == changed.text


async def test_a_prefill_is_continued_not_answered(model: TransformersModel) -> None:
    messages = (Message("user", "code"), Message("assistant", "```python\n"))
    prefilled = await model.complete(ModelRequest(messages, Sampling(4), None, True))
    # user, code, end, assistant, and the opened fence with nothing after it
    assert prefilled.usage.prompt_tokens == 1 + len("code") + 1 + 1 + len("```python\n")
    assert "```python" not in prefilled.text


@pytest.mark.parametrize(
    "constraint",
    [
        Choices(("apple", "pear")),
        Regex(r"[0-9]{3}-[a-f]{2}"),
        JsonSchema(
            '{"additionalProperties": false, "properties": {"ok": {"type": "boolean"}}, '
            '"required": ["ok"], "type": "object"}'
        ),
    ],
)
async def test_constraints_are_held_for_every_row(
    model: TransformersModel, constraint: Choices | Regex | JsonSchema
) -> None:
    requests = [
        ModelRequest((Message("user", text),), Sampling(60), constraint, priority=1)
        for text in ("a", "bb", "ccc")
    ]
    for _ in range(2):  # the second time with the automaton that was kept
        replies = await asyncio.gather(*map(model.complete, requests))
        assert all(fits(reply.text, constraint) for reply in replies)


async def test_scores_are_the_choices_shares_and_the_reply_has_the_greatest(
    model: TransformersModel,
) -> None:
    choices = Choices(("apple", "pear", "peach"))
    plain = ModelRequest((Message("user", "a"),), Sampling(60), choices, priority=1)
    wanting = dataclasses.replace(plain, wants_scores=True)
    told, untold = await asyncio.gather(model.complete(wanting), model.complete(plain))
    assert (told.text, untold.scores) == (untold.text, {})
    assert set(told.scores) <= set(choices.values)
    assert told.text in told.scores
    assert sum(map(math.exp, told.scores.values())) <= 1.0001


async def test_a_reply_ends_before_its_stop_text(model: TransformersModel) -> None:
    whole = (await model.complete(worker("abc", max_tokens=20))).text
    stop = whole[7:9]
    cut = await model.complete(ModelRequest((Message("user", "abc"),), Sampling(20, stop=(stop,))))
    assert cut.text == whole[: whole.index(stop)]
    assert cut.finish_reason == "stop"
    assert cut.usage.completion_tokens < 20


async def test_seeds_make_sampling_repeatable(model: TransformersModel) -> None:
    requests = [
        ModelRequest((Message("user", "x"),), Sampling(16, temperature=1.5, seed=seed))
        for seed in (1, 1, 2)
    ]
    texts = [(await model.complete(request)).text for request in requests]
    assert texts[0] == texts[1] != texts[2]


async def test_a_prompt_beyond_the_window_fails_alone(model: TransformersModel) -> None:
    replies = await asyncio.gather(
        model.complete(worker("x" * 500)), model.complete(worker("fits")), return_exceptions=True
    )
    assert isinstance(replies[0], ModelError)
    assert "window has 400" in str(replies[0])
    assert not isinstance(replies[1], BaseException)


async def test_a_cancelled_request_does_not_hold_the_next_up(model: TransformersModel) -> None:
    await model.load()
    task = asyncio.create_task(model.complete(worker("long", max_tokens=380)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await model.complete(worker("next"))).text


async def test_a_lone_surrogate_is_read_as_a_replacement(model: TransformersModel) -> None:
    reply = await model.complete(worker("a\ud800b"))
    # the replacement character has three bytes
    assert reply.usage.prompt_tokens == 1 + len("a�b".encode()) + 1 + 1


async def test_a_broken_constraint_is_refused(model: TransformersModel) -> None:
    with pytest.raises(ModelError, match="regular expression"):
        await model.complete(ModelRequest((Message("user", "x"),), Sampling(4), Regex("(")))


async def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    empty = TransformersModel(tmp_path, name="none", digest="d", context_tokens=10)
    with pytest.raises(WeightsError, match=tmp_path.name):
        await empty.complete(worker("x"))
    await empty.aclose()


async def test_a_closed_model_says_so(tiny_folder: Path) -> None:
    model = TransformersModel(tiny_folder, name="tiny", digest="d", context_tokens=400)
    await model.complete(worker("x"))
    await model.aclose()
    await model.aclose()
    with pytest.raises(ModelError, match="closed"):
        await model.complete(worker("x"))
