import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = "import pytest\n\ndef test_one():\n    pytest.skip('no reason')\n"
PASSED = "def test_one():\n    pass\n"


def _run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_sample.py").write_text(text, encoding="utf-8")
    options = ["-q", "-p", "tests.no_skips", "-p", "no:cacheprovider", "-c", "/dev/null"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", folder, *arguments, folder],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_a_skipped_test_fails_the_run_and_is_named(tmp_path: Path) -> None:
    done = _run(tmp_path, SKIPPED)
    assert done.returncode == 1
    assert "skipped, which counts as a failure" in done.stdout
    assert "no reason" in done.stdout


def test_a_run_without_skips_is_left_alone(tmp_path: Path) -> None:
    assert _run(tmp_path, PASSED).returncode == 0


def test_deselected_tests_are_no_skips(tmp_path: Path) -> None:
    assert (
        _run(tmp_path, SKIPPED + "\n" + PASSED.replace("one", "two"), "-k", "two").returncode == 0
    )


def test_a_module_skipped_as_a_whole_counts_too(tmp_path: Path) -> None:
    text = "import pytest\n\npytest.skip('not here', allow_module_level=True)\n"
    done = _run(tmp_path, text + PASSED)
    assert done.returncode != 0
    assert "not here" in done.stdout
