import contextlib
import os
import socket
from pathlib import Path

import pytest

from rlm_local.context.sources import TextInput, summarise
from rlm_local.errors import ContextError
from tests.context.conftest import Opener
from tests.context.texts import document_texts, read_all


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names_of(context_opener: Opener, folder: Path, **options: tuple[str, ...]) -> list[str]:
    return [span.name for span in context_opener(folder, **options).documents]


def test_files_come_in_the_same_order_every_time(folder: Path, open_inputs: Opener) -> None:
    fill(folder, dict.fromkeys(("b/z", "b/a/q", "c", "a", "b.txt", "B"), "x"))
    assert names_of(open_inputs, folder) == ["B", "a", "b/a/q", "b/z", "b.txt", "c"]


def test_a_folder_of_one_file_still_names_it(folder: Path, open_inputs: Opener) -> None:
    fill(folder, {"only.txt": "text"})
    assert read_all(open_inputs(folder)) == "===== only.txt =====\ntext\n"


def test_gitignore_files_are_respected_at_every_level(folder: Path, open_inputs: Opener) -> None:
    fill(
        folder,
        {
            ".gitignore": "*.log\nbuild/\n/top.txt\n",
            "a.log": "x", "a.txt": "x", "top.txt": "x",
            "build/out.txt": "x",
            "sub/.gitignore": "!keep.log\nprivate\n",
            "sub/keep.log": "x", "sub/other.log": "x", "sub/private": "x", "sub/top.txt": "x",
            "sub/deep/keep.log": "x", "sub/deep/private/x.txt": "x",
        },
    )  # fmt: skip
    context = open_inputs(folder)
    assert [span.name for span in context.documents] == [
        ".gitignore", "a.txt",
        "sub/.gitignore", "sub/deep/keep.log", "sub/keep.log", "sub/top.txt",
    ]  # fmt: skip
    assert context.n_ignored == 6


def test_rules_above_the_named_folder_are_not_asked(folder: Path, open_inputs: Opener) -> None:
    fill(folder, {".gitignore": "*\n", "lib/a.txt": "x"})
    assert names_of(open_inputs, folder / "lib") == ["a.txt"]
    with pytest.raises(ContextError, match=r"empty.*2 entries left out by \.gitignore"):
        open_inputs(folder)


def test_a_gitignore_that_is_no_readable_file_is_passed_over(
    folder: Path, open_inputs: Opener
) -> None:
    fill(folder, {"a/x.txt": "x", "b/x.txt": "x", "b/bad": "x"})
    os.mkfifo(folder / "a" / ".gitignore")
    (folder / "b" / ".gitignore").write_bytes(b"!\n\xff\xfe[\nbad\n")
    assert "x.txt" in " ".join(names_of(open_inputs, folder))
    assert "b/bad" not in names_of(open_inputs, folder)


def test_git_and_bytecode_folders_are_never_entered(folder: Path, open_inputs: Opener) -> None:
    fill(folder, {".git/config": "x", "p/__pycache__/m.txt": "x", ".hidden/t": "x", "w/.git": "x"})
    assert names_of(open_inputs, folder) == [".hidden/t"]


def test_include_and_exclude_patterns_pick_files(folder: Path, open_inputs: Opener) -> None:
    fill(folder, dict.fromkeys(("a.py", "b.txt", "src/c.py", "src/gen/d.py", "docs/e.md"), "x"))
    assert names_of(open_inputs, folder, include=("*.py",)) == ["a.py", "src/c.py", "src/gen/d.py"]
    assert names_of(open_inputs, folder, include=("src/",), exclude=("gen",)) == ["src/c.py"]
    assert names_of(open_inputs, folder, exclude=("*.py", "docs/")) == ["b.txt"]
    assert names_of(open_inputs, folder, include=("*.py", "!src/**")) == ["a.py"]


