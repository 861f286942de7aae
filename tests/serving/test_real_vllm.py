"""The serving part over real vLLM and real weights (the session's one small server)."""

import asyncio
import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from rlm_local.capacity import FixedServer
from rlm_local.engine.typed_replies import constraint_of, fits
from rlm_local.errors import ModelError
from rlm_local.sandbox.child.reply_types import reply_form
from rlm_local.serving.openai_model import OpenAIModel, probe
from rlm_local.serving.tokenizer import FileTokenCounter
from rlm_local.serving.vllm_server import ServerPlan, VllmServer
from rlm_local.types import Choices, Constraint, JsonSchema, Message, ModelRequest, Regex, Sampling
from tests.serving.conftest import mentioning

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

CITY = JsonSchema(
    '{"additionalProperties": false, "properties": {"city": {"maxLength": 20, "type": "string"}}, '
    '"required": ["city"], "type": "object"}'
)
QUESTION = (Message("user", "What is the capital of France? Reply with its name."),)
GONE_WITHIN_S = 10.0

OWNER = """
import asyncio, sys
from pathlib import Path
from rlm_local.serving.vllm_server import ServerPlan, VllmServer

async def own():
    folder = Path(sys.argv[1])
    plan = ServerPlan(
        model_folder=Path(sys.argv[2]), device="cpu", max_model_len=1024, max_num_seqs=2,
        kv_cache_bytes=1 << 28, cache_folder=folder / "cache", log_path=folder / "vllm.log",
        served_names=(folder.name,),
    )
    server = VllmServer(plan)
    print("starting", flush=True)
    await server.start(lambda phase, _: print(phase, flush=True))
    await asyncio.sleep(3600)

asyncio.run(own())
"""


