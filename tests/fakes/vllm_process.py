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

MODES = ("serve", "fail", "hang", "refuse", "end-later", "headless", "slow")
"""serve; print an error and end; never answer; answer /health only; end when asked for a
completion a second time; ignore SIGTERM too; with names and manners of vLLM 0.32's own processes,
and a start that takes a second or two."""

ENGINE = """
import ctypes, os, sys, time
name, python, code = sys.argv[1:]
if name == "VLLM::EngineCore" and os.fork() == 0:
    worker = "VLLM::Worker"
    os.execv(python, [worker, "-I", "-S", "-c", code, worker, python, code])
if name == "VLLM::Worker":
    ctypes.CDLL(None).prctl(1, 9)
time.sleep(3600)
"""


def install(folder: Path, mode: str = "serve") -> Path:
    """An executable that takes Python's place in front of `-m vllm...`."""
    path = folder / "fake-python"
    python = f"{shlex.quote(sys.executable)} -I -S {__file__} --default-mode {mode}"
    path.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
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
    parser.add_argument("--default-mode", choices=MODES, default="serve")
    parser.add_argument("--fake-mode", choices=MODES)
    options, _ = parser.parse_known_args()
    options.fake_mode = options.fake_mode or options.default_mode
    if options.fake_mode == "headless":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.fake_mode == "slow":
        _start_an_engine()
    elif os.fork() == 0:
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


def _start_an_engine() -> None:
    time.sleep(0.7)
    engine = os.fork()
    if engine == 0:
        name = "VLLM::EngineCore"
        os.execv(sys.executable, [name, "-I", "-S", "-c", ENGINE, name, sys.executable, ENGINE])

    def end(number: int, frame: object) -> None:
        os.kill(engine, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    time.sleep(0.7)


def _be_an_engine() -> None:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:  # and a worker below it
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(3600)
    os._exit(0)


if __name__ == "__main__":
    main()
