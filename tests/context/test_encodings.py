import codecs
import random
from pathlib import Path

import pytest

from rlm_local.errors import ContextError
from tests.context.conftest import Opener
from tests.context.texts import document_texts, read_all

FRENCH = "Le café est fermé à Noël, réouverture début février.\r\n"
JAPANESE = "これは日本語のテキストです。東京は大きな都市です。\n"
LATIN_2 = "Příliš žluťoučký kůň úpěl ďábelské ódy.\n"

TOLD = {
    "one accent": (b"caf\xe9\n", "cp1252"),
    "french": (FRENCH.encode("latin-1"), "cp1252"),
    "signs": ("It’s a “quoted” text – with dashes… and €5.\n".encode("cp1252"), "cp1252"),
    "portuguese": (
        "São Paulo não é a capital; as eleições são amanhã.\n".encode("cp1252"),
        "cp1252",
    ),
    "author": (b"# Author: Fran\xe7ois Pinard\ndef f(x):\n    return x\n" * 9, "cp1252"),
    "declared": (b"# -*- coding: iso-8859-2 -*-\n" + LATIN_2.encode("iso8859-2"), "iso8859-2"),
    "shift_jis": (JAPANESE.encode("shift_jis") * 3, "cp932"),
    "euc_jp": (JAPANESE.encode("euc_jp") * 3, "euc_jp"),
    "iso2022_jp": (JAPANESE.encode("iso2022_jp"), "iso2022_jp"),
    "gbk": ("这是一个中文文本。北京是中国的首都。\n".encode("gbk") * 3, "gb18030"),
    "korean": ("이것은 한국어 텍스트입니다. 서울은 큰 도시입니다.\n".encode("euc_kr") * 3, "cp949"),
    "russian": ("Это русский текст. Москва — столица России.\n".encode("cp1251") * 3, "cp1251"),
    "koi8-r": ("Это русский текст. Москва столица России.\n".encode("koi8_r") * 3, "koi8_r"),
    "utf-16": (FRENCH.encode("utf-16"), "utf-16-le"),
    "utf-16 big": (codecs.BOM_UTF16_BE + JAPANESE.encode("utf-16-be"), "utf-16-be"),
    "utf-16 unmarked": (FRENCH.encode("utf-16-le"), "utf-16-le"),
    "utf-32": (codecs.BOM_UTF32_LE + "😀 text".encode("utf-32-le"), "utf-32-le"),
}

REFUSED = {
    "two readings": (LATIN_2.encode("iso8859-2") * 3, "iso8859_2"),
    "turkish": ("İstanbul'da güneşli bir gün, şarkı söylüyor.\n".encode("cp1254") * 4, "perhaps"),
    "dos": (FRENCH.encode("cp850") * 5, "could not be told"),
    "too little": ("日本語\n".encode("shift_jis"), "could not be told"),
    "upper case greek": ("ΑΘΗΝΑ\n".encode("cp1253") * 5, "could not be told"),
    "damaged utf-8": ("naïve café 日本語\n".encode() * 5 + b"\xff\n", "UTF-8 with damaged bytes"),
    "cut utf-8": ("naïve café 日本語".encode()[:-1], "UTF-8 with damaged bytes"),
    "marked utf-8": (codecs.BOM_UTF8 + b"caf\xe9", "marked as UTF-8"),
    "odd utf-16": (codecs.BOM_UTF16_LE + b"a\0b\0c", "utf-16-le, but"),
    "surrogate": ("x\ud800y".encode("utf-8", "surrogatepass"), "could not be told|damaged"),
}


@pytest.mark.parametrize("case", TOLD)
def test_an_encoding_told_for_sure_is_converted_and_named(
    folder: Path, open_inputs: Opener, case: str
) -> None:
    data, encoding = TOLD[case]
    (folder / "f").write_bytes(data)
    context = open_inputs(folder / "f")
    assert [item.encoding for item in context.converted] == [encoding]
    expected = data.decode(encoding)
    assert read_all(context) == expected.removeprefix("\ufeff")


@pytest.mark.parametrize("case", REFUSED)
def test_an_encoding_that_cannot_be_told_is_refused_with_advice(
    folder: Path, open_inputs: Opener, case: str
) -> None:
    data, words = REFUSED[case]
    (folder / "file.txt").write_bytes(data)
    with pytest.raises(ContextError, match=rf"file\.txt is not UTF-8: .*({words}).*iconv"):
        open_inputs(folder / "file.txt")


def test_in_a_folder_such_files_are_skipped_and_told(folder: Path, open_inputs: Opener) -> None:
    (folder / "a.txt").write_text("text")
    (folder / "bad.txt").write_bytes(REFUSED["dos"][0])
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    context = open_inputs(folder)
    assert document_texts(context) == {"a.txt": "text", "latin.txt": "café"}
    assert [Path(item.path).name for item in context.converted] == ["latin.txt"]
    assert [item.reason.partition(":")[0] for item in context.skipped] == ["encoding"]


def test_a_named_binary_is_refused_by_what_it_is(folder: Path, open_inputs: Opener) -> None:
    noise = random.Random(1).randbytes(3000).replace(b"\0", b"\x01")
    for data, what in [(b"%PDF-1.7\n", "PDF"), (b"\x7fELF", "ELF"), (noise, "control characters")]:
        (folder / "f").write_bytes(data)
        with pytest.raises(ContextError, match=f"f is not text but binary .*{what}"):
            open_inputs(folder / "f")


def test_only_the_mark_of_utf8_is_dropped_and_line_ends_are_kept(
    folder: Path, open_inputs: Opener
) -> None:
    text = "a\r\nb\rc\n\u2028é😀\ufeffd"
    (folder / "f").write_bytes(codecs.BOM_UTF8 + text.encode())
    context = open_inputs(folder / "f")
    assert read_all(context) == text
    assert context.converted == ()


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "cp932"])
def test_long_files_are_converted_as_they_stream(
    folder: Path, open_inputs: Opener, encoding: str
) -> None:
    line = JAPANESE if encoding == "cp932" else FRENCH
    text = "plain line\n" * 500_000 + line * 50_000
    (folder / "f").write_bytes(text.encode(encoding))
    (folder / "g").write_text("after")
    context = open_inputs(folder)
    assert document_texts(context) == {"f": text, "g": "after"}
    assert len(context.converted) == 1


def test_one_endless_line_is_judged_like_any_other(folder: Path, open_inputs: Opener) -> None:
    (folder / "f").write_bytes(b"plain words " * 100_000 + FRENCH.strip().encode("cp1252"))
    assert read_all(open_inputs(folder / "f")).endswith(FRENCH.strip())


def test_a_long_file_refused_half_way_leaves_nothing_behind(
    folder: Path, open_inputs: Opener
) -> None:
    (folder / "a").write_text("before")
    (folder / "b").write_bytes(b"plain line\n" * 500_000 + REFUSED["dos"][0] * 20_000)
    (folder / "c").write_text("after 日本")
    context = open_inputs(folder)
    assert read_all(context) == "===== a =====\nbefore\n===== c =====\nafter 日本\n"
    assert context.facts.lines == 4
    assert [Path(item.path).name for item in context.skipped] == ["b"]
    alone = open_inputs(folder, exclude=("b",))
    assert alone.facts == context.facts
