from pathlib import Path

from rlm_local.context.mapped_file import open_context
from rlm_local.context.sources import ReadOptions
from rlm_local.session.remarks import remarks_on
from tests.fakes.word_counter import WordCounter

GERMAN = "Die Brücke über den Fluß wurde früher als die Straße eröffnet.\n"


def _remarks(folder: Path, scratch: Path) -> list[str]:
    context = open_context(
        [folder], ReadOptions(), counter=WordCounter(), scratch=scratch, index_folder=scratch
    )
    try:
        return remarks_on(context)
    finally:
        context.close()


def test_a_text_read_as_it_is_needs_no_remark(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "a.txt").write_text(GERMAN)
    assert _remarks(tmp_path / "given", tmp_path / "scratch") == []


def test_files_left_out_and_files_converted_are_told(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    for number in range(5):
        (tmp_path / "given" / f"{number}.txt").write_bytes(GERMAN.encode("utf-16"))
    (tmp_path / "given" / "a.bin").write_bytes(bytes(range(256)) * 9)
    left_out, converted = _remarks(tmp_path / "given", tmp_path / "scratch")
    assert left_out == "not read: 1 binary"
    assert converted.startswith("not UTF-8, converted: ")
    assert converted.count("(utf-16-le)") == 3
    assert converted.endswith(" and 2 more")
