import pytest

from rlm_local.config import SandboxPolicy
from rlm_local.sandbox.child.code_tools import CodeTools, Defaults
from rlm_local.sandbox.child.documents import Documents
from tests.sandbox.child.test_code_index import TREE
from tests.sandbox.conftest import OpenRepl


@pytest.fixture
def tools() -> CodeTools:
    context, spans = "", []
    for name, text in TREE.items():
        context += f"=== {name} ===\n"
        spans.append((name, len(context), len(context) + len(text)))
        context += f"{text}\n"
    return CodeTools(Documents.of(context, spans))


def test_places_are_names_that_know_where_they_stand(tools: CodeTools) -> None:
    found = tools.definitions("lift")
    assert found == ["Crane.lift"]
    assert (found[0].path, found[0].line, found[0].document) == ("pier/crane.py", 7, found[0].path)
    assert str(found).startswith("pier/crane.py:7: Crane.lift   [method] async def lift(")


@pytest.mark.parametrize("name", ["`lift`", "lift()", "def lift(self)", "Crane.lift", " 'lift' "])
def test_names_may_be_written_loosely(tools: CodeTools, name: str) -> None:
    assert tools.definitions(name) == ["Crane.lift"]


def test_callers_stand_at_the_line_of_the_call(tools: CodeTools) -> None:
    assert [(str.__str__(one), one.line) for one in tools.callers("lift")] == [("Crane.stop", 13)]
    assert tools.callers(tools.definitions("lift")[0]) == ["Crane.stop"]


def test_overrides_are_the_subclasses_that_define_a_method(tools: CodeTools) -> None:
    assert tools.overrides("Crane", "stop") == ["Derrick"]
    assert tools.overrides("Crane.stop") == ["Derrick"]
    assert tools.overrides("Crane", "lift") == []
    assert "overrides('Class', 'method')" in str(tools.overrides("stop"))
    assert tools.overrides("Machine", "stop") == ["Crane"]
    assert tools.overrides("Machine", "stop", direct=False) == ["Crane", "Derrick"]
    assert tools.subclasses("Machine", direct=False) == ["Crane", "Derrick", "Gantry"]


def test_classes_that_are_their_own_bases_come_to_an_end() -> None:
    code = "class A(B): pass\nclass B(A): pass\n"
    assert set(CodeTools(Documents.of(code, ())).subclasses("A", direct=False)) == {"A", "B"}


def test_a_default_is_its_source(tools: CodeTools) -> None:
    assert tools.defaults("lift", "speed") == "'slow'"
    values = tools.defaults("lift")
    assert isinstance(values, Defaults)
    assert values["height"] == "3"
    assert "pier/crane.py:7: Crane.lift(self, load" in str(tools.defaults("lift"))
    assert tools.defaults("Quay", "n") == "4"
    assert tools.defaults("Quay.__init__", "`n`") == "4"


def test_what_is_not_there_prints_what_is(tools: CodeTools) -> None:
    assert str(tools.definitions("lif")) == "(0 definitions of lif; there are lift)"
    assert tools.defaults("lift", "load") == {}
    assert "load has no default there; pier/crane.py:7" in str(tools.defaults("lift", "load"))
    assert "no function" in str(tools.defaults("zzz", "load"))
    values = tools.defaults("lift")
    assert isinstance(values, Defaults)
    with pytest.raises(KeyError, match="no default for 'load'"):
        values["load"]
    assert "not read, as they do not parse: broken.py" in str(tools.callers("log"))
    letter = CodeTools(Documents.of("a letter", ()))
    assert "no document is Python source" in str(letter.callers("log"))


def test_two_defaults_of_one_name_are_told(
    tools: CodeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "def f(a=1): pass\nclass C:\n    def f(self, a=2): pass\n"
    assert CodeTools(Documents.of(code, ())).defaults("f", "a") == "1"
    assert "2 functions f have a default for a" in capsys.readouterr().out


@pytest.mark.parametrize("policy", ["auto", "sealed"])
async def test_a_cell_asks_about_code(open_repl: OpenRepl, policy: SandboxPolicy) -> None:
    repl = await open_repl(documents=list(TREE.items()), policy=policy)
    assert (await repl("FINAL(callers('weigh')[0])")).final == "Crane.lift"
    assert (await repl("FINAL(definitions('weigh')[0].path)")).final == "pier/crane.py"
    assert (await repl("FINAL(overrides('Crane', 'stop'))")).final == "Derrick"
    assert (await repl("FINAL(defaults('lift', 'speed'))")).final == "'slow'"
    assert "2 subclasses of Crane" in ((await repl("subclasses('Crane')")).result or "")
