import pytest

from rlm_local.serving.chat_wire import ChatWire
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.types import Message, ModelRequest, Sampling

WIRE = ChatWire("worker", "openai", RatioTokenCounter())


@pytest.mark.parametrize("reason", [None, 5, [], {}, ["stop"], "tool_calls"])
def test_a_finish_reason_that_is_not_known_is_another(reason: object) -> None:
    reply = {"choices": [{"message": {"content": "yes"}, "finish_reason": reason}]}
    request = ModelRequest((Message("user", "?"),), Sampling(8))
    assert WIRE.completion(request, reply, seconds=1.0).finish_reason == "other"