def test_patterns_are_not_asked_about_a_named_file(folder: Path, open_inputs: Opener) -> None:
    fill(folder, {".gitignore": "*", "a.txt": "text"})
    assert read_all(open_inputs(folder / "a.txt", exclude=("*",))) == "text"


def test_a_pattern_that_is_none_is_named(folder: Path, open_inputs: Opener) -> None:
    fill(folder, {"a": "x"})
    with pytest.raises(ContextError, match="not a file pattern among !"):
        open_inputs(folder, include=("!",))


def test_binaries_and_special_files_are_skipped_and_counted(
    folder: Path, open_inputs: Opener
) -> None:
    fill(folder, {"a.txt": "text", "empty": ""})
    (folder / "image.dat").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 100)
    (folder / "nul.bin").write_bytes(b"abc\0def")
    (folder / "late-nul.bin").write_bytes(b"a" * 5_000_000 + b"\0" + b"a" * 1000)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(folder):
        server.bind("sock")  # a whole path could be too long for a socket
        context = open_inputs(folder)
    assert document_texts(context) == {"a.txt": "text"}
    assert {Path(item.path).name: item.reason for item in context.skipped} == {
        "empty": "empty",
        "image.dat": "binary: PNG image",
        "late-nul.bin": "binary: NUL bytes",
        "nul.bin": "binary: NUL bytes",
        "pipe": "pipe",
        "sock": "socket",
    }
    assert summarise(context.skipped) == "3 binary, 1 empty, 1 pipe, 1 socket"


def test_symlinks_neither_loop_nor_repeat_nor_leave_the_folder(
    folder: Path, open_inputs: Opener
) -> None:
    fill(folder, {"in/a.txt": "text"})
    (folder.parent / "secret.txt").write_text("outside")
    links = {"loop": ".", "in/up": "..", "again.txt": "in/a.txt", "out.txt": "../secret.txt",
             "outside": "..", "gone": "nowhere"}  # fmt: skip
    for name, target in links.items():
        (folder / name).symlink_to(target)
    context = open_inputs(folder)
    assert document_texts(context) == {"in/a.txt": "text"}
    reasons = {Path(item.path).name: item.reason for item in context.skipped}
    assert reasons == {
        "loop": "symlink", "up": "symlink", "again.txt": "symlink", "gone": "broken symlink",
        "out.txt": "symlink out of the folder", "outside": "symlink out of the folder",
    }  # fmt: skip


def test_a_symlink_named_as_input_is_followed(folder: Path, open_inputs: Opener) -> None:
    fill(folder, {"real/a.txt": "text"})
    (folder / "link").symlink_to("real")
    (folder / "file").symlink_to("real/a.txt")
    assert document_texts(open_inputs(folder / "link")) == {"a.txt": "text"}
    assert read_all(open_inputs(folder / "file")) == "text"


def test_a_folder_of_binaries_says_what_was_skipped(folder: Path, open_inputs: Opener) -> None:
    for n in range(3):
        (folder / f"{n}.bin").write_bytes(b"\x7fELF\0")
    (folder / "empty").touch()
    with pytest.raises(ContextError, match=r"no text in .*given; skipped 3 binary, 1 empty"):
        open_inputs(folder)


def test_what_cannot_be_read_in_a_folder_is_skipped_with_its_reason(
    folder: Path, open_inputs: Opener
) -> None:
    # /proc/self/mem opens and then refuses to be read, also for root.
    context = open_inputs(Path("/proc/self/task"), TextInput("t", "x"), include=("mem",))
    assert [span.name for span in context.documents] == ["t"]
    assert {item.reason for item in context.skipped} == {"unreadable: Input/output error"}


def test_deep_folders_are_read_to_the_bottom(folder: Path, open_inputs: Opener) -> None:
    name = "d/" * 300 + "a.txt"  # deeper still, and pytest could not clean up
    fill(folder, {name: "text"})
    assert document_texts(open_inputs(folder)) == {name: "text"}
