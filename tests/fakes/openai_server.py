"""An OpenAI-shaped chat server with scripted replies and faults, on a real loopback socket.

Knows nothing of vLLM: no prefill, no `structured_outputs`, no `/version`. Runs in a test's loop
(`async with OpenAIServer(...)`) or as a process that prints its port:
`python -m tests.fakes.openai_server --latency-ms 50 --capacity 256`.
Generates no text of its own.
"""

import argparse
import asyncio
import contextlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from aiohttp import web

__all__ = ["Fault", "OpenAIServer", "Reply", "ServerOptions"]

Fault = Literal[
    "400",
    "401",
    "404",
    "422",
    "429",
    "500",
    "502",
    "503",
    "504",
    "garbage",
    "empty",
    "hang",
    "null-content",
    "no-usage",
    "no-choices",
    "not-an-object",
    "reset",
    "truncated",
    "length",
]
"""What goes wrong with a request; a number is the HTTP status of an OpenAI-shaped error."""

Body: TypeAlias = dict[str, Any]
Reply: TypeAlias = str | Callable[[Body], str]
"""Text of a reply, or what makes it from the request's body."""

DEFAULT_REPLY = "ok"
_TOKEN_CHARS = 4
_END = "<|end|>"
NO_TEXT = frozenset({"null-content"})


@dataclass(slots=True)
class ServerOptions:
    """How the server behaves. All of it can be changed while it runs."""

    latency_s: float = 0.0
    capacity: int = 1_000_000
    """Requests served at once; the others wait their turn."""
    replies: Sequence[Reply] = ()
    """Given out in order, then the last one again; empty: "ok"."""
    fault: Fault | None = None
    fault_count: int | None = None
    """How many requests go wrong before all is well again; None: every one."""
    retry_after: str | None = None
    """Value of `Retry-After` on 429 and 503."""
    models: Sequence[str] = ("root", "worker")
    api_key: str | None = None
    """The bearer token asked for; None: any."""
    rejects: Sequence[str] = ()
    """Keys of a body that are answered with 400, as by a server that does not know them."""
    shares: Callable[[Body], Mapping[str, float]] | None = None
    """Where set, how likely each text is as the reply: the likeliest is said, four characters a
    token and no more tokens than are asked for, and the others are told as log-probabilities."""


