r"""What bytes are: a binary, UTF-8, or text in another encoding that can be told for sure.

Rules, in order:

1. A byte-order mark says UTF-8, UTF-16 or UTF-32.
2. Known magic numbers say a binary. So do NUL bytes, unless they stand as in UTF-16.
3. What is valid UTF-8 is UTF-8 (ISO-2022-JP, which looks like ASCII, is told by its escapes).
4. An encoding the text declares (`coding: latin-1`, `charset=`, `<?xml encoding=`) is believed
   if the text decodes in it.
5. Otherwise charset-normalizer is asked, and believed only when every reading of like merit
   gives the same characters, or when one of these is Western (cp1252) and plausible as such:
   accented letters few and among plain ones.

What no rule decides is refused, with the guesses named. Nothing is ever replaced or dropped,
except a byte-order mark. Reads no files: see `transcription`.
"""

import codecs
import re
from dataclasses import dataclass

__all__ = [
    "SAMPLE_BYTES",
    "NotText",
    "Signature",
    "decode_strictly",
    "find_signature",
    "recognise",
    "tell_binary",
    "telling_lines",
]

SAMPLE_BYTES = 64 << 10
"""As much of a text as is shown to the detector."""

_BOMS = (  # UTF-32 before UTF-16: its little-endian mark starts with the other's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = {
    b"%PDF-": "PDF",
    b"\x89PNG\r\n": "PNG image",
    b"\xff\xd8\xff": "JPEG image",
    b"GIF87a": "GIF image",
    b"GIF89a": "GIF image",
    b"PK\x03\x04": "ZIP archive or office document",
    b"PK\x05\x06": "ZIP archive",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"(\xb5/\xfd": "zstd",
    b"7z\xbc\xaf": "7z archive",
    b"Rar!\x1a": "RAR archive",
    b"\x7fELF": "ELF program",
    b"\xca\xfe\xba\xbe": "Java class",
    b"\x00asm": "WebAssembly",
    b"SQLite format 3\x00": "SQLite database",
    b"\xd0\xcf\x11\xe0": "old office document",
    b"OggS": "Ogg media",
    b"fLaC": "FLAC audio",
    b"\xff\xfb": "MP3 audio",
    b"wOFF": "font",
    b"wOF2": "font",
}
_MAGIC_STARTS = tuple(_MAGIC)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b"))
_DECLARED = re.compile(rb"(?:coding|charset)\s*[:=]\s*[\"']?([A-Za-z0-9][-\w.]+)")
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")

_WESTERN = "cp1252"
_MULTIBYTE = frozenset({"cp932", "euc_jp", "gb18030", "big5", "cp949"})
_CANDIDATES = (
    *(_WESTERN, "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r"),
    *("iso8859_2", "iso8859_5", "cp437", "cp850", "cp866", "cp874", "mac_roman"),
    *sorted(_MULTIBYTE),
)
_LIKE_CHAOS, _LIKE_COHERENCE = 0.05, 0.1  # readings this near each other are of like merit
_MOST_CHAOS = 0.15
_LEAST_COHERENCE = 0.1
_LEAST_HIGH_BYTES = 16
_LEAST_VARIETY = 6
_ASCII = frozenset(range(128))

_WESTERN_SIGNS = frozenset("\xa0¡¢£¤¥§©ª«®°±²³´µ¶·¹º»¼½¾¿×÷€…†‡•‰–—˜™‹›‘’“”„‚")
_ODD_IN_WESTERN = re.compile(  # signs inside words, capitals after small letters
    r"[^\W\d_][¢£¤¥§©«±¶¼½¾×÷€†‡•‰‹“][^\W\d_]|[a-zà-ÿ][À-ÖØ-ÞŠŽŒŸ]|[^\W\d_][‚„¿¡]|\b[ªº][^\W\d_]"
)
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")
_EASTERN_IN_WESTERN = re.compile(r"[ÐðÞþÝý]|õ(?!e)|Õ(?!E)")
"""What Turkish, Romanian, Baltic and Hungarian letters look like when read as cp1252."""


