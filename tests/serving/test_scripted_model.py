import pytest

from rlm_local.errors import ModelError, ModelUnavailable
from rlm_local.serving.scripted_model import ScriptedModel
from rlm_local.types import Message, ModelRequest, Sampling


def ask(text: str) -> ModelRequest:
    return ModelRequest((Message("user", text),), Sampling(16))


async def test_replies_come_in_order_and_requests_are_kept() -> None:
    model = ScriptedModel(["one", lambda request: request.messages[0].content.upper()])
    assert [(await model.complete(ask(text))).text for text in ("a", "b")] == ["one", "B"]
    assert [request.messages[0].content for request in model.requests] == ["a", "b"]


async def test_an_exhausted_script_quotes_the_request_too_many() -> None:
    model = ScriptedModel(["one"], name="root")
    await model.complete(ask("a"))
    with pytest.raises(ModelError, match=r"root: the script has 1 replies.*request 2: 'why\?'"):
        await model.complete(ask("why?"))


async def test_a_reply_may_raise_to_play_a_failing_server() -> None:
    def busy(request: ModelRequest) -> str:
        raise ModelUnavailable("busy", status=503)

    with pytest.raises(ModelUnavailable, match="busy"):
        await ScriptedModel([busy]).complete(ask("a"))
