"""One HTTP connection pool to one model server, and what its failures mean.

Turns every way a server can fail into ModelError or ModelUnavailable. Knows JSON, not chat.
"""

import datetime
import email.utils
import errno
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from rlm_local.errors import ConfigError, ModelBusy, ModelError, ModelUnavailable
from rlm_local.serving.tokenizer import without_lone_surrogates

__all__ = ["Endpoint", "Transport"]

WORDS_CHARS = 500
"""How much of a server's own words goes into an error."""
FIRST_BYTES = 80
"""How much of a reply that is not JSON goes into an error."""
KEEPALIVE_S = 3.0
"""uvicorn drops idle connections after 5 s; a POST on a dropped one would fail."""
CONNECT_TIMEOUT_S = 10.0
LOST_AFTER_S = 30
"""A machine that no longer answers at all, such as one without power, is given up after this."""
FULL_STATUSES = frozenset({429, 503})
"""vLLM answers 503 past `--max-num-queued-reqs`; others answer 429."""
LATER_STATUSES = frozenset({408, 409, 425})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers.

    `base_url` ends where the OpenAI paths begin (usually in `/v1`); `uds` is a Unix socket
    that takes the place of its host and port.
    """

    base_url: str
    api_key: str | None = field(repr=False)
    model: str
    uds: Path | None = None

    def __post_init__(self) -> None:
        """Check what would fail in a header only when the first request is made.

        Raises:
            ConfigError: the key has a line break or another character no header may carry.
        """
        if self.api_key and not self.api_key.isprintable():
            raise ConfigError(
                f"the API key for {self.model!r} has a line break or another character that "
                "cannot be sent; give the key alone"
            )

    def url(self, path: str) -> URL:
        """Address of a path under the base, such as `chat/completions`.

        Raises:
            ConfigError: the base is not an http(s) URL.
        """
        try:
            url = URL(self.base_url.rstrip("/") + "/" + path)
        except ValueError as error:
            raise ConfigError(f"not a URL: {self.base_url!r} ({error})") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(
                f"not an http(s) URL: {self.base_url!r}; give one such as http://127.0.0.1:8000/v1"
            )
        return url

    @property
    def shown_url(self) -> str:
        """The base as it may be printed: without a user or password that stand in it."""
        return _shown(self.url(""))

    def redact(self, text: str) -> str:
        """`text` without the API key."""
        return text.replace(self.api_key, "[key]") if self.api_key else text


class Transport:
    """JSON over HTTP to one endpoint, through one lazily opened pool of connections.

    `max_connections` 0: as many as there are requests.
    Uses no proxy, follows no redirect, keeps no cookie.
    """

    def __init__(self, endpoint: Endpoint, *, max_connections: int, timeout_s: float) -> None:
        self.endpoint = endpoint
        self._max_connections = max_connections
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}

    async def post(
        self, path: str, body: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send JSON, return the JSON object that comes back. Cancelling drops the request.

        Raises:
            ModelUnavailable: unreachable, timed out, or a status that says "later".
            ModelBusy: a status that says "too much at once".
            ModelError: refused, or the reply is not a JSON object.
        """
        url = self._url(path)
        return self._decode(url, await self._exchange("POST", url, _encode(body), headers))

    async def get(self, path: str) -> dict[str, Any]:
        """Fetch a JSON object; raises as `post` does."""
        url = self._url(path)
        return self._decode(url, await self._exchange("GET", url, None))

    async def text(self, path: str) -> str:
        """Fetch a path as text, such as `metrics`; raises as `post` does unless it is 200."""
        return (await self._exchange("GET", self._url(path), None)).decode("utf-8", "replace")

    async def ping(self, path: str) -> None:
        """Fetch a path whose reply does not matter; raises as `post` does unless it is 200."""
        await self._exchange("GET", self._url(path), None)

    async def aclose(self) -> None:
        """Close all connections. Safe to call twice."""
        session, self._session = self._session, None
        if session:
            await session.close()

    def _url(self, path: str) -> URL:
        return self._urls.get(path) or self._urls.setdefault(path, self.endpoint.url(path))

    async def _exchange(
        self,
        method: str,
        url: URL,
        data: bytes | None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        try:
            async with self._open_session().request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                raw = await response.read()
        except TimeoutError as error:
            raise ModelUnavailable(f"{_shown(url)} did not answer in time") from error
        except aiohttp.ClientPayloadError as error:
            raise ModelUnavailable(f"{_shown(url)} broke off in the middle of a reply") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = self.endpoint.redact(_reason(error))
            raise ModelUnavailable(f"cannot reach {_shown(url)}: {reason}") from error
        if response.status != 200:
            raise self._refusal(url, response, raw)
        return raw

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector: aiohttp.BaseConnector
            if self.endpoint.uds:
                connector = aiohttp.UnixConnector(
                    str(self.endpoint.uds),
                    limit=self._max_connections,
                    keepalive_timeout=KEEPALIVE_S,
                )
            else:
                connector = aiohttp.TCPConnector(
                    limit=self._max_connections,
                    keepalive_timeout=KEEPALIVE_S,
                    socket_factory=_watched_socket,
                )
            headers = {"Content-Type": "application/json"}
            if self.endpoint.api_key:
                headers["Authorization"] = f"Bearer {self.endpoint.api_key}"
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(self._timeout_s, sock_connect=CONNECT_TIMEOUT_S),
                trust_env=False,
            )
        return self._session

    def _refusal(self, url: URL, response: aiohttp.ClientResponse, raw: bytes) -> ModelError:
        words = self.endpoint.redact(_words(raw)) or response.reason or "nothing more"
        message = f"{_shown(url)} answered {response.status}: {words}"
        return _kind_of(response.status)(
            message,
            status=response.status,
            retry_after_s=_retry_after_s(response.headers.get("Retry-After")),
        )

    def _decode(self, url: URL, raw: bytes) -> dict[str, Any]:
        if not raw:
            raise ModelError(f"{_shown(url)} answered with nothing")
        try:
            reply = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise ModelError(
                f"{_shown(url)} answered with something that is not JSON: {raw[:FIRST_BYTES]!r}"
            ) from error
        if not isinstance(reply, dict):
            raise ModelError(f"{_shown(url)} answered with JSON that is not an object")
        return reply


