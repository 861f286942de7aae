import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.instant import InstantEndpoint, cell
from benchmarks.instant_server import Rule


@pytest.fixture(scope="module")
def server() -> Iterator[InstantEndpoint]:
    with InstantEndpoint() as endpoint:
        yield endpoint


def _post(server: InstantEndpoint, text: str, **more: object) -> bytes:
    body = {"model": "root", "messages": [{"role": "user", "content": text}], **more}
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


def _said(server: InstantEndpoint, text: str) -> str:
    reply: dict[str, Any] = json.loads(_post(server, text))
    return str(reply["choices"][0]["message"]["content"])


def test_replies_come_in_order_and_the_last_is_repeated(server: InstantEndpoint) -> None:
    server.set_rules([Rule("", ["one", "two"])])
    assert [_said(server, "x") for _ in range(3)] == ["one", "two", "two"]


def test_the_first_rule_that_fits_answers(server: InstantEndpoint) -> None:
    server.set_rules([Rule("question", ["root"]), Rule("", ["worker"])])
    assert _said(server, "the question") == "root"
    assert _said(server, "a prompt") == "worker"
    assert [exchange.rule for exchange in server.log()] == [0, 1]


def test_the_log_tells_when_a_request_arrived_and_was_answered(server: InstantEndpoint) -> None:
    server.set_rules([Rule("", ["slow"], latency_s=0.05)])
    _said(server, "12345")
    (exchange,) = server.log()
    assert exchange.answered_s - exchange.arrived_s >= 0.05
    assert (exchange.model, exchange.prompt_chars) == ("root", 5)


def test_setting_rules_forgets_what_was_seen(server: InstantEndpoint) -> None:
    server.set_rules([Rule("", ["x"])])
    _said(server, "x")
    server.set_rules([Rule("", ["x"])])
    assert server.log() == []


def test_a_request_no_rule_fits_is_refused(server: InstantEndpoint) -> None:
    server.set_rules([Rule("only this", ["x"])])
    with pytest.raises(urllib.error.HTTPError) as refused:
        _post(server, "something else")
    with refused.value:
        assert refused.value.code == 400


def test_a_streamed_reply_ends_with_usage_and_done(server: InstantEndpoint) -> None:
    server.set_rules([Rule("", ["hello"])])
    lines = _post(server, "x", stream=True).decode().split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if "{" in line]
    assert chunks[0]["choices"][0]["delta"]["content"] == "hello"
    assert chunks[1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[2]["usage"]["completion_tokens"] == 1
    assert lines[-2] == "data: [DONE]"


def test_it_knows_nothing_of_vllm(server: InstantEndpoint) -> None:
    origin = server.base_url.removesuffix("/v1")
    for path in ("/version", "/health", "/tokenize"):
        with pytest.raises(urllib.error.HTTPError) as absent:
            urllib.request.urlopen(origin + path)
        with absent.value:
            assert absent.value.code == 404


def test_a_cell_is_fenced_as_roots_write_it() -> None:
    assert cell("print(1)") == "```repl\nprint(1)\n```"
