import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_local.errors import ConfigError, WeightsError
from rlm_local.registry import Adapter, Registry
from rlm_local.weights.pull import PullSettings
from rlm_local.weights.store import WeightStore
from tests.fakes.hub_server import FakeHub, running_hub
from tests.weights.samples import REPO, REVISION, lock_of, registry, snapshot

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with running_hub(REPO, REVISION, snapshot(tmp_path / "hub")) as server:
        yield server


def _store(
    tmp_path: Path,
    *,
    known: Registry | None = None,
    hub: str = NOWHERE,
    free_bytes: int = 10**12,
) -> WeightStore:
    settings = PullSettings(hub_endpoint=hub, free_bytes=lambda _: free_bytes)
    return WeightStore(tmp_path / "weights", known or registry(), settings=settings)


def _folder(tmp_path: Path) -> Path:
    return tmp_path / "weights" / "tiny"


def test_absent_weights_name_the_command(tmp_path: Path) -> None:
    store = _store(tmp_path)
    assert store.state("tiny") == "absent"
    assert not store.is_present("tiny")
    for ask in (store.digest, store.tokenizer_file, store.verify):
        with pytest.raises(WeightsError, match="rlm-local pull tiny"):
            ask("tiny")


def test_an_unknown_model_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tiny"):
        _store(tmp_path).state("tinny")


def test_a_snapshot_from_a_folder_is_served_as_it_is(tmp_path: Path) -> None:
    store = _store(tmp_path)
    lock = store.pull("tiny", source=snapshot(tmp_path / "given"))
    assert store.is_present("tiny")
    folder = store.location("tiny", serving="vllm-cuda")
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert store.tokenizer_file("tiny") == folder / "tokenizer.json"
    assert store.digest("tiny") == lock.digest
    assert store.verify("tiny").ok
    assert not (_folder(tmp_path) / ".partial").exists()


def test_a_given_folder_may_be_a_whole_store(tmp_path: Path) -> None:
    snapshot(tmp_path / "usb" / "tiny" / "source")
    assert _store(tmp_path).pull("tiny", source=tmp_path / "usb").origin == "folder"


def _tuned() -> Registry:
    known = registry()
    tuned = known.model("tiny").model_copy(update={"adapter": Adapter(repo="someone/lora")})
    return known.model_copy(update={"models": {"tiny": tuned}})


def _adapter(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"r": 32}')
    (folder / "adapter_model.safetensors").write_bytes(b"small")
    return folder


def test_an_adapter_is_pulled_beside_its_model(tmp_path: Path) -> None:
    plain, tuned = _store(tmp_path), _store(tmp_path, known=_tuned())
    given = snapshot(tmp_path / "given")
    plain.pull("tiny", source=given)
    assert plain.adapter_location("tiny") is None
    assert tuned.state("tiny") == "incomplete", "the model is here, its adapter is not"
    with pytest.raises(WeightsError, match="rlm-local pull tiny"):
        tuned.adapter_location("tiny")

    with pytest.raises(WeightsError, match=r"holds no adapter_config\.json"):
        tuned.pull("tiny", source=given)
    _adapter(given / "lora")
    tuned.pull("tiny", source=given)

    folder = tuned.adapter_location("tiny")
    assert folder == _folder(tmp_path) / "adapter" / "tiny" / "source"
    assert (folder / "adapter_config.json").is_file()
    assert not (tuned.location("tiny", serving="vllm-cuda") / "adapter_config.json").exists()
    assert tuned.is_present("tiny")
    assert tuned.digest("tiny") != plain.digest("tiny")
    assert tuned.bytes_on_disk("tiny") > plain.bytes_on_disk("tiny")
    assert tuned.verify("tiny").ok
    (folder / "adapter_model.safetensors").write_bytes(b"smell")
    (problem,) = tuned.verify("tiny").problems
    assert "adapter_model.safetensors" in problem


