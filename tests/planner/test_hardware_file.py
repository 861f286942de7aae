from pathlib import Path

import pytest

from rlm_local.errors import ConfigError
from rlm_local.planner.hardware import probe
from rlm_local.planner.hardware_file import (
    as_json,
    imagined_cards,
    parse_size,
    read_hardware,
    with_memory,
)
from tests.planner.imagined import MACHINES


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GiB", 24 << 30),
        ("24 gib", 24 << 30),
        ("24", 24 << 30),
        ("24G", 24 << 30),
        ("24GB", 24 * 10**9),
        ("0.5GiB", 1 << 29),
        ("512MiB", 512 << 20),
        ("100 MB", 10**8),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "24TB", "-1", "0", "24 GiB of it", "1e9", "24,5GiB"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as 24GiB"):
        parse_size(text)


def test_an_imagined_card_has_a_little_less_than_its_name_says() -> None:
    first, second = imagined_cards(24 << 30, 2, (9, 0))

    assert (first.index, second.index) == (0, 1)
    assert first.name == "imagined 24 GiB card"
    assert 23 << 30 < first.free_bytes < first.total_bytes < 24 << 30
    assert first.compute_capability == (9, 0)


def test_a_card_smaller_than_its_driver_has_nothing_free() -> None:
    assert imagined_cards(1 << 20, 1)[0].free_bytes == 0


def test_memory_can_be_imagined_too() -> None:
    assert with_memory(MACHINES["8 GB card"], 64 << 30).ram_available_bytes == 64 << 30


@pytest.mark.parametrize("name", MACHINES)
def test_a_record_reads_as_what_was_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "machine.json"
    path.write_text(as_json(MACHINES[name]))

    assert read_hardware(path) == MACHINES[name]


def test_this_machine_can_be_recorded(tmp_path: Path) -> None:
    here = probe()
    (tmp_path / "here.json").write_text(as_json(here))

    assert read_hardware(tmp_path / "here.json") == here


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the whole: "),
        ("{}", "ram_total_bytes: "),
        ('{"ram_total_bytes": "much", "ram_available_bytes": 1, "cores": []}', "ram_total_bytes: "),
    ],
)
def test_a_file_that_describes_no_hardware_is_refused_with_the_place(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "machine.json"
    path.write_text(content)

    with pytest.raises(ConfigError, match=f"describes no hardware: .*{said}"):
        read_hardware(path)


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_hardware(tmp_path / "none.json")
