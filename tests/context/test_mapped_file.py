import hashlib
import io
import mmap
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_local.context.mapped_file import count_tokens_exactly
from rlm_local.context.sources import StreamInput, TextInput
from rlm_local.errors import ContextError
from rlm_local.interfaces import Context
from rlm_local.types import ContextSlice, TokenCount
from tests.context.conftest import Opener
from tests.context.texts import document_texts, mixed_texts, read_all
from tests.fakes.word_counter import WordCounter


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208


many_examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_one_file_is_the_context_as_it_is(folder: Path, open_inputs: Opener) -> None:
    text = "one\ntwo é\r\nthree\n"
    (folder / "a.txt").write_bytes(text.encode())
    context: Context = open_inputs(folder / "a.txt")

    facts = context.facts
    assert context.documents == ()
    assert (facts.chars, facts.bytes, facts.lines) == (len(text), len(text.encode()), 3)
    assert facts.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (facts.tokens.tokens, facts.tokens.exact) == (4, True)
    assert context.read(ContextSlice(0, 1000)) == text


def test_a_last_line_without_an_end_is_a_line(open_inputs: Opener) -> None:
    assert open_inputs(TextInput("t", "a\nb")).facts.lines == 2
    assert open_inputs(TextInput("t", "a\nb\n")).facts.lines == 2


def test_several_texts_stand_under_header_lines(folder: Path, open_inputs: Opener) -> None:
    (folder / "b.txt").write_text("second")
    context = open_inputs(TextInput("a", "first 😀\n"), folder / "b.txt")

    assert read_all(context) == "===== a =====\nfirst 😀\n\n===== b.txt =====\nsecond\n"
    assert document_texts(context) == {"a": "first 😀\n", "b.txt": "second"}
    assert context.facts.documents == 2


@many_examples
@given(texts=st.lists(mixed_texts.filter(bool), min_size=2, max_size=6))
def test_spans_tell_where_documents_are_in_characters_and_bytes(
    open_inputs: Opener, texts: list[str]
) -> None:
    context = open_inputs(*(TextInput(f"d{n}", text) for n, text in enumerate(texts)))
    raw = os.pread(context.fileno(), context.facts.bytes + 1, 0)
    whole = raw.decode()

    assert len(raw) == context.facts.bytes
    assert len(whole) == context.facts.chars
    for span, text in zip(context.documents, texts, strict=True):
        assert whole[span.start_char : span.end_char] == text
        assert raw[span.start_byte : span.end_byte].decode() == text
        header = f"===== {span.name} =====\n"
        assert whole[: span.start_char].endswith(header)
    assert whole == "".join(f"===== d{n} =====\n{text}\n" for n, text in enumerate(texts))


@many_examples
@given(
    unit=mixed_texts.filter(bool),
    n_ascii=st.integers(0, 200_000),
    n_units=st.integers(1, 2000),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 300)), min_size=1, max_size=8),
)
def test_reading_by_characters_is_slicing(
    open_inputs: Opener, unit: str, n_ascii: int, n_units: int, cuts: list[tuple[float, int]]
) -> None:
    text = "x" * n_ascii + unit * n_units + "y" * n_ascii + unit
    context = open_inputs(TextInput("t", text))
    for place, length in cuts:
        start = int(place * len(text))
        assert context.read(ContextSlice(start, start + length)) == text[start : start + length]
    assert context.head(70) == text[:70]
    assert context.tail(70) == text[-70:]
    assert (context.head(0), context.tail(0), context.read(ContextSlice(5, 2))) == ("", "", "")
    context.close()


