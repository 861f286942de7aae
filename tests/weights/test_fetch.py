import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rlm_local.errors import WeightsError
from rlm_local.weights.fetch import Staging, bytes_to_fetch, fetch_files
from rlm_local.weights.origins import Listing, OriginFailed, OriginKind, WantedFile

DATA = bytes(range(256)) * 8


@dataclass
class FakeOrigin:
    """Gives bytes from memory, and breaks off after as many as the test says."""

    files: dict[str, bytes]
    break_after: int | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)
    kind: OriginKind = "hub"
    title: str = "the fake"

    def list_files(self) -> Listing:
        return Listing(tuple(_wanted(name, data) for name, data in self.files.items()), None)

    def fetch(self, file: WantedFile, target: Path, report: Callable[[int], None]) -> None:
        with target.open("ab") as stream:
            self.asked.append((file.name, stream.tell()))
            end, self.break_after = self.break_after, None
            stream.write(self.files[file.name][stream.tell() : end])
            report(stream.tell())
            if end is not None:
                raise OriginFailed("broke off")


def _wanted(name: str, data: bytes) -> WantedFile:
    return WantedFile(name, len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "download", tmp_path / "ready", tmp_path / "kept")


def _fetch(origin: FakeOrigin, staging: Staging) -> list[str]:
    listing = origin.list_files()
    return [
        record.path for record in fetch_files(origin, listing, staging, progress=lambda *_: None)
    ]


def test_files_get_their_names_once_they_are_checked(staging: Staging) -> None:
    assert _fetch(FakeOrigin({"a": DATA, "b": b""}), staging) == ["source/a", "source/b"]
    assert (staging.ready / "a").read_bytes() == DATA
    assert list(staging.download.iterdir()) == []


def test_what_broke_off_is_kept_and_completed(staging: Staging) -> None:
    origin = FakeOrigin({"a": DATA}, break_after=100)
    with pytest.raises(OriginFailed):
        _fetch(origin, staging)
    assert not (staging.ready / "a").exists()
    assert bytes_to_fetch(origin.list_files(), staging) == len(DATA) - 100
    _fetch(origin, staging)
    assert origin.asked == [("a", 0), ("a", 100)]
    assert (staging.ready / "a").read_bytes() == DATA


def test_a_part_from_other_bytes_is_thrown_away(staging: Staging) -> None:
    staging.download.mkdir()
    (staging.download / "a.part").write_bytes(b"not the beginning")
    origin = FakeOrigin({"a": DATA})
    with pytest.raises(WeightsError, match="a from the fake has SHA-256"):
        _fetch(origin, staging)
    _fetch(origin, staging)
    assert (staging.ready / "a").read_bytes() == DATA


def test_a_file_of_another_size_is_refused(staging: Staging) -> None:
    staging.download.mkdir()
    (staging.download / "a.part").write_bytes(DATA + b"more")
    with pytest.raises(WeightsError, match="has 2052 bytes, expected 2048"):
        _fetch(FakeOrigin({"a": DATA}), staging)


def test_without_a_known_hash_a_part_is_not_continued(staging: Staging) -> None:
    staging.download.mkdir()
    (staging.download / "a.part").write_bytes(b"old")
    origin = FakeOrigin({"a": DATA})
    listing = Listing((WantedFile("a", len(DATA)),), None)
    (record,) = fetch_files(origin, listing, staging, progress=lambda *_: None)
    assert origin.asked == [("a", 0)]
    assert record.sha256 == hashlib.sha256(DATA).hexdigest()


def test_a_file_of_an_earlier_pull_is_used_if_its_bytes_are_right(staging: Staging) -> None:
    staging.kept.mkdir()
    (staging.kept / "a").write_bytes(DATA)
    (staging.kept / "b").write_bytes(DATA[::-1])
    origin = FakeOrigin({"a": DATA, "b": DATA})
    assert bytes_to_fetch(origin.list_files(), staging) == 0
    _fetch(origin, staging)
    assert origin.asked == [("b", 0)]


def test_foreign_code_is_refused_before_the_weights_are_fetched(staging: Staging) -> None:
    origin = FakeOrigin({"config.json": b'{"auto_map": {}}', "model.safetensors": DATA})
    with pytest.raises(WeightsError, match="trust_remote_code"):
        _fetch(origin, staging)
    assert origin.asked == [("config.json", 0)]


def test_progress_counts_all_files_together(staging: Staging) -> None:
    told: list[tuple[int, int]] = []
    origin = FakeOrigin({"a": DATA, "b": DATA})
    fetch_files(
        origin,
        origin.list_files(),
        staging,
        progress=lambda _, done, total: told.append((done, total)),
    )
    assert [done for done, _ in told] == [2048, 2048, 4096, 4096]
    assert {total for _, total in told} == {4096}