def plan_for(weights: Path, folder: Path) -> ServerPlan:
    return ServerPlan(
        model_folder=weights,
        device="cpu",
        max_model_len=8192,
        max_num_seqs=16,
        kv_cache_bytes=1 << 30,
        cache_folder=folder / "cache",
        log_path=folder / "vllm.log",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm")


@pytest.fixture(scope="module")
def server(tiny_weights: Path, folder: Path) -> Iterator[VllmServer]:
    phases: list[str] = []
    running = VllmServer(plan_for(tiny_weights, folder))
    asyncio.run(running.start(lambda phase, _: phases.append(phase)))
    assert list(dict.fromkeys(phases)) == [
        "starting",
        "loading weights",
        "allocating KV cache",
        "warming up",
        "first token",
        "ready",
    ]
    yield running
    asyncio.run(running.stop())


@contextlib.asynccontextmanager
async def opened(server: VllmServer, name: str) -> AsyncIterator[OpenAIModel]:
    model = OpenAIModel(
        server.endpoint_for(name),
        digest="d",
        context_tokens=server.plan.max_model_len,
        server=FixedServer("here", 16),
        tokens=FileTokenCounter(server.plan.model_folder / "tokenizer.json"),
        dialect="vllm",
        priority_scheduling=True,
    )
    async with contextlib.aclosing(model):
        yield model


async def test_a_probe_knows_vllm_its_window_and_both_roles(server: VllmServer) -> None:
    facts = await probe(server.endpoint)
    assert (facts.dialect, facts.context_tokens) == ("vllm", 8192)
    assert facts.models == ("root", "worker")


async def test_later_root_turns_find_what_was_sent_before_in_the_prefix_cache(
    server: VllmServer,
) -> None:
    """Issue 2, row i: at least 90 % from the second turn on."""
    rules = "Write Python. Use grep, search and final. " * 12
    history = [Message("system", rules), Message("user", "How many lines name a banana?")]
    sent_before = 0
    async with opened(server, "root") as root:
        for turn in range(3):
            prefill = Message("assistant", "```python\n")
            request = ModelRequest((*history, prefill), Sampling(24, stop=("```",)), None, True)
            reply = await root.complete(request)
            assert reply.usage.cached_tokens >= 0.9 * sent_before
            sent_before = reply.usage.prompt_tokens
            history.append(Message("assistant", f"```python\n{reply.text}```"))
            history.append(Message("user", f"Output:\n{turn} lines: banana split, bread. Go on."))


@pytest.mark.parametrize("constraint", [Choices(("Lyon", "Paris")), Regex("[A-Z][a-z]{2,9}"), CITY])
async def test_typed_replies_are_typed(server: VllmServer, constraint: Constraint) -> None:
    request = ModelRequest(QUESTION, Sampling(40), constraint, priority=10)
    async with opened(server, "worker") as worker:
        reply = await worker.complete(request)
    text = json.loads(reply.text)["city"] if constraint == CITY else reply.text
    assert text == "Paris"
    assert reply.usage.prompt_tokens > 0
    assert reply.finish_reason == "stop"


Kind: TypeAlias = Any


class Town(BaseModel):
    name: str = Field(max_length=12)
    since: int = Field(ge=900, le=1000)
    kind: Literal["town", "city"] = "town"


class Towns(BaseModel):
    towns: list[Town] = Field(min_length=1, max_length=2)
    note: str | None = Field(default=None, pattern="^[A-Z][a-z ]{0,20}$")


@pytest.mark.parametrize(
    "kind",
    [bool, int, float | None, list[int], dict[Literal["a", "b"], bool], tuple[int, bool],
     Literal["Lyon", "Paris"], datetime.date, Town, Towns],
    ids=lambda kind: getattr(kind, "__name__", str(kind)),
)  # fmt: skip
async def test_types_of_a_cell_come_back_as_values_of_them(server: VllmServer, kind: Kind) -> None:
    form = reply_form(kind)
    constraint = constraint_of(json.loads(json.dumps(form.constraint)))
    question = "Paris is a city since 987, with 3 bridges. Reply with short JSON, with few numbers."
    async with opened(server, "worker") as worker:
        reply = await worker.complete(
            ModelRequest((Message("user", question),), Sampling(120), constraint)
        )
    assert fits(reply.text, constraint)
    TypeAdapter(kind).validate_python(form.read(reply.text))


async def test_a_typed_reply_cut_by_length_says_so(server: VllmServer) -> None:
    async with opened(server, "worker") as worker:
        reply = await worker.complete(ModelRequest(QUESTION, Sampling(3), CITY))
    assert reply.finish_reason == "length"


async def test_sixty_typed_calls_at_once_are_all_answered(server: VllmServer) -> None:
    requests = [
        ModelRequest(
            (Message("user", f"Is {n} even or odd?"),),
            Sampling(6),
            Choices(("even", "odd")),
            False,
            5,
        )
        for n in range(60)
    ]
    async with opened(server, "worker") as worker:
        replies = await asyncio.gather(*map(worker.complete, requests))
    assert {reply.text for reply in replies} <= {"even", "odd"}


async def test_every_sampling_knob_is_taken(server: VllmServer) -> None:
    sampling = Sampling(4, 0.8, top_p=0.9, top_k=20, repetition_penalty=1.05, seed=7, stop=("\n",))
    async with opened(server, "root") as root:
        texts = [(await root.complete(ModelRequest(QUESTION, sampling))).text for _ in range(2)]
    assert texts[0] == texts[1]


async def test_a_prompt_beyond_the_window_is_refused_in_the_servers_words(
    server: VllmServer,
) -> None:
    async with opened(server, "worker") as worker:
        with pytest.raises(ModelError, match="maximum context length is 8192"):
            await worker.complete(ModelRequest((Message("user", "x " * 9000),), Sampling(4)))


async def test_a_lone_surrogate_is_served(server: VllmServer) -> None:
    async with opened(server, "worker") as worker:
        request = ModelRequest((Message("user", "Say hi \ud800"),), Sampling(4))
        assert (await worker.complete(request)).usage.completion_tokens > 0


async def test_the_counter_agrees_with_the_server(server: VllmServer) -> None:
    text = "def f(x):\n    return x ** 2  # naïve — 漢字\n" * 8
    async with opened(server, "worker") as worker:
        counts = [
            (await worker.complete(ModelRequest((Message("user", said),), Sampling(1)))).usage
            for said in ("x", "x" + text)
        ]
        grown = counts[1].prompt_tokens - counts[0].prompt_tokens
        assert abs(grown - worker.tokens.count(text)) <= 1


@pytest.mark.parametrize("moment", ["starting", "loading weights", "ready"])
def test_nothing_of_vllm_is_left_ten_seconds_after_its_owner_was_killed(
    server: VllmServer, tiny_weights: Path, tmp_path: Path, moment: str
) -> None:
    # The module's own server runs beside it, so that killing one is seen not to hurt another.
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), str(tiny_weights)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    for line in owner.stdout:
        if line.strip() == moment:
            break
    time.sleep(1.0)
    # The served name, on vLLM's command line, is this folder's.
    sessions = {os.getsid(pid) for pid, _ in mentioning(tmp_path.name) if pid != owner.pid}
    n_before = len(_members(sessions))
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    assert n_before >= 2
    deadline = time.monotonic() + GONE_WITHIN_S
    while (left := _members(sessions)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    assert server.failure() is None


def _members(sessions: set[int]) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if os.getsid(int(entry.name)) in sessions:
                found.append(int(entry.name))
    return found