def test_a_long_file_with_characters_across_pieces_reads_back(
    folder: Path, open_inputs: Opener
) -> None:
    text = "x" + "日本語😀é" * 700_000  # 16 bytes a unit: every piece ends within a character
    (folder / "long.txt").write_text(text, "utf-8")
    context = open_inputs(folder / "long.txt")

    assert context.facts.chars == len(text)
    assert context.facts.sha256 == hashlib.sha256(text.encode()).hexdigest()
    for start in (0, 65_533, 1_398_100, 2_000_001, len(text) - 3):
        assert context.read(ContextSlice(start, start + 99)) == text[start : start + 99]


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 1), ("é ÿ", 1), ("ā", 2), ("日本", 2), ("a" * 99 + "😀", 4)]
)
def test_the_width_of_a_character_is_that_of_a_python_str(
    open_inputs: Opener, text: str, width: int
) -> None:
    assert open_inputs(TextInput("t", text)).char_width == width


def test_the_hash_depends_on_the_text_alone(folder: Path, open_inputs: Opener) -> None:
    text = "line of text é\n" * 600_000  # more than a piece
    (folder / "f").write_text(text, "utf-8")
    hashes = {
        open_inputs(TextInput("t", text)).facts.sha256,
        open_inputs(folder / "f").facts.sha256,
        open_inputs(StreamInput("-", io.BytesIO(text.encode()))).facts.sha256,
    }
    assert hashes == {hashlib.sha256(text.encode()).hexdigest()}


def test_a_stream_is_read_to_its_end(open_inputs: Opener) -> None:
    text = "naïve text\n" * 500_000
    context = open_inputs(StreamInput("standard input", io.BytesIO(text.encode("cp1252"))))
    assert read_all(context) == text
    assert [(c.path, c.encoding) for c in context.converted] == [("standard input", "cp1252")]


def test_equal_names_are_made_unique(folder: Path, open_inputs: Opener) -> None:
    for name in ("p", "q"):
        (folder / name).mkdir()
        (folder / name / "x.txt").write_text(name)
    context = open_inputs(
        folder / "p" / "x.txt", folder / "q", TextInput("x.txt", "t"), TextInput("x.txt (2)", "u")
    )
    assert document_texts(context) == {
        "x.txt": "p", "x.txt (2)": "q", "x.txt (3)": "t", "x.txt (2) (2)": "u",
    }  # fmt: skip


def test_a_name_cannot_forge_a_header(folder: Path, open_inputs: Opener) -> None:
    (folder / "a\n===== b =====").write_text("t")
    (folder / os.fsdecode(b"bad\xff")).write_text("u")
    names = [span.name for span in open_inputs(folder).documents]
    assert names == ["a\\n===== b =====", "bad\\udcff"]


