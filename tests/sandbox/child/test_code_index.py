from rlm_local.sandbox.child.code_index import CodeIndex
from rlm_local.sandbox.child.documents import Documents

TREE = {
    "pier/crane.py": '''
import os
LIMIT = max(1, 2)

class Crane(Machine):
    """Lifts."""
    async def lift(self, load, height=3, *, speed="slow", **more):
        def inner():
            return weigh(load)
        return inner()

    def stop(self):
        self.lift(0)

class Derrick(Crane, metaclass=M):
    def stop(self): log()

class Gantry(pier.Crane[int]):
    pass

if os.name:
    def weigh(load, unit=UNITS["kg"]):
        weigh(load)
        return log(load)
''',
    "pier/log.py": """def log(text="", to=None):
    print(text)
class Quay:
    def __init__(self, n=4): log("quay")
""",
    "broken.py": "def log(:\n",
    "notes.txt": "def log(): is a function, class Crane too\n",
}


def index_of(tree: dict[str, str]) -> CodeIndex:
    context, spans = "", []
    for name, text in tree.items():
        context += f"=== {name} ===\n"
        spans.append((name, len(context), len(context) + len(text)))
        context += f"{text}\n"
    return CodeIndex(Documents.of(context, spans))


def test_definitions_have_their_place_and_their_owner() -> None:
    index = index_of(TREE)
    (lift,) = index.definitions("lift")
    assert (lift.path, lift.line, lift.qualified, lift.kind) == (
        "pier/crane.py", 7, "Crane.lift", "method",
    )  # fmt: skip
    assert lift.signature.startswith("async def lift(self, load, height=3")
    assert [one.qualified for one in index.definitions("Crane.stop")] == ["Crane.stop"]
    assert {one.qualified for one in index.definitions("stop")} == {"Crane.stop", "Derrick.stop"}
    assert [one.kind for one in index.definitions("inner")] == ["nested function"]
    assert index.definitions("nothing") == []


def test_defaults_are_the_source_of_every_kind_of_parameter() -> None:
    index = index_of(TREE)
    (lift,) = index.definitions("lift")
    assert lift.defaults == {"height": "3", "speed": "'slow'"}
    assert lift.parameters == ("self", "load", "height", "speed", "**more")
    (weigh,) = index.definitions("weigh")
    assert weigh.defaults == {"unit": "UNITS['kg']"}


def test_callers_are_the_outermost_functions() -> None:
    index = index_of(TREE)
    assert [one.qualified for one in index.callers("weigh")] == ["Crane.lift"]
    assert {one.qualified for one in index.callers("log")} == {
        "Derrick.stop", "weigh", "Quay.__init__",
    }  # fmt: skip
    assert [one.qualified for one in index.callers("max")] == ["<module>"]
    (stop,) = index.callers("lift")
    assert stop.calls["lift"] == 13


def test_subclasses_are_told_by_the_last_part_of_a_base() -> None:
    index = index_of(TREE)
    assert [one.name for one in index.subclasses("Crane")] == ["Derrick", "Gantry"]
    assert [one.name for one in index.subclasses("pier.Machine")] == ["Crane"]
    derrick = index.subclasses("Crane")[0]
    assert [one.name for one in index.members(derrick)] == ["stop"]


def test_what_does_not_parse_is_left_out_and_told() -> None:
    index = index_of(TREE)
    assert [one.path for one in index.definitions("log")] == ["pier/log.py"]
    assert index.unread == ["broken.py"]
    for text in ("x = '\x00'", "(" * 5000, "def f(): " + "-" * 100_000 + "1\n", "\ud800"):
        assert index_of({"a.py": f"# log\n{text}"}).callers("log") == []
        assert index_of({"a.py": f"def log(): pass\n{text}", "b": ""}).definitions("log") == []


def test_one_text_alone_is_code_when_it_looks_like_it() -> None:
    code = "def one(a=1):\n    return two()\n"
    assert CodeIndex(Documents.of(code, ())).callers("two")[0].line == 1
    assert not CodeIndex(Documents.of("a letter\n", ())).has_code


def test_many_class_words_are_searched_once_each() -> None:
    # Many seconds where each of them searches its whole reach again.
    text = "class " * 400_000 + "\nCrane\n"
    assert index_of({"a.py": f"crane = 1\n{text}"}).subclasses("crane") == []
    assert [
        one.name
        for one in index_of({"a.py": "class A: pass\nclass B(\n A): pass\n"}).subclasses("A")
    ] == ["B"]


def test_names_like_the_one_that_is_not_there() -> None:
    assert index_of(TREE).similar("lif") == ["lift"]
    assert index_of(TREE).similar("zzz") == []
