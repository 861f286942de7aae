import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rlm_local.registry import Source
from rlm_local.weights.hub import Hub
from rlm_local.weights.origins import OriginFailed, WantedFile
from tests.fakes.hub_server import FakeHub, running_hub
from tests.weights.samples import REPO, REVISION, snapshot

WEIGHTS = "model.safetensors"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with running_hub(REPO, REVISION, snapshot(tmp_path / "hub")) as server:
        yield server


def _client(hub: FakeHub, revision: str | None = REVISION) -> Hub:
    return Hub(Source(repo=REPO, revision=revision), revision, hub.url, pause_s=0.01)


def _weights(hub: FakeHub) -> tuple[bytes, WantedFile]:
    data = (hub.folder / WEIGHTS).read_bytes()
    return data, WantedFile(WEIGHTS, len(data))


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def test_a_listing_names_files_with_sizes_and_hashes_and_the_commit(hub: FakeHub) -> None:
    listing = _client(hub, revision=None).list_files()
    assert listing.revision == REVISION
    assert [item.name for item in listing.files] == ["config.json", "tokenizer.json", WEIGHTS]
    assert listing.files[0].sha256 is None
    assert listing.files[2].sha256 is not None
    assert listing.files[2].bytes == (hub.folder / WEIGHTS).stat().st_size


def test_a_file_is_fetched(hub: FakeHub, tmp_path: Path) -> None:
    data, wanted = _weights(hub)
    told: list[int] = []
    _client(hub).fetch(wanted, tmp_path / "part", told.append)
    assert (tmp_path / "part").read_bytes() == data
    assert told[-1] == len(data)


def test_an_earlier_part_is_kept_and_only_the_rest_is_asked_for(
    hub: FakeHub, tmp_path: Path
) -> None:
    data, wanted = _weights(hub)
    (tmp_path / "part").write_bytes(data[:1000])
    _client(hub).fetch(wanted, tmp_path / "part", lambda _: None)
    assert (tmp_path / "part").read_bytes() == data
    assert hub.ranges == [(WEIGHTS, "bytes=1000-")]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub: FakeHub, tmp_path: Path) -> None:
    data, wanted = _weights(hub)
    hub.break_after_bytes = 5000
    _client(hub).fetch(wanted, tmp_path / "part", lambda _: None)
    assert (tmp_path / "part").read_bytes() == data
    assert hub.ranges == [(WEIGHTS, "bytes=0-"), (WEIGHTS, "bytes=5000-")]


def test_a_server_that_ignores_ranges_starts_the_file_again(hub: FakeHub, tmp_path: Path) -> None:
    data, wanted = _weights(hub)
    hub.ignores_ranges = True
    (tmp_path / "part").write_bytes(b"x" * 100)
    _client(hub).fetch(wanted, tmp_path / "part", lambda _: None)
    assert (tmp_path / "part").read_bytes() == data


def test_a_file_of_unknown_size_ends_where_the_server_ends(hub: FakeHub, tmp_path: Path) -> None:
    _client(hub).fetch(WantedFile("config.json"), tmp_path / "part", lambda _: None)
    assert (tmp_path / "part").read_bytes() == (hub.folder / "config.json").read_bytes()


def test_a_file_that_is_gone_fails_at_once(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(OriginFailed, match="404"):
        _client(hub).fetch(WantedFile("gone.json", 5), tmp_path / "part", lambda _: None)


def test_a_hub_that_goes_away_fails_after_a_few_tries(hub: FakeHub, tmp_path: Path) -> None:
    client = Hub(Source(repo=REPO), REVISION, "http://127.0.0.1:9", pause_s=0.001)
    with pytest.raises(OriginFailed, match=WEIGHTS):
        client.fetch(WantedFile(WEIGHTS, 5), tmp_path / "part", lambda _: None)


def test_an_unknown_repository_fails_with_its_reason(hub: FakeHub) -> None:
    client = Hub(Source(repo="no/body"), None, hub.url)
    with pytest.raises(OriginFailed, match="no such repository"):
        client.list_files()


def test_no_network_fails_with_the_address(tmp_path: Path) -> None:
    with pytest.raises(OriginFailed, match=r"127\.0\.0\.1:9 is out of reach"):
        Hub(Source(repo=REPO), None, "http://127.0.0.1:9").list_files()


def test_a_hub_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(OriginFailed, match="out of reach"):
            Hub(Source(repo=REPO), None, address, answer_timeout_s=0.2).list_files()


@pytest.mark.parametrize(
    "listing",
    [
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b"\xff",
        b'{"id": "a/b", "siblings": []}',
        b'{"id": "a/b", "sha": "c", "lastModified": 5}',
        b'{"id": "a/b", "sha": "c", "siblings": [5]}',
        b'{"id": "a/b", "sha": "c", "siblings": [{"rfilename": 5}]}',
        b'{"id": "a/b", "sha": "c", "siblings": [{"rfilename": "x", "size": "5"}]}',
    ],
)
def test_what_is_no_listing_fails_with_the_address(hub: FakeHub, listing: bytes) -> None:
    hub.listing_instead = listing
    with pytest.raises(OriginFailed, match=hub.url):
        _client(hub).list_files()


@pytest.mark.parametrize(
    "address", ["nonsense", "ftp://x", "http://[::1", "http://127.0.0.1:port", "http://\x00x"]
)
def test_what_is_no_address_fails_by_name(address: str, tmp_path: Path) -> None:
    client = Hub(Source(repo=REPO), REVISION, address, pause_s=0.001)
    with pytest.raises(OriginFailed, match=r"address|out of reach"):
        client.list_files()
    with pytest.raises(OriginFailed, match=r"address|protocol"):
        client.fetch(WantedFile(WEIGHTS, 5), tmp_path / "part", lambda _: None)


@pytest.mark.parametrize("switch", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_the_offline_switch_asks_nobody(hub: FakeHub, switch: str) -> None:
    with _environment(**{switch: "1"}), pytest.raises(OriginFailed, match="switched off"):
        _client(hub).list_files()


def test_the_environment_names_another_hub(hub: FakeHub) -> None:
    with _environment(HF_ENDPOINT=hub.url + "/"):
        assert Hub(Source(repo=REPO)).list_files().revision == REVISION


def test_nobody_else_is_asked_even_where_the_library_was_imported_before(hub: FakeHub) -> None:
    """The guard of tests/conftest.py refuses the public hub, which its telemetry would ask."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _detect_agent

    constants.HF_HUB_DISABLE_TELEMETRY = False
    _detect_agent._registry = None
    assert _client(hub).list_files().revision == REVISION
    assert _detect_agent._registry is None
