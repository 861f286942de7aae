"""The table of the README says the truth, and the attacks are fit to prove something."""

import ast
import re
from pathlib import Path

import pytest

import rlm_local.sandbox
from tests.sandbox.attacks.case import LAYERS
from tests.sandbox.attacks.catalogue import ATTACKS

HERE = Path(__file__).parent
N_CASES = 57
_ROW = re.compile(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
ROWS = {
    int(number): [place.strip() for place in places.split(",")]
    for number, places in _ROW.findall((HERE / "README.md").read_text("utf-8"))
}
BY_ATTACKS = {number for number, places in ROWS.items() if "attacks" in places}
_UNSAFE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "jsonpickle"}


def test_every_case_of_the_list_is_held_somewhere() -> None:
    assert sorted(ROWS) == list(range(1, N_CASES + 1))
    assert all(ROWS.values())


@pytest.mark.parametrize(
    "place", sorted({p for places in ROWS.values() for p in places if p != "attacks"})
)
def test_every_place_that_is_named_is_there(place: str) -> None:
    file, _, name = place.partition("::")
    tree = ast.parse((HERE / file).read_text("utf-8"))
    tests = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not name or name in tests


def test_the_numbers_of_the_attacks_are_those_of_the_table() -> None:
    numbers = {attack.number for attack in ATTACKS.values()}
    assert numbers - {0} <= set(ROWS)
    assert numbers >= BY_ATTACKS


def test_every_attack_is_code_and_is_stopped_by_something() -> None:
    for attack in ATTACKS.values():
        compile(attack.code, attack.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        # Without a sandbox there are no layers: what always holds is the host's own doing.
        assert attack.stops(LAYERS), attack.name
        # And no single layer is all there is between an attack and the user's data.
        if attack.kind in {"secret", "files", "victim", "listener", "memory"}:
            apart = attack.stops(LAYERS - {"sealed"})
            assert len(apart) > 1 or attack.number == 6 or apart == {"process"}, attack.name


def test_most_attacks_have_a_control() -> None:
    unsafe = [attack.name for attack in ATTACKS.values() if attack.is_unsafe]
    assert len(unsafe) <= 6, unsafe
    assert len(ATTACKS) > 220


def test_the_host_imports_nothing_that_runs_what_it_reads() -> None:
    for path in Path(rlm_local.sandbox.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [
                alias.name for alias in getattr(node, "names", []) if isinstance(node, ast.Import)
            ]
            if isinstance(node, ast.ImportFrom) and node.module:
                names.append(node.module)
            assert not _UNSAFE & {name.split(".")[0] for name in names}, path
            called = getattr(getattr(node, "func", None), "id", None)
            if path.parent.name != "child":  # where cells are run, which is what it is for
                assert called not in {"eval", "exec", "compile", "__import__"}, path