class NotText(Exception):  # a finding; callers make it an error or a count
    """Why bytes are not taken as text: "binary: PNG image", or "encoding: looks like ..."."""


@dataclass(frozen=True, slots=True)
class Signature:
    """An encoding that shows at the first bytes, and how many of these are its mark."""

    encoding: str
    mark_bytes: int


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read a sample, with charset-normalizer's marks for it."""

    encoding: str
    text: str
    chaos: float
    coherence: float

    def is_like(self, best: "_Reading", *, by_language: bool) -> bool:
        return self.chaos <= best.chaos + _LIKE_CHAOS and (
            self.coherence >= best.coherence - _LIKE_COHERENCE or not by_language
        )


def find_signature(head: bytes) -> Signature | None:
    """The encoding the first kilobytes show by a mark; None says: try UTF-8."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return Signature(encoding, len(mark))
    if b"\0" in head:
        wide = _find_unmarked_utf16(head[:8192])
        return Signature(wide, 0) if wide else None
    if b"\x1b$" in head and (b"\x1b(B" in head or b"\x1b(J" in head) and head.isascii():
        return Signature("iso2022_jp", 0)
    return None


def tell_binary(head: bytes) -> str | None:
    """What binary the bytes are, such as "binary: PNG image"; None when they may be text."""
    if head.startswith(_MAGIC_STARTS):
        return "binary: " + next(name for mark, name in _MAGIC.items() if head.startswith(mark))
    return "binary: NUL bytes" if b"\0" in head else None


def decode_strictly(data: bytes, encoding: str) -> str:
    """Decode all of it.

    Raises:
        NotText: some byte does not fit; names the encoding and the place.
    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise NotText(
            f"encoding: looks like {encoding}, but byte {error.start} does not fit"
        ) from error


def telling_lines(data: bytes, *, most_bytes: int = SAMPLE_BYTES) -> bytes:
    """The lines that hold bytes outside ASCII, up to a bound: all that detection is about.

    Only a line longer than `SAMPLE_BYTES` is cut; the bound is passed by up to one line.
    """
    found: list[bytes] = []
    size = end = 0
    while size < most_bytes and (high := _HIGH_BYTE.search(data, end)):
        # Before the first such byte all is ASCII, so that no character is cut here.
        start = max(data.rfind(b"\n", end, high.start()) + 1, end, high.start() - 4096)
        line_end = data.find(b"\n", high.end(), start + SAMPLE_BYTES)
        end = line_end + 1 if line_end >= 0 else min(len(data), start + SAMPLE_BYTES)
        found.append(data[start:end])
        size += end - start
    return b"".join(found)


def recognise(sample: bytes, *, head: bytes) -> str:
    """The encoding of a text that is not UTF-8.

    Args:
        sample: its telling lines.
        head: its first kilobytes, which may declare the encoding.

    Raises:
        NotText: it cannot be told for sure, is damaged UTF-8, or is no text.
    """
    if _control_share(sample) > 0.001:
        raise NotText("binary: control characters")
    if _is_damaged_utf8(sample):
        raise NotText("encoding: UTF-8 with damaged bytes in it")
    declared = _find_declared(head[:1024])
    if declared and _reads_clean(sample, declared):
        return declared
    readings = _read_in_all(sample)
    if not readings:
        raise NotText("encoding: could not be told")
    best = readings[0]
    # How well letters fit a language says nothing when only a few of them differ.
    is_varied = len(set(sample) - _ASCII) >= _LEAST_VARIETY
    alike = [reading for reading in readings if reading.is_like(best, by_language=is_varied)]
    if any(_is_plausible_western(r, is_like_best=r in alike) for r in readings):
        return _WESTERN
    winner = next((r for r in alike if r.encoding in _MULTIBYTE), best)
    rivals = {r.text for r in alike if r.encoding in _MULTIBYTE or r.coherence >= _LEAST_COHERENCE}
    if is_varied and rivals == {winner.text} and _is_evident(winner, sample):
        return winner.encoding
    names = dict.fromkeys(reading.encoding for reading in alike)
    raise NotText(f"encoding: could not be told; perhaps {' or '.join(list(names)[:3])}")


