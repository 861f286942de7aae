"""Hostile bytes, quickly; `python -m tests.sandbox.fuzz` does the same for hours."""

import asyncio
import base64
import json
import struct
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.wire import Frame, FrameReader, encode_frame
from tests.sandbox.fuzz.exchanges import Exchanges
from tests.sandbox.fuzz.mutate import Mutator, raw_frame
from tests.sandbox.fuzz.reading import check_sendable, read_all
from tests.sandbox.fuzz.record import record_frames
from tests.unhurried import UNHURRIED

N_INPUTS = 6000
N_EXCHANGES = 250
N_SILENT = 60

_text = st.text(max_size=20)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_names = st.sampled_from(
    ["op", "id", "cell", "fn", "args", "texts", "vars", "stdout_chars", "error_type", "report",
     "choices", "regex", "schema", "max_tokens", "has_context", "slices", "k", "interrupted"]
)  # fmt: skip
_values = st.sampled_from(
    ["call", "done", "ready", "llm_query", "rlm_query", "search", "stdout", "final"]
)
_headers = st.dictionaries(_names | _text, _values | _json, max_size=9)
_cuts = st.lists(st.integers(0, 400), max_size=8)


@cache
def _recorded() -> list[Frame]:
    return asyncio.run(record_frames())


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    cuts = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(cuts)]


@UNHURRIED
@given(st.binary(max_size=400), _cuts)
def test_any_bytes_in_any_pieces_raise_nothing_but_frame_errors(
    data: bytes, cuts: list[int]
) -> None:
    read_all(_cut(data, cuts), max_frame_bytes=256)


@UNHURRIED
@given(_headers, st.lists(st.binary(max_size=30), max_size=5), _cuts)
def test_any_header_over_any_texts_is_refused_or_can_be_sent_on(
    header: dict[str, object], texts: list[bytes], cuts: list[int]
) -> None:
    read_all(_cut(raw_frame(json.dumps(header).encode("ascii"), texts), cuts))


@UNHURRIED
@given(st.binary(max_size=300), st.lists(st.binary(max_size=30), max_size=3))
def test_any_bytes_for_a_header_are_refused_or_can_be_sent_on(
    header: bytes, texts: list[bytes]
) -> None:
    read_all((raw_frame(header, texts),))


_plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@UNHURRIED
@given(
    st.dictionaries(_plain_text, st.none() | st.booleans() | st.integers() | _plain_text),
    st.lists(_plain_text, max_size=6),
    _cuts,
)
def test_what_is_encoded_is_read_back(
    header: dict[str, object], texts: list[str], cuts: list[int]
) -> None:
    frame = Frame(header, tuple(texts))
    reader = FrameReader()
    found = None
    for piece in _cut(encode_frame(frame.header, frame.texts), cuts):
        reader.feed(piece)
        found = found or reader.next_frame()
    assert found == frame
    assert not reader._buffer


def test_a_reader_holds_no_more_than_one_frame_and_what_it_was_fed_last() -> None:
    reader = FrameReader(max_frame_bytes=1000)
    frame = raw_frame(b"{}", [b"x" * 900])
    for _ in range(1000):
        reader.feed(frame * 3 + frame[:500])
        for _ in range(3):
            assert reader.next_frame() is not None
        assert reader.next_frame() is None
        assert len(reader._buffer) == 500
        reader.feed(frame[500:])
        assert reader.next_frame() is not None
        assert not reader._buffer


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"[[[{"])
def test_deep_nesting_is_refused_or_can_be_sent_on(opening: bytes) -> None:
    """At no depth does one step get through what the next one cannot bear."""
    closing = opening[::-1].translate(bytes.maketrans(b"[{", b"]}")).replace(b':"a"', b"")
    for depth in (*range(1, 60), *range(200, 1600, 7), *range(9000, 10_100, 97), 100_000):
        if opening == b"[[[{":
            inner = b"[[[" * depth + b"]]]" * depth
        else:
            inner = opening * depth + b"0" + closing * depth
        for header in (
            b'{"op":"ready","report":{"a":%s}}' % inner,
            b'{"op":"call","id":1,"cell":1,"args":{},"fn":%s}' % inner,
            b'{"op":%s}' % inner,
            b'{"op":"done","cell":1,"texts":[],"stdout_chars":0,"vars":[%s]}' % inner,
        ):
            read_all((raw_frame(header, []),))


