from pathlib import Path

from tests.architecture.repository import ROOT, package_modules

TESTED_ELSEWHERE = {
    "__main__.py": "one line; test_imports.py runs it",
    "interfaces.py": "Protocols only; the type checker and tests/contracts hold them",
    "types.py": "values without behaviour; whoever makes them tests them",
    "events.py": "values without behaviour; tests/trace/test_records.py writes and reads each kind",
    "errors.py": "the tree only; every raise is tested where it is raised",
    "cli/not_yet.py": "four commands that say so; tests/cli/test_main.py runs them",
}


def _test_files_of(module: Path) -> list[Path]:
    folder = ROOT / "tests" / (module.parts[0] if len(module.parts) > 1 else "")
    names = folder.rglob if len(module.parts) > 1 else folder.glob
    return [*names(f"test_{module.stem}.py"), *names(f"test_{module.stem}_*.py")]


def test_every_module_has_its_test_file_or_a_reason() -> None:
    lacking = [
        str(module)
        for module in package_modules()
        if str(module) not in TESTED_ELSEWHERE and not _test_files_of(module)
    ]
    assert not lacking


def test_a_reason_is_given_only_where_a_test_file_is_lacking() -> None:
    for name in TESTED_ELSEWHERE:
        module = Path(name)
        assert module in package_modules()
        assert not _test_files_of(module)


def test_every_folder_of_tests_is_a_package() -> None:
    tests = ROOT / "tests"
    folders = {path.parent for path in tests.rglob("*.py")}
    assert [
        str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()
    ] == []
