import re
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, repository_files

FOREIGN = {
    "a path of one machine": re.compile(r"(?<![\w.~*])/(?:root|work|opt/(?:pypi|wheels))[/\w]"),
    "the host of a package registry": re.compile(
        r"pypi\.org|pythonhosted\.org|npmjs\.org|deb\.debian\.org|proxy\.golang\.org"
        r"|download\.pytorch\.org|wheels\.vllm\.ai"
    ),
}
ALLOWED = {
    # On the open internet the CPU build of torch is published nowhere else.
    "scripts/setup": "https://download." + "pytorch.org/whl/cpu",
}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_names_what_only_one_place_has(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in repository_files()
        for match in FOREIGN[what].finditer(
            _text(path).replace(ALLOWED.get(str(path.relative_to(ROOT)), "\0"), "")
        )
    ]
    assert found == []