def test_mutated_frames_of_a_real_session_break_no_promise() -> None:
    mutator = Mutator(_recorded(), seed=20_261)
    n_messages = 0
    for _ in range(N_INPUTS):
        data = mutator.next_input()
        try:
            n_messages += read_all(mutator.pieces(data))[1]
        except Exception:  # raised again: the input is what a fault is found by
            print("input:", base64.b64encode(data).decode())
            raise
    assert N_INPUTS / 20 < n_messages < N_INPUTS  # neither all noise nor all harmless


def test_recorded_frames_cover_every_operation_and_function() -> None:
    frames = _recorded()
    assert {frame.header["op"] for frame in frames} == {"ready", "call", "done"}
    functions = {frame.header["fn"] for frame in frames if frame.header["op"] == "call"}
    assert functions == {"llm_query", "rlm_query", "search"}


async def test_cells_with_a_hostile_worker_end_as_cells_may() -> None:
    mutator = Mutator(await record_frames(), seed=20_262)
    with Exchanges() as exchanges:
        for number in range(N_EXCHANGES):
            data = mutator.next_input()
            try:
                await exchanges.run(mutator.pieces(data), n_early=number % 3)
            except Exception:  # raised again: the input is what a fault is found by
                print("input:", base64.b64encode(data).decode())
                raise
        exchanges.check_nothing_is_left()
        assert exchanges.ends["ended as broken protocol"] > N_EXCHANGES / 10
        assert exchanges.ends["ended as done"] > N_EXCHANGES / 50


async def test_cells_with_a_worker_that_falls_silent_end_by_their_limit() -> None:
    mutator = Mutator(await record_frames(), seed=20_263)
    with Exchanges() as exchanges:
        inputs = [mutator.pieces(mutator.next_input()) for _ in range(N_SILENT)]
        await asyncio.gather(*(exchanges.run(pieces, then_silent=True) for pieces in inputs))
        exchanges.check_nothing_is_left()
        assert exchanges.ends["ended as lost"] > N_SILENT / 10
        assert exchanges.ends.total() == N_SILENT


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (b"", "ended as done"),
        (struct.pack(">III", 0xFFFFFFFF, 2, 0), "ended as broken protocol"),
        (encode_frame({"op": "ready", "report": {}}), "ended as broken protocol"),
        (encode_frame({"op": "refused"}, ("no",)), "ended as broken protocol"),
        (encode_frame({"op": "exec", "cell": 1}, ("1",)), "ended as broken protocol"),
        (encode_frame({"op": ["done"]}), "ended as broken protocol"),
        (struct.pack(">III", 1 << 20, 2, 0), "ended as lost"),  # never whole
    ],
)
async def test_a_cell_ends_as_its_worker_deserves(sent: bytes, end: str) -> None:
    with Exchanges() as exchanges:
        for n_early in (0, 1):
            await exchanges.run([sent, b""], n_early=n_early)
        assert set(exchanges.ends) == {end}


def test_the_same_seed_gives_the_same_inputs() -> None:
    first, second = (Mutator(_recorded(), seed=3) for _ in range(2))
    assert [first.next_input() for _ in range(50)] == [second.next_input() for _ in range(50)]


@pytest.mark.parametrize("value", ["\ud800", float("nan"), float("inf"), b"bytes"])
def test_the_oracle_notices_what_cannot_be_sent_on(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        check_sendable({"field": [value]})
