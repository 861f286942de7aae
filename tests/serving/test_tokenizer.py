import threading
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from rlm_local.errors import WeightsError
from rlm_local.serving.tokenizer import (
    FileTokenCounter,
    RatioTokenCounter,
    without_lone_surrogates,
)


@pytest.fixture
def tokenizer_file(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "red": 1, "fox": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_a_file_counts_exactly(tokenizer_file: Path) -> None:
    counter = FileTokenCounter(tokenizer_file)
    assert counter.exact
    assert counter.count("red fox and fox") == 4
    assert counter.count("") == 0


def test_a_lone_surrogate_is_counted_not_refused(tokenizer_file: Path) -> None:
    assert FileTokenCounter(tokenizer_file).count("red \ud800 fox") == 3


def test_threads_may_share_a_counter_from_its_first_use(tokenizer_file: Path) -> None:
    counter = FileTokenCounter(tokenizer_file)
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(counter.count("red fox"))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [2] * 16


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b"\xff\xfe", b'{"model": '])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"tokenizer\.json.*pull"):
        FileTokenCounter(path).count("text")


def test_the_ratio_is_an_estimate_rounded_up() -> None:
    counter = RatioTokenCounter(4.0)
    assert not counter.exact
    assert [counter.count("x" * n) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]


def test_a_ratio_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        RatioTokenCounter(0)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain é 漢 🎉", "plain é 漢 🎉"),
        ("a\ud800b", "a�b"),
        ("\udc00x\udfff", "�x�"),
        ("\ud83c\udf89", "🎉"),  # two halves that belong together
        ("\ud800\ud83c\udf89 end", "�🎉 end"),
    ],
)
def test_only_lone_surrogates_are_replaced(text: str, clean: str) -> None:
    assert without_lone_surrogates(text) == clean
