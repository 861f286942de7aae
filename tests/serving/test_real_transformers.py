"""The in-process backend over real weights."""

import contextlib
from pathlib import Path

import pytest

from rlm_local.serving.transformers_model import TransformersModel
from rlm_local.types import Choices, Message, ModelRequest, Regex, Sampling

pytestmark = [
    pytest.mark.weights,
    pytest.mark.timeout(600),
    # Torch's own compiler package warns of torch's own past when Outlines' kernel imports it.
    pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning"),
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
