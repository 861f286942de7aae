import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.context.scratch_file import InvalidUtf8, ScratchFile, WrittenText, whole_chars_end
from tests.unhurried import UNHURRIED

PIECES = st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=8)


def _finished(folder: Path, *pieces: str) -> WrittenText:
    file = ScratchFile(folder)
    for piece in pieces:
        file.append(piece.encode())
    return file.finish()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@UNHURRIED
@given(pieces=PIECES)
def test_what_is_measured_is_what_was_written(folder: Path, pieces: list[str]) -> None:
    written = _finished(folder, *pieces)
    text = "".join(pieces)
    data = text.encode()
    try:
        assert os.pread(written.fd, len(data) + 1, 0) == data
    finally:
        os.close(written.fd)
    assert (written.n_chars, written.n_bytes) == (len(text), len(data))
    assert written.n_lines == text.count("\n") + (bool(text) and not text.endswith("\n"))
    assert written.sha256 == hashlib.sha256(data).hexdigest()
    widest = max(map(ord, text), default=0)
    assert written.char_width == (1 if widest < 0x100 else 2 if widest < 0x10000 else 4)


@UNHURRIED
@given(kept=PIECES, dropped=PIECES, more=PIECES)
def test_going_back_to_a_mark_forgets_what_came_after(
    folder: Path, kept: list[str], dropped: list[str], more: list[str]
) -> None:
    file = ScratchFile(folder)
    for piece in kept:
        file.append(piece.encode())
    mark = file.mark()
    for piece in dropped:
        file.append(piece.encode())
    file.rewind(mark)
    for piece in more:
        file.append(piece.encode())
    written, wanted = file.finish(), _finished(folder, *kept, *more)
    try:
        assert written.sha256 == wanted.sha256
        assert (written.n_chars, written.n_lines) == (wanted.n_chars, wanted.n_lines)
        assert written.char_width == wanted.char_width
        assert os.fstat(written.fd).st_size == wanted.n_bytes
    finally:
        os.close(written.fd)
        os.close(wanted.fd)


def test_what_is_not_utf8_is_refused_with_its_place(folder: Path) -> None:
    file = ScratchFile(folder)
    with pytest.raises(InvalidUtf8) as caught:
        file.append(b"good \xff bad")
    assert caught.value.offset == 5
    file.abandon()
    file.abandon()


def test_nothing_has_a_name_on_disk(folder: Path) -> None:
    file = ScratchFile(folder)
    file.append(b"some text")
    assert list(folder.iterdir()) == []
    file.abandon()


@UNHURRIED
@given(text=st.text(st.characters(codec="utf-8"), min_size=1), at=st.integers(1, 40))
def test_a_piece_never_ends_inside_a_character(text: str, at: int) -> None:
    data = text.encode()
    end = whole_chars_end(data, 0, at)
    assert 0 < end <= min(max(at, 4), len(data))
    if end <= at and end > 3:
        data[:end].decode()
