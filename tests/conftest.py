"""Of the whole suite: no way out of this machine, a home of its own, the real small model."""

import ipaddress
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rlm_local.config import HOME_VARIABLE, Home
from rlm_local.errors import WeightsError
from rlm_local.registry import load_registry
from rlm_local.weights.store import WeightStore

TINY_MODEL = "qwen2.5-coder-0.5b"


class WayOut(BaseException):
    """A test tried to reach another machine. No `except Exception` hides it."""


def _refuse_other_machines(event: str, arguments: tuple[object, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        return
    place = arguments if event == "socket.getaddrinfo" else arguments[1]
    host = place[0] if isinstance(place, tuple) else None  # a Unix socket is no way out
    if isinstance(host, str | bytes) and not _is_this_machine(host):
        raise WayOut(f"{event} of {host!r}: tests reach loopback only")


def _is_this_machine(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


sys.addaudithook(_refuse_other_machines)

# A suite that a shell starts in the background has SIGINT ignored, and hands that on to every
# process it starts; no test of Ctrl-C could pass.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def empty_home(tmp_path: Path) -> Mapping[str, str]:
    """An environment for processes whose `RLM_LOCAL_HOME` is empty, with no hub to ask."""
    folder = tmp_path / "home"
    folder.mkdir()
    return {**os.environ, HOME_VARIABLE: str(folder), "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def home_here(empty_home: Mapping[str, str]) -> Iterator[Path]:
    """The same empty `RLM_LOCAL_HOME` for this process, as long as the test runs."""
    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = empty_home[HOME_VARIABLE]
    yield Path(empty_home[HOME_VARIABLE])
    if before is None:
        del os.environ[HOME_VARIABLE]
    else:
        os.environ[HOME_VARIABLE] = before


@pytest.fixture(scope="session")
def tiny_weights() -> Path:
    """The folder to serve the smallest real model from, as pulled on this machine."""
    store = WeightStore(Home.from_environment().folder("weights"), load_registry())
    try:
        return store.location(TINY_MODEL, serving="vllm-cpu")
    except WeightsError as error:
        pytest.fail(f"{error}\nscripts/test pulls them: rlm-local pull {TINY_MODEL}", pytrace=False)
