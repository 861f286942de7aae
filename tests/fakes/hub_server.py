"""A model hub on loopback: listings with hashes, files with ranges, and faults on request.

Speaks only what pulling needs; no logins, no redirects, no chunk storage.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class FakeHub(ThreadingHTTPServer):
    """One repository, served from a folder."""

    daemon_threads = True

    def __init__(self, repo: str, revision: str, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repo = repo
        self.revision = revision
        self.folder = folder
        self.break_after_bytes: int | None = None
        """The next file request is cut after so many bytes."""
        self.spoil: str | None = None
        """Files of this name go out with one byte wrong."""
        self.ignores_ranges = False
        self.listing_instead: bytes | None = None
        """What is answered where the listing is asked for."""
        self.ranges: list[tuple[str, str]] = []
        """File and Range header of each file request."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def listing(self) -> dict[str, object]:
        """What the hub says of the repository: weights are large files, with a hash."""
        return {
            "id": self.repo,
            "sha": self.revision,
            "siblings": [_sibling(path) for path in sorted(self.folder.iterdir())],
        }


def _sibling(path: Path) -> dict[str, object]:
    data = path.read_bytes()
    shown: dict[str, object] = {"rfilename": path.name, "size": len(data), "blobId": "0" * 40}
    if path.suffix in (".safetensors", ".gguf", ".bin"):
        sha256 = hashlib.sha256(data).hexdigest()
        shown["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
    return shown


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def do_GET(self) -> None:
        hub = self.server
        asked = self.path.partition("?")[0]
        if asked in (
            f"/api/models/{hub.repo}",
            f"/api/models/{hub.repo}/revision/{hub.revision}",
        ):
            self._send(200, hub.listing_instead or json.dumps(hub.listing()).encode())
            return
        prefix = f"/{hub.repo}/resolve/{hub.revision}/"
        file = hub.folder / asked.removeprefix(prefix)
        if asked.startswith(prefix) and file.is_file():
            self._send_file(file)
        else:
            self._send(404, b"{}")

    def _send_file(self, file: Path) -> None:
        hub = self.server
        data = file.read_bytes()
        if hub.spoil == file.name:
            data = data[:-1] + bytes([data[-1] ^ 1])
        wanted = self.headers.get("Range", "")
        hub.ranges.append((file.name, wanted))
        found = re.fullmatch(r"bytes=(\d+)-", wanted)
        start = int(found[1]) if found and not hub.ignores_ranges else 0
        if start >= len(data):
            self._send(416, b"")
            return
        self._send(206 if start else 200, data[start:])

    def _send(self, status: int, body: bytes) -> None:
        cut, is_file = self.server.break_after_bytes, status in (200, 206)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", self.server.revision)
        if status == 404:
            is_listing = self.path.startswith("/api/")
            self.send_header("X-Error-Code", "RepoNotFound" if is_listing else "EntryNotFound")
        self.end_headers()
        if cut is not None and is_file and "/resolve/" in self.path:
            self.server.break_after_bytes = None
            body = body[:cut]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        pass


@contextmanager
def running_hub(repo: str, revision: str, folder: Path) -> Iterator[FakeHub]:
    """A hub that runs until the block ends."""
    hub = FakeHub(repo, revision, folder)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
