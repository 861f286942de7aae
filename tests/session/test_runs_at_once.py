"""Questions asked at the same time over one text: real REPLs, one result cache."""

import asyncio
from typing import Any

import pytest

from rlm_local.events import Notice, SubcallDone
from rlm_local.session.results import CacheSettings
from rlm_local.session.settings import Settings
from tests.fakes.openai_process import cell
from tests.fakes.openai_server import OpenAIServer
from tests.session.conftest import OpenRLM, Watcher

LINES = [f"ticket {number}: the pump of hall {number} is loud" for number in range(12)]
TEXT = "\n".join(LINES)
LABELS = cell(
    "found = llm_query_batched([f'Label it: {line}' for line in context.splitlines()])\n"
    "print(found[:2])\nFINAL(sum(label == 'noise' for label in found))"
)


def _reply(body: dict[str, Any]) -> str:
    return LABELS if body["model"] == "root" else "noise"


def _labelled(server: OpenAIServer) -> list[str]:
    return [
        body["messages"][-1]["content"] for body in server.requests if body["model"] == "worker"
    ]


@pytest.mark.parametrize(("cache", "sent"), [("on", 12), ("off", 36)])
async def test_every_line_is_labelled_once_where_replies_are_kept(
    open_rlm: OpenRLM, server: OpenAIServer, watcher: Watcher, cache: str, sent: int
) -> None:
    server.options.replies = [_reply]
    server.options.latency_s = 0.05
    settings = Settings(mode="rlm", cache=CacheSettings(cache))  # type: ignore[arg-type]  # as parametrized
    rlm = open_rlm(server.base_url, settings=settings, progress=watcher)
    questions = [f"How many tickets are about noise? ({number})" for number in range(3)]
    answers = await asyncio.gather(*(rlm.acomplete(TEXT, question) for question in questions))
    assert [answer.text for answer in answers] == ["12"] * 3
    assert sum(answer.cached_subcalls for answer in answers) == 36 - sent
    assert sum(answer.usage.worker.prompt_tokens > 0 for answer in answers) >= 1
    assert len(_labelled(server)) == sent
    assert len(set(_labelled(server))) == 12
    done = [event for event in watcher.events if isinstance(event, SubcallDone)]
    assert sum(event.origin == "worker" for event in done) == sent


async def test_a_question_that_is_given_up_leaves_its_calls_to_the_others(
    open_rlm: OpenRLM, server: OpenAIServer
) -> None:
    root_asked = asyncio.Event()

    def then_hang(body: dict[str, Any]) -> str:
        server.options.fault = "hang"
        server.arrived.clear()
        root_asked.set()
        return LABELS

    server.options.replies = [then_hang, _reply]
    rlm = open_rlm(server.base_url, settings=Settings(mode="rlm", cache=CacheSettings("on")))
    given_up = asyncio.ensure_future(rlm.acomplete(TEXT, "How many? (first)"))
    await root_asked.wait()
    await server.arrived.wait()
    server.options.fault = None
    other = asyncio.ensure_future(rlm.acomplete(TEXT, "How many? (second)"))
    server.arrived.clear()
    await server.arrived.wait()
    given_up.cancel()
    assert (await other).text == "12"
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_samples_that_agree_are_counted_and_label_every_line_once(
    open_rlm: OpenRLM, server: OpenAIServer, watcher: Watcher
) -> None:
    def sampled(body: dict[str, Any]) -> str:
        if body["model"] == "worker":
            return "noise"
        return LABELS if body.get("seed") else cell("print(context[:9])\nFINAL(11)")

    server.options.replies = [sampled]
    settings = Settings(mode="rlm", agreement=3)
    rlm = open_rlm(server.base_url, settings=settings, progress=watcher)
    answer = await rlm.acomplete(TEXT, "How many tickets are about noise?")
    assert (answer.text, answer.stop_reason) == ("12", "answered")
    assert len(_labelled(server)) == len(LINES)
    votes = [event.text for event in watcher.events if isinstance(event, Notice)]
    assert any("2 x '12'" in text for text in votes)
