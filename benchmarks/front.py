"""An OpenAI-shaped front for benchmarks: plays the root from a script, passes the worker on.

Worker requests go to a real server, or are answered here after a latency, so many at once. Counts
what arrives, by prompt. Serves in a thread of its own.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp import web

__all__ = ["Front", "Worker"]

_BACKLOG = 4096
_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Worker:
    """Who answers sub-calls: the server at `base_url`, else this one, with `reply`."""

    base_url: str | None = None
    latency_s: float = 0.05
    capacity: int = 16
    reply: str = "ok"


@dataclass(slots=True)
class Front:
    """The server, up inside `with`.

    Attributes:
        script: replies of the root, by how often it was asked in its history.
        question: stands in the message after which the root's own replies begin.
        sent: how often each worker prompt arrived.
        root_requests: how many root requests arrived.
    """

    worker: Worker
    question: str
    script: Sequence[str]
    sent: Counter[str] = field(default_factory=Counter)
    root_requests: int = 0
    port: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _ready: threading.Event = field(default_factory=threading.Event)
    _client: aiohttp.ClientSession | None = None
    _gate: asyncio.Semaphore | None = None

    @property
    def base_url(self) -> str:
        """What `--base-url` is given."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "Front":
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        assert self._thread is not None
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._close(runner))
        self._loop.close()

    async def _open(self) -> web.AppRunner:
        app = web.Application(client_max_size=2**30)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._gate = asyncio.Semaphore(self.worker.capacity)
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        )
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=_BACKLOG)
        await site.start()
        self.port = int(runner.addresses[0][1])
        return runner

    async def _close(self, runner: web.AppRunner) -> None:
        await runner.cleanup()
        assert self._client is not None
        await self._client.close()

    async def _models(self, request: web.Request) -> web.Response:
        if self.worker.base_url is None:
            listed = [{"id": name, "object": "model"} for name in ("root", "worker")]
            return web.json_response({"object": "list", "data": listed})
        assert self._client is not None
        async with self._client.get(f"{self.worker.base_url}/models") as reply:
            listing = await reply.json()
        card = next(entry for entry in listing["data"] if entry["id"] == "worker")
        listing["data"] = [card, {**card, "id": "root", "max_model_len": 32_768}]
        return web.json_response(listing)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        body = json.loads(data)
        if body["model"] == "root":
            self.root_requests += 1
            return web.json_response(_completion(body, self._root_reply(body)))
        self.sent[str(body["messages"][-1]["content"])] += 1
        if self.worker.base_url is not None:
            return await self._passed_on(data)
        assert self._gate is not None
        async with self._gate:
            await asyncio.sleep(self.worker.latency_s)
        return web.json_response(_completion(body, self.worker.reply))

    def _root_reply(self, body: dict[str, Any]) -> str:
        texts = [str(message["content"]) for message in body["messages"]]
        first = next(n for n, text in enumerate(texts) if self.question in text)
        return self.script[(len(texts) - 1 - first) // 2]

    async def _passed_on(self, data: bytes) -> web.Response:
        assert self._client is not None
        url = f"{self.worker.base_url}/chat/completions"
        headers = {"Content-Type": "application/json"}
        async with self._client.post(url, data=data, headers=headers) as reply:
            return web.Response(
                body=await reply.read(), status=reply.status, content_type="application/json"
            )


def _completion(body: dict[str, Any], reply: str) -> dict[str, Any]:
    prompt = sum(len(str(message["content"])) for message in body["messages"]) // 4
    n_reply = max(1, len(reply) // 4)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": reply},
        "finish_reason": "stop",
    }
    return {
        "id": "chatcmpl-front",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": n_reply,
            "total_tokens": prompt + n_reply,
        },
    }
