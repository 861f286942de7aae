"""Where the repository's files are, as the architecture tests see them."""

import subprocess
from pathlib import Path

__all__ = ["PACKAGE", "ROOT", "package_modules", "repository_files"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "rlm_local"


def package_modules() -> list[Path]:
    """Every module of the package, relative to it; `__init__` files only make folders."""
    return sorted(
        path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"
    )


def repository_files() -> list[Path]:
    """Every file that is tracked, or would be by `git add --all`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]
