"""Counts tokens: exactly with a tokenizer.json, or by a ratio where there is none.

Applies no chat template and adds no special tokens.
"""

import json
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_local.errors import WeightsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["FileTokenCounter", "RatioTokenCounter", "without_lone_surrogates"]


class FileTokenCounter:
    """Counts with a `tokenizer.json`, read at first use (about 0.3 s). Safe to share by threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tokenizer: Tokenizer | None = None
        self._loading = threading.Lock()

    @property
    def exact(self) -> bool:
        """True: this is the model's own tokenizer."""
        return True

    def count(self, text: str) -> int:
        """Tokens of `text`; a lone surrogate counts as the replacement character.

        Raises:
            WeightsError: the file is absent or not a tokenizer (at the first call only).
        """
        tokenizer = self._tokenizer or self._load()
        encoding = tokenizer.encode(without_lone_surrogates(text), add_special_tokens=False)
        return len(encoding)

    def _load(self) -> "Tokenizer":
        with self._loading:
            if self._tokenizer is None:
                self._tokenizer = _read(self._path)
            return self._tokenizer


class RatioTokenCounter:
    """Divides characters by a usual ratio; for endpoints whose tokenizer is not known here."""

    def __init__(self, chars_per_token: float = 4.0) -> None:
        if chars_per_token <= 0:
            raise ValueError(f"chars_per_token must be above 0, not {chars_per_token}")
        self._chars_per_token = chars_per_token

    @property
    def exact(self) -> bool:
        """False: an estimate."""
        return False

    def count(self, text: str) -> int:
        """Characters divided by the ratio, rounded up."""
        return math.ceil(len(text) / self._chars_per_token)


def without_lone_surrogates(text: str) -> str:
    """`text` with each half of a surrogate pair that stands alone replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _read(path: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    try:
        described = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"cannot read the tokenizer {path} ({error}); `rlm-local pull MODEL` fetches it again"
        ) from error
    if not isinstance(described, dict) or "model" not in described:
        raise WeightsError(f"{path} is not a tokenizer; `rlm-local pull MODEL` fetches it again")
    return Tokenizer.from_file(str(path))
