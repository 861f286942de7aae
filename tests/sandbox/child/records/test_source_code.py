"""Source code is told from everything else."""

from pathlib import Path

import pytest

from rlm_local.sandbox.child.records.source_code import are_code_files, looks_like_code
from tests.sandbox.child.records.given import reviews
from tests.sandbox.child.records.test_plain_lines import PROSE
from tests.sandbox.child.records.test_sections import GUIDE

C = """#include <stdio.h>
static int poured;

int main(void) {
    for (int i = 0; i < 3; i++) {
        poured += i;
    }
    return poured;
}
"""


def test_modules_of_this_package_are_code() -> None:
    folder = Path(__file__).parent
    for path in folder.glob("test_*.py"):
        assert looks_like_code(path.read_text(encoding="utf-8").split("\n"))
    assert looks_like_code(C.split("\n"))


@pytest.mark.parametrize("text", [PROSE, GUIDE, reviews(30), "a,b\n1,2\n3,4\n", '{"a": 1}\n' * 9])
def test_other_texts_are_not(text: str) -> None:
    assert not looks_like_code(text.split("\n"))


def test_files_are_known_by_their_endings() -> None:
    assert are_code_files(["a.py", "b/c.rs", "README.md"])
    assert not are_code_files(["a.py", "b.txt", "c.txt"])
