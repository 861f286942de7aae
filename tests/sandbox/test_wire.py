import json
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.sandbox.child.wire import (
    MAX_FRAME_BYTES,
    MAX_HEADER_BYTES,
    MAX_TEXTS,
    Frame,
    FrameError,
    FrameReader,
    encode_frame,
)

_texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
_headers = st.dictionaries(_texts, st.none() | st.booleans() | st.integers() | _texts, max_size=5)
_frames = st.builds(Frame, _headers, st.lists(_texts, max_size=6).map(tuple))


def _raw(total: int, header_bytes: int, n_texts: int, rest: bytes = b"") -> bytes:
    return struct.pack(">III", total, header_bytes, n_texts) + rest


def _read(data: bytes) -> Frame | None:
    reader = FrameReader()
    reader.feed(data)
    return reader.next_frame()


def _with_header(header: bytes) -> bytes:
    return _raw(8 + len(header), len(header), 0, header)


@given(st.lists(_frames, max_size=4), st.lists(st.integers(1, 30), max_size=60))
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(
    frames: list[Frame], cuts: list[int]
) -> None:
    data = b"".join(encode_frame(frame.header, frame.texts) for frame in frames)
    reader, found = FrameReader(), []
    for size in [*cuts, len(data)]:
        reader.feed(data[:size])
        data = data[size:]
        while (frame := reader.next_frame()) is not None:
            found.append(frame)
    assert found == frames


def test_every_split_point_of_a_frame_gives_the_same_frame() -> None:
    frame = Frame({"op": "call", "id": 7}, ("naïve", "", "x" * 50))
    data = encode_frame(frame.header, frame.texts)
    for cut in range(len(data)):
        reader = FrameReader()
        reader.feed(data[:cut])
        assert reader.next_frame() is None
        reader.feed(data[cut:])
        assert reader.next_frame() == frame


def test_lone_surrogates_become_question_marks() -> None:
    frame = _read(encode_frame({"op": "done"}, ("a\ud800b",)))
    assert frame == Frame({"op": "done"}, ("a?b",))


def test_ten_thousand_texts_fit_one_frame() -> None:
    texts = tuple(str(number) for number in range(10_000))
    assert _read(encode_frame({}, texts)) == Frame({}, texts)


def test_text_that_is_not_utf8_is_replaced_not_refused() -> None:
    data = _raw(8 + 4 + 2 + 1, 2, 1, struct.pack(">I", 1) + b"{}" + b"\xff")
    assert _read(data) == Frame({}, ("\ufffd",))


@pytest.mark.parametrize(
    "data",
    [
        _raw(2**32 - 1, 2, 0),
        _raw(MAX_FRAME_BYTES + 1, 2, 0),
        _raw(MAX_FRAME_BYTES, MAX_HEADER_BYTES + 1, 0),
        _raw(MAX_FRAME_BYTES, 2, MAX_TEXTS + 1),
        _raw(0, 0, 0),
        _raw(8, 2, 0),
        _raw(10, 3, 0, b"{}"),
        _raw(8 + 4 + 2, 2, 1, struct.pack(">I", 5) + b"{}"),
        _raw(8 + 4 + 2 + 5, 2, 1, struct.pack(">I", 4) + b"{}" + b"abcde"),
        _with_header(b"not json"),
        _with_header(b"[]"),
        _with_header(b"7"),
        _with_header(b"\xff\xfe"),
        _with_header(b"[" * 200_000),
        _with_header(b'{"n": ' + b"9" * 10_000 + b"}"),
        _with_header(b'{"n": NaN}'),
        _with_header(b'{"n": -Infinity}'),
        _with_header(b'{"n": [1e999]}'),
        _with_header(b'{"n": {"a": 1, "a": 2}}'),
        _with_header(b'{"n": "\xed\xa0\x80"}'),
        _with_header(b'{"n": -' + b"9" * 4301 + b"}"),
        _with_header(b'{"n": ' + b"9" * 4301 + b"}"),
        _with_header(b'{"n": 1} {"n": 2}'),
        _with_header(b'{"n": 1}x'),
        _with_header(b""),
    ],
)
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        _read(data)


@given(st.binary(max_size=200))
def test_garbage_never_raises_anything_but_a_frame_error(data: bytes) -> None:
    try:
        _read(data)
    except FrameError:
        return


def test_a_huge_length_is_refused_before_its_bytes_are_there() -> None:
    reader = FrameReader()
    reader.feed(_raw(0xFFFFFFF0, 2, 0))
    with pytest.raises(FrameError, match="at most"):
        reader.next_frame()


def test_a_frame_over_the_limit_is_not_made() -> None:
    with pytest.raises(FrameError, match="at most"):
        encode_frame({}, ("x" * (MAX_FRAME_BYTES + 1),))
    with pytest.raises(FrameError, match="header"):
        encode_frame({"long": "x" * MAX_HEADER_BYTES}, ())


@pytest.mark.parametrize("blanks", ["", " ", "\n", "\t" * 5000])
def test_blanks_around_a_header_change_nothing(blanks: str) -> None:
    assert _read(_with_header(f'{blanks}{{"n": 1}}{blanks}'.encode())) == Frame({"n": 1})


@pytest.mark.parametrize("n_digits", [1, 640, 4200, 4300])
def test_numbers_of_as_many_digits_as_are_allowed_are_read(n_digits: int) -> None:
    frame = _read(_with_header(b'{"n": ' + b"9" * n_digits + b"}"))
    assert frame == Frame({"n": 10**n_digits - 1})


@pytest.mark.parametrize("header", [{"n": float("nan")}, {"n": float("inf")}, {"n": b"bytes"}])
def test_what_is_no_json_is_not_sent(header: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        encode_frame(header)


def test_headers_are_json_even_for_odd_names() -> None:
    frame = _read(encode_frame({"__proto__": "\u2028", "\x00": None}, ()))
    assert frame is not None
    assert json.loads(json.dumps(frame.header)) == {"__proto__": "\u2028", "\x00": None}


def test_digits_without_number_are_refused_where_the_interpreter_has_no_limit() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(FrameError):
            _read(_with_header(b'{"n": ' + b"9" * 1_000_000 + b"}"))
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"\ud800", "?"),
        (rb"\udfff\ud800", "??"),
        (rb"\uD83D\uDE00", "\U0001f600"),
        (rb"\ud83d\ud83d\ude00", "?\U0001f600"),
        (rb"\\ud800", r"\ud800"),
        (rb"\\\ud800", "\\?"),
    ],
)
def test_half_a_surrogate_pair_in_a_header_becomes_a_question_mark(
    written: bytes, read: str
) -> None:
    frame = _read(_with_header(b'{"n": "' + written + b'"}'))
    assert frame == Frame({"n": read})


@given(st.text())
def test_a_header_that_was_read_can_be_encoded_again(text: str) -> None:
    frame = _read(encode_frame({text: [text]}))
    assert frame is not None
    for name in frame.header:
        name.encode()


def test_a_text_with_methods_of_its_own_is_sent_as_it_is() -> None:
    class Odd(str):
        __slots__ = ()

        def encode(self, encoding: str = "", errors: str = "") -> bytes:
            raise OSError

    assert _read(encode_frame({"op": "x"}, (Odd("text"),))) == Frame({"op": "x"}, ("text",))