def _read_in_all(sample: bytes) -> list[_Reading]:
    """Every candidate that decodes the sample, best first."""
    # Imported late: most contexts are UTF-8 and never need it.
    from charset_normalizer import from_bytes

    readings = [
        _Reading(encoding, sample.decode(encoding), match.chaos, match.coherence)
        for encoding in _CANDIDATES
        if _reads_clean(sample, encoding)
        # One at a time: asked about all, it leaves out rivals once it likes one.
        for match in from_bytes(sample, cp_isolation=[encoding], preemptive_behaviour=False)
        if match.encoding == encoding and match.chaos <= _MOST_CHAOS
    ]
    # Of equals the one listed first is the commoner.
    return sorted(readings, key=lambda r: (r.chaos - r.coherence, _CANDIDATES.index(r.encoding)))


def _is_evident(reading: _Reading, sample: bytes) -> bool:
    """Whether a reading without rivals has enough behind it to be believed."""
    if sum(byte > 0x7F for byte in sample) < _LEAST_HIGH_BYTES:
        return False
    if reading.encoding in _MULTIBYTE:
        # So many pairs would hardly decode by chance; half-width kana are single bytes.
        return len(_HALF_WIDTH.findall(reading.text)) < 0.1 * len(reading.text)
    if reading.encoding == _WESTERN and _ODD_IN_WESTERN.search(reading.text):
        return False
    return reading.coherence >= _LEAST_COHERENCE


def _is_plausible_western(reading: _Reading, *, is_like_best: bool) -> bool:
    """Accented letters few and in place, signs where signs stand: as in Western languages.

    Where many letters differ, other readings must also not fit their languages better.
    """
    if reading.encoding != _WESTERN:
        return False
    text = reading.text
    letters = [char for char in text if char.isalpha()]
    accented = [char for char in letters if char > "\x7f"]
    signs = {char for char in text if char > "\x7f" and not char.isalpha()}
    return (
        (is_like_best or len(set(accented)) < _LEAST_VARIETY)
        and signs <= _WESTERN_SIGNS
        and len(accented) <= max(1, 0.3 * len(letters))
        and _ODD_IN_WESTERN.search(text) is None
        and _EASTERN_IN_WESTERN.search(text) is None
    )


def _find_declared(head: bytes) -> str | None:
    match = _DECLARED.search(head)
    if match is None:
        return None
    try:
        name = codecs.lookup(match.group(1).decode("ascii")).name
    except LookupError:
        return None
    return None if name.startswith("utf") else name


def _reads_clean(sample: bytes, encoding: str) -> bool:
    try:
        text = sample.decode(encoding)
    except (UnicodeDecodeError, LookupError):  # LookupError: rot13 and such are no text codecs
        return False
    return not any("\x80" <= char <= "\x9f" for char in text)


def _find_unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: one byte of each pair is NUL for most pairs, the other never."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    n_pairs = len(head) // 2
    for mine, other, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if other == 0 and n_pairs >= 4 and mine >= 0.4 * n_pairs:
            whole = head[: 2 * n_pairs]
            text = whole.decode(encoding, errors="ignore")
            if sum(char.isprintable() or char in "\r\n\t" for char in text) >= 0.98 * n_pairs:
                return encoding
    return None


def _is_damaged_utf8(sample: bytes) -> bool:
    """Whether characters that are valid UTF-8 outnumber the bytes that are not."""
    text = sample.decode("utf-8", errors="surrogateescape")
    n_bad = sum("\udc80" <= char <= "\udcff" for char in text)
    n_good = sum(char > "\x7f" for char in text) - n_bad
    return n_good > n_bad


def _control_share(sample: bytes) -> float:
    return (len(sample) - len(sample.translate(None, _CONTROLS))) / max(1, len(sample))
