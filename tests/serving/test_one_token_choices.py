from rlm_local.serving.one_token_choices import OneTokenChoices
from rlm_local.types import (
    Choices,
    Completion,
    Constraint,
    Message,
    ModelRequest,
    Sampling,
    Usage,
)

LABELS = Choices(("arts", "artsy", "body"))


def request(choices: Choices = LABELS) -> ModelRequest:
    return ModelRequest((Message("user", "?"),), Sampling(16), choices, wants_scores=True)


class Server:
    """Writes a reply as far as the tokens last; four characters are a token."""

    def __init__(self, reply: str) -> None:
        self.reply = reply
        self.max_tokens: list[int] = []

    async def __call__(self, asked: ModelRequest, constraint: Constraint) -> Completion:
        assert constraint == asked.constraint
        room = asked.sampling.max_tokens
        self.max_tokens.append(room)
        text = self.reply[: 4 * room]
        usage = Usage(10, 0, 1)
        return Completion(text, "length" if room == 1 else "stop", usage, 0.5, {"body": -1.0})


async def test_a_choice_is_whole_when_its_first_token_names_it() -> None:
    server = Server("body")
    reply = await OneTokenChoices(server).complete(request(), LABELS)
    assert (reply.text, reply.finish_reason, reply.scores) == ("body", "stop", {"body": -1.0})
    long = Choices(("a very long label", "another"))
    server.reply = long.values[0]
    assert (await OneTokenChoices(server).complete(request(long), long)).text == long.values[0]
    assert server.max_tokens == [1, 1]


async def test_choices_that_begin_alike_are_asked_for_whole_and_from_then_on_at_once() -> None:
    server = Server("artsy")
    asker = OneTokenChoices(server)
    reply = await asker.complete(request(), LABELS)
    assert (reply.text, reply.usage, reply.seconds) == ("artsy", Usage(20, 0, 2), 1.0)
    assert (await asker.complete(request(), LABELS)).usage == Usage(10, 0, 1)
    assert server.max_tokens == [1, 16, 16]


async def test_a_server_that_writes_something_else_is_asked_for_the_whole_reply() -> None:
    server = Server("<think>")
    assert (await OneTokenChoices(server).complete(request(), LABELS)).text == "<think>"
    assert server.max_tokens == [1, 16]
