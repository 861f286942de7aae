"""A text is read into records only for cells that read them."""

import pytest

from rlm_local.sandbox.child.records.mentions import reads_any

NAMES = frozenset({"records", "header", "fields"})


@pytest.mark.parametrize(
    "code",
    [
        "len(records)",
        "records = [r for r in records if r]",
        "header += 'x'",
        "for r in x:\n    records = r\nprint(records)",
        "if x:\n    header = 1\nprint(header)",
        "def f():\n    return records",
        "try:\n    header = f()\nexcept OSError:\n    pass\nheader",
        "[r for r in records]",
        "globals()['records']",
        "fields.tone = judged(['a', 'b'])",
        "f'{header}'",
        "print(records",
        "header: str\nheader",
    ],
)
def test_a_name_that_is_read_first_is_mentioned(code: str) -> None:
    assert reads_any(NAMES, code)


@pytest.mark.parametrize(
    "code",
    [
        "header = context[:500]\nprint(header)",
        "records = []\nrecords.append(1)",
        "for header in x:\n    print(header)",
        "def f(records):\n    return records",
        "print(r.header, r['records'])",
        "[header for header in x]",
        "if x:\n    header = 1\nelse:\n    header = 2\nprint(header)",
        "# records",
        "with open('x') as header:\n    header.read()",
        "my_records = 1",
    ],
)
def test_a_name_of_the_cells_own_is_not(code: str) -> None:
    assert not reads_any(NAMES, code)
