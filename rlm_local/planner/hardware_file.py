"""Hardware that is not this machine's: imagined in a few words, or recorded as JSON."""

import re
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rlm_local.errors import ConfigError
from rlm_local.planner.hardware import Gpu, Hardware

__all__ = ["as_json", "imagined_cards", "parse_size", "read_hardware", "with_memory"]

_UNITS = {"": 1 << 30, "g": 1 << 30, "gb": 10**9, "gib": 1 << 30, "mb": 10**6, "mib": 1 << 20}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*")
_SHARE_OF_NAME = 0.998
"""A card has a little less than its name says."""
_DRIVER_BYTES = int(0.4 * (1 << 30))
"""What the driver holds of a card that nobody uses."""

_hardware = TypeAdapter(Hardware)


def parse_size(text: str) -> int:
    """Bytes of `24GiB`, `24 GB`, `512MiB`, or `24`, which is GiB.

    Raises:
        ConfigError: it is no size.
    """
    found = _SIZE.fullmatch(text)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None or float(found[1]) == 0:
        raise ConfigError(f"{text!r} is no size; write it as 24GiB, 24GB or 512MiB")
    return int(float(found[1]) * unit)


def imagined_cards(
    vram_bytes: int, n_cards: int, capability: tuple[int, int] = (8, 9)
) -> tuple[Gpu, ...]:
    """Equal cards that nobody uses, with what a driver leaves of them."""
    total_bytes = int(vram_bytes * _SHARE_OF_NAME)
    return tuple(
        Gpu(
            index=index,
            uuid=f"imagined-{index}",
            name=f"imagined {vram_bytes / (1 << 30):g} GiB card",
            total_bytes=total_bytes,
            free_bytes=max(0, total_bytes - _DRIVER_BYTES),
            compute_capability=capability,
        )
        for index in range(n_cards)
    )


def with_memory(hardware: Hardware, ram_bytes: int) -> Hardware:
    """The same machine with so much memory free."""
    return replace(hardware, ram_total_bytes=ram_bytes, ram_available_bytes=ram_bytes)


def as_json(hardware: Hardware) -> str:
    """A record that `read_hardware` takes."""
    return _hardware.dump_json(hardware, indent=1).decode()


def read_hardware(path: Path) -> Hardware:
    """The machine a file describes.

    Raises:
        ConfigError: the file cannot be read, or is no such description; says where it is wrong.
    """
    try:
        return _hardware.validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'the whole'}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigError(f"{path} describes no hardware: {places}") from error
