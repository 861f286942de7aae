import json
import subprocess
import sys
from pathlib import Path

import rlm_local
from tests.architecture.repository import PACKAGE, ROOT

HEAVY = {
    "accelerate", "aiohttp", "gguf", "huggingface_hub", "numpy", "openai", "outlines", "pydantic",
    "safetensors", "tantivy", "tokenizers", "torch", "transformers", "vllm",
}  # fmt: skip

HELP = """
import json, sys
sys.argv = ["rlm-local", "--help"]
from rlm_local.cli.main import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(sorted(sys.modules)))
"""

CHILD = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def _modules_after(program: str, *arguments: str, flags: tuple[str, ...] = ()) -> set[str]:
    done = subprocess.run(
        [sys.executable, *flags, "-c", program, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def _top(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_help_imports_nothing_heavy() -> None:
    assert not _top(_modules_after(HELP)) & HEAVY


def test_importing_the_package_imports_none_of_its_parts() -> None:
    loaded = _modules_after("import json, sys, rlm_local\nprint(json.dumps(list(sys.modules)))")
    assert {name for name in loaded if name.startswith("rlm_local.")} == set()


def test_the_sandbox_child_is_light() -> None:
    names = [
        ".".join(("rlm_local", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in sorted((PACKAGE / "sandbox" / "child").glob("*.py"))
        if path.stem != "__main__"
    ]
    loaded = _modules_after(CHILD, str(ROOT), *names, flags=("-I", "-S"))
    ours = {name for name in loaded if name.partition(".")[0] == "rlm_local"}
    neighbours = {"rlm_local", "rlm_local.sandbox", "rlm_local.sandbox.child"}
    assert {n for n in ours if not n.startswith("rlm_local.sandbox.child.")} <= neighbours
    assert _top(loaded) - {"rlm_local"} <= set(sys.stdlib_module_names) | {"__main__"}


def test_every_public_name_is_there_and_no_other() -> None:
    for name in rlm_local.__all__:
        assert getattr(rlm_local, name).__name__ == name
    assert dir(rlm_local) == sorted(rlm_local.__all__)


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rlm_local", "--version"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert rlm_local.__version__ in done.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(PACKAGE / "py.typed").is_file()
