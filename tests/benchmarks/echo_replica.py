"""A replica for tests of routers, as a process: says who it is, and which number it was asked.

`python -m tests.benchmarks.echo_replica NAME LATENCY_MS`; the first line on stdout is its port. Has
of vLLM what `vllm-router` asks for: `/health`, `/v1/models`, and the tokens of a prompt.
"""

import asyncio
import json
import re
import sys

from aiohttp import web

KEY = "a key of both"


async def _serve(name: str, latency_s: float) -> None:
    async def chat(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        body = await request.json()
        await asyncio.sleep(latency_s)
        number = re.findall(r"number (\d+)", body["messages"][-1]["content"])[-1]
        message = {"role": "assistant", "content": f"{number} by {name}"}
        usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
        return web.json_response({**reply, "choices": [choice], "usage": usage})

    async def render(request: web.Request) -> web.Response:
        body = await request.json()
        text = "".join(str(message["content"]) for message in body["messages"])
        return web.json_response({"token_ids": [ord(char) for char in text]})

    async def models(request: web.Request) -> web.Response:
        card = {"id": "worker", "object": "model", "owned_by": "vllm", "max_model_len": 4096}
        return web.json_response({"object": "list", "data": [card]})

    async def health(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/v1/chat/completions/render", render)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/health", health)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(json.dumps(int(runner.addresses[0][1])), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2]) / 1000))
