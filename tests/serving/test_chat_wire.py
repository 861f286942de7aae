import pytest

from rlm_local.serving.chat_wire import ChatWire, Dialect
from rlm_local.serving.tokenizer import RatioTokenCounter
from rlm_local.types import Message, ModelRequest, Sampling

WIRE = ChatWire("worker", "openai", RatioTokenCounter())
VLLM = ChatWire("worker", "vllm", RatioTokenCounter())
ASK = ModelRequest((Message("user", "?"),), Sampling(8))
OF_A_RUN = ModelRequest((Message("user", "?"),), Sampling(8), cache_salt="one", session="run-1")


def test_vllm_is_told_whose_cache_it_may_use_and_a_router_which_conversation_it_is() -> None:
    assert VLLM.body(OF_A_RUN)["cache_salt"] == "one"
    assert VLLM.headers(OF_A_RUN) == {"X-Session-ID": "run-1"}
    assert "run-1" not in str(VLLM.body(OF_A_RUN))


@pytest.mark.parametrize(
    ("dialect", "request_"), [("vllm", ASK), ("openai", ASK), ("openai", OF_A_RUN)]
)
def test_nobody_else_is_told_of_either(dialect: Dialect, request_: ModelRequest) -> None:
    wire = ChatWire("worker", dialect, RatioTokenCounter())
    assert "cache_salt" not in wire.body(request_)
    assert wire.headers(request_) == {}


@pytest.mark.parametrize("reason", [None, 5, [], {}, ["stop"], "tool_calls"])
def test_a_finish_reason_that_is_not_known_is_another(reason: object) -> None:
    reply = {"choices": [{"message": {"content": "yes"}, "finish_reason": reason}]}
    assert WIRE.completion(ASK, reply, seconds=1.0).finish_reason == "other"