def _watched_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices a machine that is gone; a reply may take minutes without a byte."""
    family, kind, protocol, *_ = address
    watched = socket.socket(family, kind, protocol)
    watched.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, LOST_AFTER_S // 2)
    watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, LOST_AFTER_S // 6)
    watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    watched.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_AFTER_S * 1000)
    return watched


def _encode(body: dict[str, Any]) -> bytes:
    # No server can tokenize half a surrogate pair; vLLM answers 400 to the whole request.
    return without_lone_surrogates(json.dumps(body, ensure_ascii=False)).encode()


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno is not None:
        number = error.os_error.errno
        if number in errno.errorcode:  # others are the resolver's own
            return os.strerror(number)
    return str(error) or type(error).__name__


def _shown(url: URL) -> str:
    return str(url.with_user(None)) if url.user else str(url)


def _kind_of(status: int) -> type[ModelError]:
    if status in FULL_STATUSES:
        return ModelBusy
    return ModelUnavailable if status in LATER_STATUSES or status >= 500 else ModelError


def _words(raw: bytes) -> str:
    """The message of an OpenAI-shaped error, or the first of whatever came."""
    text = raw.decode("utf-8", "replace")
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text[:WORDS_CHARS].split())
    error = reply.get("error", reply) if isinstance(reply, dict) else reply
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return (error if isinstance(error, str) else json.dumps(error))[:WORDS_CHARS]


def _retry_after_s(header: str | None) -> float | None:
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    now = datetime.datetime.now(moment.tzinfo)
    return max(0.0, (moment - now).total_seconds())
