"""Whether text is source code, by its lines or by the names of its documents."""

import re
from collections.abc import Iterable, Sequence

__all__ = ["are_code_files", "looks_like_code"]

_ENDINGS = (
    ".py", ".js", ".ts", ".tsx", ".jsx", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".go", ".java",
    ".kt", ".rb", ".php", ".swift", ".scala", ".cs", ".m", ".sh", ".pl", ".lua", ".sql", ".r",
    ".jl", ".pyi", ".ipynb", ".hs", ".ex", ".clj", ".ml", ".zig", ".vue", ".css", ".cmake", ".toml",
)  # fmt: skip
_STATEMENT = re.compile(
    r"\s*(?:(?:async )?def \w+\(|class \w+\s*[(:{]|from [\w.]+ import |import [\w.{*]|return\b|"
    r"@\w+|assert\b|if .+:$|else:|elif .+:$|for .+ in .+:$|while .+:$|try:|except\b.*:$|with .+:$|"
    r"self\.\w+|#include\b|(?:public|private|protected|static|const|let|var|func|fn|struct|enum|"
    r"package)\s+\w|[\w.\[\]\"']+ (?:=|\+=|:=) \S|[\w.]+\(.*\);?$|"
    r"[{}()\]]+[;,]?$|.*[;{}]$|//|/\*|\*/|\"\"\")"
)
_FIRM = re.compile(
    r"\s*(?:(?:async )?def \w+\(|class \w+\s*[(:{]|from [\w.]+ import |import [\w.{*]+|#include\b|"
    r"(?:public|private|static|func|fn|struct|const|let|var)\s+\w.*[({;=]|return\b.*;?$)"
)
_MOSTLY = 0.6


def looks_like_code(sample: Sequence[str]) -> bool:
    """Whether most lines are statements, and some are such as no prose or table has."""
    cut = [line[:300] for line in sample if line.strip()]
    if len(cut) < 3:
        return False
    n_firm = sum(_FIRM.match(line) is not None for line in cut)
    if n_firm < max(2, 0.03 * len(cut)):
        return False
    return sum(_STATEMENT.match(line) is not None for line in cut) >= 0.35 * len(cut)


def are_code_files(names: Iterable[str]) -> bool:
    """Whether most documents are files of source code."""
    known = [name.lower().endswith(_ENDINGS) for name in names]
    return sum(known) > _MOSTLY * len(known)