def test_a_whole_store_is_given_with_its_adapters(tmp_path: Path) -> None:
    snapshot(tmp_path / "usb" / "tiny" / "source")
    _adapter(tmp_path / "usb" / "tiny" / "adapter" / "tiny" / "source")
    store = _store(tmp_path, known=_tuned())
    store.pull("tiny", source=tmp_path / "usb")
    assert store.is_present("tiny")


def test_an_adapter_in_the_place_of_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no config\.json; it holds an adapter"):
        _store(tmp_path).pull("tiny", source=_adapter(tmp_path / "given"))


def test_the_revision_of_a_hub_cache_folder_is_kept(tmp_path: Path) -> None:
    given = snapshot(tmp_path / "cache" / "snapshots" / REVISION)
    assert _store(tmp_path).pull("tiny", source=given).revision == REVISION


def test_the_head_of_a_repository_is_resolved_once_and_locked(hub: FakeHub, tmp_path: Path) -> None:
    store = _store(tmp_path, hub=hub.url)
    store.pull("tiny")
    lock = lock_of(_folder(tmp_path))
    assert (lock["revision"], lock["origin"]) == (REVISION, "hub")

    (_folder(tmp_path) / "source" / "config.json").unlink()
    hub.ranges.clear()
    store.pull("tiny")
    assert store.verify("tiny").ok
    assert [name for name, _ in hub.ranges] == ["config.json", "tokenizer.json"]  # not the weights


def test_what_is_pulled_works_without_network(hub: FakeHub, tmp_path: Path) -> None:
    _store(tmp_path, hub=hub.url).pull("tiny")
    alone = _store(tmp_path)
    assert alone.is_present("tiny")
    assert alone.verify("tiny").ok
    alone.pull("tiny")


def test_no_source_at_all_tells_each_reason_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"(?s)cannot get.*hub: .*out of reach.*--source"):
        _store(tmp_path).pull("tiny")
    with pytest.raises(WeightsError, match=r"folder: .* is not a folder"):
        _store(tmp_path).pull("tiny", source=tmp_path / "nothing")
    assert not _store(tmp_path).is_present("tiny")


@pytest.mark.parametrize("harm", ["missing", "truncated", "one wrong byte", "stranger"])
def test_harm_is_found_by_verify_and_mended_by_pull(tmp_path: Path, harm: str) -> None:
    store = _store(tmp_path)
    given = snapshot(tmp_path / "given")
    store.pull("tiny", source=given)
    file = _folder(tmp_path) / "source" / "model.safetensors"
    if harm == "missing":
        file.unlink()
    elif harm == "truncated":
        os.truncate(file, 1000)
    elif harm == "one wrong byte":
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    else:
        file = file.with_name("adapter.safetensors")
        file.write_bytes(b"x")
    report = store.verify("tiny")
    assert not report.ok
    assert all(str(file) in problem for problem in report.problems)
    assert store.is_present("tiny") == (harm in {"one wrong byte", "stranger"})
    if harm in {"missing", "truncated"}:
        assert store.state("tiny") == "incomplete"
        with pytest.raises(WeightsError, match=r"model\.safetensors.*rlm-local pull tiny"):
            store.location("tiny", serving="vllm-cpu")
    store.pull("tiny", source=given)
    assert store.verify("tiny").ok


def test_a_wrong_byte_from_the_hub_is_an_error_and_nothing_is_used(
    hub: FakeHub, tmp_path: Path
) -> None:
    hub.spoil = "model.safetensors"
    store = _store(tmp_path, hub=hub.url)
    with pytest.raises(WeightsError, match=r"model\.safetensors .* has SHA-256"):
        store.pull("tiny")
    assert store.state("tiny") == "incomplete"
    hub.spoil = None
    store.pull("tiny")
    assert store.verify("tiny").ok


def test_an_interrupted_pull_goes_on_where_it_stopped(hub: FakeHub, tmp_path: Path) -> None:
    store = _store(tmp_path, hub=hub.url)

    def interrupt(stage: str, done_bytes: int, total_bytes: int) -> None:
        if done_bytes > total_bytes // 2:
            raise KeyboardInterrupt

    hub.break_after_bytes = None
    with pytest.raises(KeyboardInterrupt):
        store.pull("tiny", progress=interrupt)
    assert not store.is_present("tiny")
    part = _folder(tmp_path) / ".partial" / "download" / "model.safetensors.part"
    os.truncate(part, 7000)  # as a crash in the middle leaves it
    hub.ranges.clear()
    store.pull("tiny")
    assert ("model.safetensors", "bytes=7000-") in hub.ranges
    assert store.verify("tiny").ok


