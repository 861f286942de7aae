"""An OpenAI-shaped server that answers from a script at once, or after a set latency.

    python -m benchmarks.instant_server [--port N]

Runs as a process of its own, so that what it spends is not what is measured, and writes down when
each request arrived and was answered (`time.monotonic`, one clock for all processes of a Linux
machine). Prints its port as one line of JSON. Knows nothing of vLLM: `/v1/models` and
`/v1/chat/completions`, and the two control paths by which a benchmark sets rules and reads the log.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

__all__ = ["Exchange", "InstantServer", "Rule", "main"]

_BACKLOG = 4096


@dataclass(slots=True)
class Rule:
    """Requests whose text contains `contains` get `replies` in order; the last one is repeated."""

    contains: str
    replies: list[str]
    latency_s: float = 0.0
    capacity: int = 0
    """Requests served at once, the rest wait as at a full server; 0: no limit."""
    used: int = 0

    def next_reply(self) -> str:
        """The reply whose turn it is."""
        reply = self.replies[min(self.used, len(self.replies) - 1)]
        self.used += 1
        return reply


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request: which rule took it, when it arrived, when its reply was ready."""

    rule: int
    model: str
    prompt_chars: int
    arrived_s: float
    answered_s: float


class InstantServer:
    """The application and what it has seen."""

    def __init__(self) -> None:
        self._rules: list[Rule] = [Rule("", ["ok"])]
        self._gates: list[asyncio.Semaphore | None] = [None]
        self._log: list[Exchange] = []

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=2**30)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/control/rules", self._set_rules)
        app.router.add_get("/control/log", self._read_log)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        names = [{"id": name, "object": "model"} for name in ("root", "worker")]
        return web.json_response({"object": "list", "data": names})

    async def _set_rules(self, request: web.Request) -> web.Response:
        self._rules = [Rule(**raw) for raw in await request.json()]
        self._gates = [asyncio.Semaphore(r.capacity) if r.capacity else None for r in self._rules]
        self._log.clear()
        return web.json_response({})

    async def _read_log(self, request: web.Request) -> web.Response:
        return web.json_response([asdict(exchange) for exchange in self._log])

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        arrived_s = time.monotonic()
        body = await request.json()
        text = "\n".join(str(message.get("content")) for message in body["messages"])
        number = next((n for n, rule in enumerate(self._rules) if rule.contains in text), None)
        if number is None:
            return web.json_response({"error": {"message": "no rule fits"}}, status=400)
        rule = self._rules[number]
        reply = rule.next_reply()
        async with self._gates[number] or contextlib.nullcontext():
            if rule.latency_s:
                await asyncio.sleep(rule.latency_s)
        self._log.append(Exchange(number, body["model"], len(text), arrived_s, time.monotonic()))
        if body.get("stream"):
            return await _stream(request, body, reply)
        return web.json_response(_completion(body, reply, len(text)))


def _completion(body: dict[str, Any], reply: str, prompt_chars: int) -> dict[str, Any]:
    return {
        "id": "chatcmpl-instant",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": reply},
                "finish_reason": "stop",
            }
        ],
        "usage": _usage(reply, prompt_chars),
    }


async def _stream(request: web.Request, body: dict[str, Any], reply: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    shell = {"id": "chatcmpl-instant", "object": "chat.completion.chunk", "created": 0}
    shell["model"] = body["model"]
    delta = {"role": "assistant", "content": reply}
    for choices, usage in (
        ([{"index": 0, "delta": delta, "finish_reason": None}], None),
        ([{"index": 0, "delta": {}, "finish_reason": "stop"}], None),
        ([], _usage(reply, 0)),
    ):
        chunk = json.dumps({**shell, "choices": choices, "usage": usage})
        await response.write(f"data: {chunk}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


def _usage(reply: str, prompt_chars: int) -> dict[str, int]:
    prompt, completion = prompt_chars // 4, max(1, len(reply) // 4)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


async def _serve(port: int) -> None:
    runner = web.AppRunner(InstantServer().application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=_BACKLOG)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await _stdin_closed()
    await runner.cleanup()


async def _stdin_closed() -> None:
    """Wait until whoever started this process closed our input or died, so that none is left."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="An instant OpenAI-shaped server.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args(argv).port))


if __name__ == "__main__":
    main()
