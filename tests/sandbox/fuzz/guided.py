"""Coverage-guided fuzzing of the same promises, by atheris: optional, for whoever has it.

``pip install atheris; python -m tests.sandbox.fuzz.guided FOLDER -runs=1000000``. The folder keeps
inputs that reached new code; arguments are libFuzzer's. Not among the development dependencies:
its wheels are tied to one Python and one architecture, and nothing in the suite needs it.
"""

import asyncio
import importlib
import json
import json.decoder
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from rlm_local.sandbox import messages
from rlm_local.sandbox.child import wire
from rlm_local.sandbox.child.wire import Frame
from tests.sandbox.fuzz.mutate import raw_frame
from tests.sandbox.fuzz.reading import read_all
from tests.sandbox.fuzz.record import record_frames

__all__: list[str] = []

_OWNERS = (wire, wire.FrameReader, messages, json.decoder, json.decoder.JSONDecoder)
_BETWEEN_TEXTS = b"\n"
_AS_IT_IS = b"\x00"
"""Inputs that begin so are read as they are; of others a frame with true lengths is made."""


def main() -> None:
    """Seed the folder with recorded frames, then fuzz until libFuzzer is done."""
    atheris: Any = importlib.import_module("atheris")
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(asyncio.run(record_frames())):
            whole = wire.encode_frame(frame.header, frame.texts)
            (folder / f"whole-{number}").write_bytes(_AS_IT_IS + whole)
            (folder / f"parts-{number}").write_bytes(_parts(frame))
    for function in _functions():
        atheris.instrument_func(function)
    atheris.Setup(sys.argv, _read)
    atheris.Fuzz()


def _parts(frame: Frame) -> bytes:
    texts = (text.encode("utf-8", "replace") for text in frame.texts)
    return _BETWEEN_TEXTS.join((json.dumps(frame.header).encode("ascii"), *texts))


def _functions() -> Iterator[FunctionType]:
    for owner in _OWNERS:
        home = getattr(owner, "__module__", owner.__name__)
        for member in vars(owner).values():
            if isinstance(member, FunctionType) and member.__module__ == home:
                yield member


def _read(data: bytes) -> None:
    if data.startswith(_AS_IT_IS):
        middle = len(data) // 2
        read_all((data[1:middle], data[middle:]))
    else:
        header, *texts = data.split(_BETWEEN_TEXTS)
        read_all((raw_frame(header, texts),))


if __name__ == "__main__":
    main()
