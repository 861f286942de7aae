"""Stands in for a vLLM server process: same flags, same log lines, same habits when killed.

Forks a grandchild into a session of its own that ignores SIGTERM, as an engine would that its
parent cannot stop. Standard library only, so that it is up at once. `install` writes an
executable to give as `ServerPlan.python`.
"""

import argparse
import json
import os
import shlex
import signal
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

MODES = ("serve", "fail", "hang", "refuse", "end-later", "headless")
"""serve; print an error and end; never answer; answer /health only; end when asked for a
completion a second time; ignore SIGTERM too."""


def install(folder: Path) -> Path:
    """An executable that takes Python's place in front of `-m vllm...`."""
    path = folder / "fake-python"
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S {__file__} "$@"\n')
    path.chmod(0o700)
    return path


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    mode = "serve"
    completions = 0

    def get_request(self) -> tuple[object, tuple[str, int]]:  # type: ignore[override]
        connection, _ = super().get_request()
        return connection, ("local", 0)  # the handler wants a host


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(200, b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.completions += 1
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self._reply(401, b"{}")
        elif self.server.mode == "refuse":
            self._reply(400, b'{"error": {"message": "no chat template"}}')
        elif self.server.mode == "end-later" and self.server.completions > 1:
            print("torch.OutOfMemoryError: CUDA out of memory", flush=True)
            os._exit(3)
        else:
            message = {"role": "assistant", "content": "ok"}
            self._reply(200, json.dumps({"choices": [{"message": message}]}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", dest="module")
    parser.add_argument("--uds")
    parser.add_argument("--fake-mode", choices=MODES, default="serve")
    options, _ = parser.parse_known_args()
    if options.fake_mode == "headless":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        _be_an_engine()
    print("(Worker pid=1) INFO Starting to load model x...", flush=True)
    if options.fake_mode == "fail":
        print("RuntimeError: operator torchvision::nms does not exist", flush=True)
        sys.exit(1)
    if options.fake_mode == "hang":
        time.sleep(3600)
    print("(EngineCore pid=2) INFO GPU KV cache size: 87,360 tokens", flush=True)
    print("(APIServer pid=3) INFO Starting vLLM server on unix", flush=True)
    with _Server(options.uds, _Handler) as server:
        server.mode = options.fake_mode
        server.serve_forever()


def _be_an_engine() -> None:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:  # and a worker below it
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(3600)
    os._exit(0)


if __name__ == "__main__":
    main()