def test_the_descriptor_cannot_write_and_has_no_name(open_inputs: Opener, tmp_path: Path) -> None:
    context = open_inputs(TextInput("t", "text"))
    assert list((tmp_path / "scratch").iterdir()) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(context.fileno(), b"x")
    with mmap.mmap(context.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[:] == b"text"


def test_nothing_works_or_stays_open_after_close(open_inputs: Opener) -> None:
    before = open_descriptors()
    context = open_inputs(TextInput("t", "text\n" * 2_000_000))
    context.close()
    context.close()
    assert open_descriptors() == before
    for use in (context.fileno, lambda: context.head(1)):
        with pytest.raises(ContextError, match="closed"):
            use()


def test_a_failed_open_leaves_no_descriptor(folder: Path, open_inputs: Opener) -> None:
    (folder / "a.txt").write_text("text")
    (folder / "b.bin").write_bytes(b"\0" * 5_000_000)
    before = open_descriptors()
    with pytest.raises(ContextError):
        open_inputs(folder / "a.txt", folder / "b.bin")
    assert open_descriptors() == before


def test_long_texts_are_estimated_from_few_characters(open_inputs: Opener) -> None:
    counter = WordCounter()
    context = open_inputs(TextInput("t", "four words and more\n" * 100_000), counter=counter)
    tokens = context.facts.tokens
    assert not tokens.exact
    assert tokens.tokens == pytest.approx(400_000, rel=0.01)
    assert counter.n_chars_shown < 0.05 * context.facts.chars


def test_a_counter_that_guesses_is_never_exact(open_inputs: Opener) -> None:
    context = open_inputs(TextInput("t", "two words"), counter=WordCounter(exact=False))
    assert not context.facts.tokens.exact


@pytest.mark.parametrize("unit", ["four words and more\n", "four words and more ", "four\n\n\n"])
def test_counting_exactly_counts_every_word_once(open_inputs: Opener, unit: str) -> None:
    text = unit * 50_000
    context = open_inputs(TextInput("t", text))
    steps: list[tuple[int, int]] = []
    tokens = count_tokens_exactly(context, WordCounter(), lambda *step: steps.append(step))
    assert tokens == len(text.split())
    assert steps == sorted(steps)
    assert steps[-1] == (len(text), len(text))


def test_a_lone_surrogate_is_refused_with_its_place(open_inputs: Opener) -> None:
    text = "x" * 1_500_000 + "\ud83d!"
    with pytest.raises(ContextError, match=r"'prompt'.*U\+D83D at character 1500000"):
        open_inputs(TextInput("prompt", text))


def test_no_text_is_an_error(folder: Path, open_inputs: Opener) -> None:
    (folder / "empty.txt").touch()
    (folder / "marked.txt").write_bytes(b"\xef\xbb\xbf")
    for inputs in [(), (TextInput("t", ""),), (folder / "empty.txt",), (folder / "marked.txt",)]:
        with pytest.raises(ContextError, match=r"empty|no context given"):
            open_inputs(*inputs)


def test_a_missing_file_is_named_with_those_near_it(folder: Path, open_inputs: Opener) -> None:
    (folder / "report-2024.txt").write_text("x")
    with pytest.raises(ContextError, match=r"report-2042\.txt; near it: report-2024\.txt"):
        open_inputs(folder / "report-2042.txt")
    with pytest.raises(ContextError, match="no folder"):
        open_inputs(folder / "nowhere" / "x.txt")
    with pytest.raises(ContextError, match="not a path"):
        open_inputs(Path("a\0b"))


def test_a_named_pipe_or_device_is_refused_unopened(folder: Path, open_inputs: Opener) -> None:
    os.mkfifo(folder / "p")
    with pytest.raises(ContextError, match="is a pipe"):
        open_inputs(folder / "p")
    with pytest.raises(ContextError, match="is a device"):
        open_inputs(Path("/dev/zero"))


def test_a_full_disk_names_the_folder_and_the_setting(tmp_path: Path) -> None:
    script = f"""
import resource
from pathlib import Path
from rlm_local.context.mapped_file import open_context
from rlm_local.context.sources import ReadOptions, TextInput
from rlm_local.errors import ContextError
from tests.fakes.word_counter import WordCounter
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, {resource.RLIM_INFINITY}))
try:
    open_context([TextInput("t", "x" * 9_000_000)], ReadOptions(), counter=WordCounter(),
                 scratch=Path({str(tmp_path)!r}), index_folder=Path({str(tmp_path)!r}))
except ContextError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    assert str(tmp_path) in done.stdout
    assert "RLM_LOCAL_HOME" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_that_cannot_be_made_is_named(folder: Path, open_inputs: Opener) -> None:
    (folder.parent / "scratch").write_text("a file where the folder should be")
    with pytest.raises(ContextError, match=r"cannot write the context to .*scratch"):
        open_inputs(TextInput("t", "text"))


def test_recounting_takes_the_counter_of_another_model(open_inputs: Opener) -> None:
    context = open_inputs(TextInput("text", "one two three"))
    n_tokens = context.facts.tokens.tokens
    context.recount(TwiceAsMany())
    assert context.facts.tokens == TokenCount(2 * n_tokens, exact=False)


class TwiceAsMany(WordCounter):
    def __init__(self) -> None:
        super().__init__(exact=False)

    def count(self, text: str) -> int:
        return 2 * super().count(text)
