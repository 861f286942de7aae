"""Makes hostile bytes of recorded frames: bits, lengths, splices, and values inside the JSON."""

import copy
import json
import random
import struct
from collections.abc import Sequence

from rlm_local.sandbox.child.wire import MAX_FRAME_BYTES, MAX_HEADER_BYTES, MAX_TEXTS, Frame

__all__ = ["Mutator", "raw_frame"]

_LENGTHS = (
    0, 1, 2, 3, 7, 8, 9, 11, 12, 13, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
    MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, MAX_HEADER_BYTES, MAX_HEADER_BYTES + 1, MAX_TEXTS,
    MAX_TEXTS + 1,
)  # fmt: skip
_VALUES: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 2, 1 << 31, 1 << 53, (1 << 53) - 1, 1 << 62, 1 << 64, -(1 << 63),
    10**30, 0.5, -0.0, 1e308, "", "a", "\x00", "\ud800", "\udfff\ud800", "\U0001f642", "\u2028",
    "__class__", "__proto__", "done", "call", "ready", "reply", "refused", "exec", "llm_query",
    "rlm_query", "search", "x" * 600, [], {}, [[]], [None], [0, 1], [1, 0], [[0, 1]], {"a": {}},
    ["stdout", "stdout"], ["stdout"], ["final", "error"], list(range(250)),
)  # fmt: skip
_RAW_JSON = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e-999", b"9" * 400, b"9" * 5000, b"[" * 3000,
    b'{"a":' * 1500, b"[" * 40 + b"]" * 40, b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"',
    b'"\\uD83D\\uDE42"', b'"\xff\xfe"', b'"\x00"', b'{"op":1,"op":2}', b"//", b"1.", b"+1", b"0x10",
    b"'a'", b"true", b"", b"\xef\xbb\xbf{}", b'"' + b"a" * 5000 + b'"',
)  # fmt: skip
_MAX_INPUT_BYTES = 1 << 16


def raw_frame(header: bytes, texts: Sequence[bytes]) -> bytes:
    """A frame with true lengths over any bytes."""
    total = 8 + 4 * len(texts) + len(header) + sum(map(len, texts))
    lengths = struct.pack(f">{len(texts)}I", *map(len, texts))
    head = struct.pack(">III", total, len(header), len(texts))
    return b"".join((head, lengths, header, *texts))


class Mutator:
    """An endless supply of inputs; the same seed and frames give the same ones."""

    def __init__(self, frames: Sequence[Frame], seed: int) -> None:
        self._frames = frames
        self._random = random.Random(seed)

    def next_input(self) -> bytes:
        """Some frames, most of them altered inside, at times altered as bytes as well."""
        chance = self._random
        data = b"".join(self._next_frame() for _ in range(chance.choice((1, 1, 1, 2, 3))))
        data = data[:_MAX_INPUT_BYTES]
        if chance.random() < 0.5:
            damaged = bytearray(data)
            for _ in range(chance.choice((1, 1, 2, 4, 16))):
                self._damage(damaged)
            data = bytes(damaged)
        return data

    def pieces(self, data: bytes) -> list[bytes]:
        """The input cut as a socket may cut it."""
        n_cuts = self._random.choice((0, 0, 1, 2, 5, 20))
        cuts = sorted(self._random.randrange(len(data) + 1) for _ in range(n_cuts))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def _next_frame(self) -> bytes:
        chance = self._random
        frame = chance.choice(self._frames)
        header = copy.deepcopy(frame.header)
        texts = [text.encode("utf-8", "replace") for text in frame.texts]
        if chance.random() < 0.8:
            for _ in range(chance.choice((1, 1, 2, 3))):
                self._alter(header)
        if chance.random() < 0.3:
            self._alter_texts(texts)
        head = json.dumps(header).encode("ascii")
        if chance.random() < 0.15:
            head = self._alter_raw(head)
        return raw_frame(head, texts)

    def _alter(self, header: dict[str, object]) -> None:
        """Change one value, name or item anywhere in the header."""
        chance = self._random
        inner: list[dict[str, object] | list[object]] = [header]
        for node in inner:
            values = node.values() if isinstance(node, dict) else node
            inner += [value for value in values if isinstance(value, dict | list)]
        node = chance.choice(inner)
        if isinstance(node, dict):
            self._alter_object(node)
        else:
            at = chance.randrange(len(node) + 1)
            node[at : at + chance.choice((0, 1))] = [copy.deepcopy(chance.choice(_VALUES))]

    def _alter_object(self, node: dict[str, object]) -> None:
        chance = self._random
        names = [*node, *chance.choice(self._frames).header]
        name = chance.choice(names or ["op"])
        kind = chance.randrange(4)
        if kind == 0:
            node.pop(name, None)
        elif kind == 1:
            node[f"{name}{chance.choice(('', '_', chr(0), '🙂'))}"] = node.pop(name, None)
        elif kind == 2:
            donor = chance.choice(self._frames).header
            node[name] = copy.deepcopy(donor.get(name))
        else:
            node[name] = copy.deepcopy(chance.choice(_VALUES))

    def _alter_texts(self, texts: list[bytes]) -> None:
        chance = self._random
        at = chance.randrange(len(texts) + 1)
        odd = chance.choice(
            (b"", b"\xff", b"\xed\xa0\x80", b"\xf0\x9f", b"\x1b]52;c;x\x07", b"a\x00b")
        )
        texts[at : at + chance.choice((0, 1, 1, 9))] = [odd] * chance.choice((0, 1, 1, 5, 300))

    def _alter_raw(self, head: bytes) -> bytes:
        """Put text into the header that no JSON writer would."""
        chance = self._random
        raw = chance.choice(_RAW_JSON)
        marks = [at for at, byte in enumerate(head) if byte in b':,[{"0123456789']
        start = chance.choice(marks) + 1 if marks else 0
        return head[:start] + raw + head[start + chance.choice((0, 0, 1, 4)) :]

    def _damage(self, data: bytearray) -> None:
        chance = self._random
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            place = chance.choice((0, 4, 8, 12, 16, at))
            data[place : place + 4] = struct.pack(">I", self._odd_length(len(data)))
        elif kind == 2:
            del data[at : at + chance.choice((1, 2, 4, 12, 100, 1 << 20))]
        elif kind == 3:
            data[at:at] = chance.randbytes(chance.choice((1, 2, 4, 12)))
        elif kind == 4 and len(data) < _MAX_INPUT_BYTES:
            start = chance.randrange(len(data) + 1)
            data[at:at] = data[start : start + chance.choice((1, 4, 12, 200))]
        elif kind == 5:
            data[at:] = self._next_frame()[chance.randrange(40) :]

    def _odd_length(self, size: int) -> int:
        chance = self._random
        if chance.random() < 0.5:
            return chance.choice(_LENGTHS)
        return max(0, size + chance.randrange(-20, 20))
