"""The in-process backend over real weights."""

import contextlib
import datetime
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from rlm_local.engine.typed_replies import constraint_of, fits
from rlm_local.sandbox.child.reply_types import reply_form
from rlm_local.serving.transformers_model import TransformersModel
from rlm_local.types import Choices, Message, ModelRequest, Regex, Sampling


class Town(BaseModel):
    """As a cell might ask for one."""

    name: str = Field(max_length=12)
    since: int = Field(ge=900, le=1000)


pytestmark = [
    pytest.mark.weights,
    pytest.mark.timeout(600),
    # Torch's own compiler package warns of torch's own past when Outlines' kernel imports it.
    pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning"),
]

FRANCE = "Paris is the capital of France. It has been so since 987."
ASKED: list[tuple[Any, str]] = [
    (bool, f"{FRANCE} Is Paris the capital of France? Reply true or false."),
    (Town, f"{FRANCE} Reply with JSON of name and since."),
    (dict[Literal["a", "b"], datetime.date], "Reply with JSON of a, a date."),
]

QUESTION = (Message("user", "What is the capital of France? Reply with its name."),)


async def test_a_real_model_is_typed_prefilled_and_reuses_its_roots_prefix(
    tiny_weights: Path,
) -> None:
    opened = TransformersModel(tiny_weights, name="root", digest="d", context_tokens=2048)
    async with contextlib.aclosing(opened) as model:
        chosen = await model.complete(
            ModelRequest(QUESTION, Sampling(6), Choices(("Lyon", "Paris")), priority=10)
        )
        assert (chosen.text, chosen.finish_reason) == ("Paris", "stop")
        matched = await model.complete(
            ModelRequest(QUESTION, Sampling(6), Regex("[A-Z][a-z]{2,9}"), priority=10)
        )
        assert matched.text == "Paris"
        prefill = (Message("user", "Print 1 in Python."), Message("assistant", "```python\n"))
        first = await model.complete(ModelRequest(prefill, Sampling(12, stop=("```",)), None, True))
        assert first.text.strip() == "print(1)"
        again = await model.complete(ModelRequest(prefill, Sampling(1), None, True))
        assert again.usage.cached_tokens == again.usage.prompt_tokens - 1


async def test_types_of_a_cell_are_held_by_real_weights(tiny_weights: Path) -> None:
    opened = TransformersModel(tiny_weights, name="worker", digest="d", context_tokens=2048)
    async with contextlib.aclosing(opened) as model:
        for kind, question in ASKED:
            form = reply_form(kind)
            constraint = constraint_of(json.loads(json.dumps(form.constraint)))
            request = ModelRequest((Message("user", question),), Sampling(40), constraint)
            reply = await model.complete(request)
            assert fits(reply.text, constraint, was_cut=reply.finish_reason == "length")
            TypeAdapter(kind).validate_python(form.read(reply.text), strict=True)