@dataclass(slots=True)
class OpenAIServer:
    """The server. `requests` holds the body of every chat request, in order of arrival."""

    options: ServerOptions = field(default_factory=ServerOptions)
    uds: Path | None = None
    """Listen on this Unix socket instead of a free loopback port."""
    port: int = 0
    """The port asked for (0: a free one), and once open the port got."""
    requests: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a chat request is being served."""
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a client went away before its reply."""
    _runner: web.AppRunner | None = None
    _slots: asyncio.Semaphore | None = None
    _faults: int = 0

    @property
    def base_url(self) -> str:
        """What a client is given, `/v1` included."""
        return f"http://127.0.0.1:{self.port or 80}/v1"

    async def __aenter__(self) -> "OpenAIServer":
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen on loopback, or on the Unix socket."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        self._slots = asyncio.Semaphore(self.options.capacity)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        site: web.BaseSite
        if self.uds:
            site = web.UnixSite(self._runner, str(self.uds))
        else:
            site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024)
        await site.start()
        if not self.uds:
            self.port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop at once, requests under way included."""
        if self._runner:
            await self._runner.shutdown()
            await self._runner.cleanup()
            self._runner = None

    async def _models(self, request: web.Request) -> web.Response:
        if refusal := self._wrong_key(request):
            return refusal
        data = [{"id": name, "object": "model", "owned_by": "test"} for name in self.options.models]
        return web.json_response({"object": "list", "data": data})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._wrong_key(request):
            return refusal
        body: Body = json.loads(await request.read())
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        n_request = len(self.requests)
        assert self._slots is not None
        try:
            async with self._slots:
                self.in_flight += 1
                self.arrived.set()
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    return await self._answer(request, body, n_request)
                finally:
                    self.in_flight -= 1
        except asyncio.CancelledError:
            self.dropped.set()
            raise

    async def _answer(self, request: web.Request, body: Body, n_request: int) -> web.StreamResponse:
        if self.options.latency_s:
            await asyncio.sleep(self.options.latency_s)
        if unknown := [key for key in self.options.rejects if key in body]:
            return _error(400, f"Unrecognized request argument supplied: {unknown[0]}")
        if body.get("model") not in self.options.models:
            return _error(404, f"The model `{body.get('model')}` does not exist")
        fault = self._next_fault()
        if fault is not None and (broken := await self._broken(request, fault)) is not None:
            return broken
        if self.options.shares is not None:
            return _likeliest(body, self.options.shares(body))
        return _completion(body, self._reply(body, n_request), fault)

    def _reply(self, body: Body, n_request: int) -> str:
        replies = self.options.replies or (DEFAULT_REPLY,)
        reply = replies[min(n_request, len(replies)) - 1]
        return reply if isinstance(reply, str) else reply(body)

    def _next_fault(self) -> Fault | None:
        if self.options.fault_count is not None and self._faults >= self.options.fault_count:
            return None
        self._faults += self.options.fault is not None
        return self.options.fault

    async def _broken(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """The reply of a fault that has no well-formed body; None where only fields differ."""
        if fault.isdigit():
            return self._status(int(fault))
        match fault:
            case "hang":
                await asyncio.sleep(3600)
            case "garbage":
                return web.Response(body=b"\x00\xff<html>not json", content_type="text/html")
            case "empty":
                return web.Response(body=b"", content_type="application/json")
            case "not-an-object":
                return web.json_response(["a list"])
            case "no-choices":
                return web.json_response({"id": "x", "choices": []})
            case "truncated":
                return web.Response(body=b'{"choices": [{"mess', content_type="application/json")
            case "reset":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
        return None

    def _status(self, status: int) -> web.Response:
        reply = _error(status, f"this request gets {status}")
        if self.options.retry_after and status in (429, 503):
            reply.headers["Retry-After"] = self.options.retry_after
        return reply

    def _wrong_key(self, request: web.Request) -> web.Response | None:
        wanted = self.options.api_key
        if wanted is None or request.headers.get("Authorization") == f"Bearer {wanted}":
            return None
        return _error(401, "Incorrect API key provided")


def _error(status: int, message: str) -> web.Response:
    error = {"message": message, "type": "test_error", "param": None, "code": str(status)}
    return web.json_response({"error": error}, status=status)


def _completion(body: Body, text: str, fault: Fault | None) -> web.Response:
    n_prompt = sum(_n_words(message["content"]) for message in body["messages"])
    n_reply = _n_words(text)
    message = {"role": "assistant", "content": None if fault == "null-content" else text}
    finish = "length" if fault == "length" else "stop"
    reply: Body = {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if fault != "no-usage":
        reply["usage"] = {
            "prompt_tokens": n_prompt,
            "completion_tokens": n_reply,
            "total_tokens": n_prompt + n_reply,
        }
    return web.json_response(reply)


def _likeliest(body: Body, shares: Mapping[str, float]) -> web.Response:
    """The likeliest text as far as its tokens last, with log-probabilities where asked for."""
    text = max(shares, key=lambda one: shares[one])
    content: list[Body] = []
    for at in range(0, len(text) + 1, _TOKEN_CHARS):
        alike = {one: share for one, share in shares.items() if one.startswith(text[:at])}
        pieces: dict[str, float] = {}
        for one, share in alike.items():
            piece = one[at : at + _TOKEN_CHARS] or _END
            pieces[piece] = pieces.get(piece, 0.0) + share / sum(alike.values())
        chosen = text[at : at + _TOKEN_CHARS] or _END
        told = [{"token": piece, "logprob": math.log(share)} for piece, share in pieces.items()]
        content.append({"token": chosen, "logprob": math.log(pieces[chosen]), "top_logprobs": told})
    room = int(body.get("max_tokens", len(content)))
    said = "".join(entry["token"] for entry in content[:room] if entry["token"] != _END)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": said},
        "finish_reason": "length" if room < len(content) else "stop",
        "logprobs": {"content": content[:room]} if body.get("logprobs") else None,
    }
    n_prompt = sum(_n_words(message["content"]) for message in body["messages"])
    usage = {"prompt_tokens": n_prompt, "completion_tokens": min(room, len(content))}
    return web.json_response({"id": "chatcmpl-test", "choices": [choice], "usage": usage})


def _n_words(text: object) -> int:
    return len(re.findall(r"\S+", text)) if isinstance(text, str) else 0


def _as_a_copy(name: str, replies: Sequence[str]) -> Reply:
    """What a copy says, whichever requests went to others: the worker echoes and names the copy.

    The root's replies go by the turn of the conversation.
    """

    def reply(body: Body) -> str:
        if body["model"] == "worker":
            return f"{body['messages'][-1]['content']} by {name}"
        turn: int = sum(message["role"] == "assistant" for message in body["messages"])
        return replies[min(turn, len(replies) - 1)]

    return reply


async def _serve(server: OpenAIServer) -> None:
    async with server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed; the first line on stdout is the port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--capacity", type=int, default=1_000_000)
    parser.add_argument("--reply", action="append", default=[], help="text; may be repeated")
    parser.add_argument("--copy", metavar="NAME", help="one of several with the same models")
    parser.add_argument("--fault", choices=get_args(Fault))
    args = parser.parse_args()
    options = ServerOptions(
        latency_s=args.latency_ms / 1000,
        capacity=args.capacity,
        replies=(_as_a_copy(args.copy, args.reply),) if args.copy else tuple(args.reply),
        fault=args.fault,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(OpenAIServer(options, port=args.port)))


if __name__ == "__main__":
    main()