def test_weights_of_another_revision_are_not_used(tmp_path: Path) -> None:
    given = snapshot(tmp_path / "cache" / "snapshots" / REVISION)
    _store(tmp_path).pull("tiny", source=given)
    other = _store(tmp_path, known=registry(revision="f" * 40))
    assert not other.is_present("tiny")
    with pytest.raises(WeightsError, match=f"revision {REVISION}.*rlm-local pull tiny"):
        other.location("tiny", serving="transformers")
    assert "do not fit" in other.verify("tiny").problems[0]


def test_a_full_disk_is_told_before_anything_is_fetched(hub: FakeHub, tmp_path: Path) -> None:
    store = _store(tmp_path, hub=hub.url, free_bytes=1000)
    with pytest.raises(WeightsError, match=r"not enough disk space.*needs [\d,]+ bytes, 1,000"):
        store.pull("tiny")
    assert hub.ranges == []


def test_a_disk_that_fills_up_meanwhile_is_told_and_nothing_is_lost(
    hub: FakeHub, tmp_path: Path
) -> None:
    def fill(stage: str, done_bytes: int, total_bytes: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = _store(tmp_path, hub=hub.url)
    with pytest.raises(WeightsError, match=r"the disk of .*tiny is full.*is kept"):
        store.pull("tiny", progress=fill)
    store.pull("tiny")
    assert store.verify("tiny").ok


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match=f"cannot write weights under {tmp_path}"):
        _store(tmp_path).pull("tiny", source=tmp_path)


def test_pickles_and_foreign_code_are_refused(tmp_path: Path) -> None:
    given = snapshot(tmp_path / "given")
    (given / "config.json").write_text('{"auto_map": {"AutoModel": "modeling_x.X"}}')
    with pytest.raises(WeightsError, match="trust_remote_code"):
        _store(tmp_path).pull("tiny", source=given)
    (given / "model.safetensors").rename(given / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="pickles"):
        _store(tmp_path).pull("tiny", source=given)
    assert not _store(tmp_path).is_present("tiny")


def test_a_second_pull_waits_for_the_first(tmp_path: Path) -> None:
    given = snapshot(tmp_path / "given")
    _folder(tmp_path).mkdir(parents=True)
    waiting = threading.Event()
    stages: list[str] = []

    def note(stage: str, done_bytes: int, total_bytes: int) -> None:
        stages.append(stage)
        waiting.set()

    second = threading.Thread(
        target=lambda: _store(tmp_path).pull("tiny", source=given, progress=note)
    )
    with (_folder(tmp_path) / ".pull.lock").open("wb") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second.start()
        assert waiting.wait(30)
        assert stages == ["wait"]
        assert not _store(tmp_path).is_present("tiny")
    second.join(30)
    assert _store(tmp_path).is_present("tiny")


def test_many_pulls_at_once_end_with_one_whole_model(tmp_path: Path) -> None:
    given = snapshot(tmp_path / "given")
    pulls = [
        threading.Thread(target=lambda: _store(tmp_path).pull("tiny", source=given))
        for _ in range(4)
    ]
    for pull in pulls:
        pull.start()
    for pull in pulls:
        pull.join(60)
    assert _store(tmp_path).verify("tiny").ok


def test_a_damaged_lock_is_replaced_by_pull(tmp_path: Path) -> None:
    given = snapshot(tmp_path / "given")
    store = _store(tmp_path)
    store.pull("tiny", source=given)
    (_folder(tmp_path) / "lock.json").write_text("{")
    assert store.state("tiny") == "incomplete"
    with pytest.raises(WeightsError, match="damaged"):
        store.verify("tiny")
    store.pull("tiny", source=given)
    assert store.verify("tiny").ok
