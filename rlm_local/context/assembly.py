"""Puts inputs one after the other into a scratch file, and notes where each document lies.

One text alone stands there as it is. Several (and whatever comes from a folder) each get a
header line before them and a newline after. Measures nothing itself: see `scratch_file`.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rlm_local.context.encodings import NotText
from rlm_local.context.folder_walk import FolderWalk, FoundFile
from rlm_local.context.scratch_file import ScratchFile
from rlm_local.context.sources import (
    ContextInput,
    Converted,
    ReadOptions,
    Skipped,
    StreamInput,
    TextInput,
    check_path,
    summarise,
)
from rlm_local.context.transcription import append_file, append_string, read_small, spool
from rlm_local.errors import ContextError
from rlm_local.types import DocumentSpan

__all__ = ["Assembly", "assemble"]


@dataclass(slots=True)
class Assembly:
    """What went into the scratch file, and what did not."""

    documents: list[DocumentSpan] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    converted: list[Converted] = field(default_factory=list)
    n_ignored: int = 0


def assemble(
    inputs: Sequence[ContextInput], options: ReadOptions, *, scratch: ScratchFile, folder: Path
) -> Assembly:
    """Read all inputs into `scratch`; `folder` takes copies of streams while they are read.

    Raises:
        ContextError: an input is missing, unreadable or no text; there is no text at all; or
            there is no room to write.
    """
    if not inputs:
        raise ContextError("no context given: name a file or folder, or `-` for standard input")
    kinds = [check_path(item) if isinstance(item, Path) else "text" for item in inputs]
    is_titled = len(inputs) > 1 or kinds == ["folder"]
    assembler = _Assembler(scratch, folder, is_titled=is_titled)
    for item, kind in zip(inputs, kinds, strict=True):
        if isinstance(item, Path) and kind == "folder":
            assembler.add_folder(item, options)
        else:
            assembler.add_named(item)
    if not scratch.n_chars:
        raise ContextError(_explain_emptiness(inputs, assembler.assembly))
    return assembler.assembly


class _Assembler:
    def __init__(self, scratch: ScratchFile, folder: Path, *, is_titled: bool) -> None:
        self.assembly = Assembly()
        self._scratch = scratch
        self._folder = folder
        self._is_titled = is_titled
        self._next_numbers: dict[str, int] = {}

    def add_named(self, item: ContextInput) -> None:
        """Add an input named by the caller: what is wrong with it is an error."""
        shown = str(item) if isinstance(item, Path) else item.name
        try:
            match item:
                case TextInput():
                    self._add_string(item)
                case StreamInput():
                    with spool(item.stream, self._folder) as fd:
                        self._add_open_file(fd, item.name, shown)
                case _:
                    self._add_path(os.fspath(item), item.name, follow=True)
        except NotText as error:
            raise ContextError(_refusal(shown, str(error), item)) from error
        except OSError as error:
            raise ContextError(f"cannot read {shown}: {error.strerror or error}") from error

    def add_folder(self, path: Path, options: ReadOptions) -> None:
        """Add the texts of a folder; what is no text is skipped and noted."""
        walk = FolderWalk(path, options)
        for found in walk:
            if isinstance(found, Skipped):
                self.assembly.skipped.append(found)
            else:
                self._add_found(found)
        self.assembly.n_ignored += walk.n_ignored

    def _add_found(self, found: FoundFile) -> None:
        try:
            self._add_path(found.path, found.name, follow=False)
        except NotText as error:
            self.assembly.skipped.append(Skipped(found.path, str(error)))
        except OSError as error:
            reason = f"unreadable: {error.strerror or error}"
            self.assembly.skipped.append(Skipped(found.path, reason))

    def _add_path(self, path: str, name: str, *, follow: bool) -> None:
        # O_NONBLOCK: should the file have become a pipe meanwhile, do not wait for a writer.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
        fd = os.open(path, flags)
        try:
            self._add_open_file(fd, name, path)
        finally:
            os.close(fd)

    def _add_open_file(self, fd: int, name: str, shown: str) -> None:
        small = read_small(fd)
        if small is None:
            with self._document(name):
                encoding = append_file(fd, self._scratch)
        else:
            encoding = small.encoding
            if small.utf8:
                self._add_small(name, small.utf8)
            else:
                self.assembly.skipped.append(Skipped(shown, "empty"))
        if encoding is not None:
            self.assembly.converted.append(Converted(shown, encoding))

    def _add_string(self, item: TextInput) -> None:
        if not item.text:
            self.assembly.skipped.append(Skipped(item.name, "empty"))
            return
        with self._document(item.name):
            append_string(item.text, self._scratch)

    def _add_small(self, name: str, utf8: bytes) -> None:
        """The way of most files of a folder: one append for header, text and newline."""
        scratch = self._scratch
        if not self._is_titled:
            scratch.append(utf8)
            return
        name = self._make_unique(name)
        header = _header(name)
        start_char, start_byte = scratch.n_chars + len(header), scratch.n_bytes
        start_byte += len(header_bytes := header.encode("utf-8"))
        scratch.append(b"%b%b\n" % (header_bytes, utf8))
        self.assembly.documents.append(
            DocumentSpan(name, start_char, scratch.n_chars - 1, start_byte, scratch.n_bytes - 1)
        )

    @contextmanager
    def _document(self, name: str) -> Iterator[None]:
        """Frame what is appended meanwhile as a document; on an error nothing of it stays."""
        scratch = self._scratch
        mark = scratch.mark()
        try:
            if not self._is_titled:
                yield
                return
            unique = self._make_unique(name)
            scratch.append(_header(unique).encode("utf-8"))
            start_char, start_byte = scratch.n_chars, scratch.n_bytes
            yield
        except (NotText, OSError):
            scratch.rewind(mark)
            raise
        span = DocumentSpan(unique, start_char, scratch.n_chars, start_byte, scratch.n_bytes)
        self.assembly.documents.append(span)
        scratch.append(b"\n")

    def _make_unique(self, name: str) -> str:
        name = _printable(name)
        if name not in self._next_numbers:
            self._next_numbers[name] = 2
            return name
        while (numbered := f"{name} ({self._next_numbers[name]})") in self._next_numbers:
            self._next_numbers[name] += 1
        self._next_numbers[name] += 1
        self._next_numbers[numbered] = 2
        return numbered


def _header(name: str) -> str:
    return f"===== {name} =====\n"


def _printable(name: str) -> str:
    """The name fit for one line of UTF-8: line ends, controls and undecodable bytes escaped."""
    if name.isprintable():
        return name
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in name
    )


def _refusal(shown: str, reason: str, item: ContextInput) -> str:
    kind, _, detail = reason.partition(": ")
    if kind == "binary":
        return f"{shown} is not text but binary ({detail}); give its text, extracted by a program"
    if isinstance(item, TextInput):
        return f"the text {shown!r} cannot be written as UTF-8: {detail}"
    return (
        f"{shown} is not UTF-8: {detail}; convert it first: "
        f"iconv -f ENCODING -t UTF-8 {shown} > {shown}.utf8"
    )


def _explain_emptiness(inputs: Sequence[ContextInput], assembly: Assembly) -> str:
    shown = ", ".join(str(item) if isinstance(item, Path) else item.name for item in inputs[:5])
    skipped = summarise(assembly.skipped)
    details = [f"skipped {skipped}"] if skipped else []
    if assembly.n_ignored:
        details.append(
            f"{assembly.n_ignored} entries left out by .gitignore files or by include and "
            "exclude patterns (name a file or folder itself to read it)"
        )
    return f"the context is empty: no text in {shown}" + "".join(f"; {d}" for d in details)
