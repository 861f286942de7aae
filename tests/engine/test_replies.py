import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_local.engine.replies import close_fence, first_fenced, parse_reply, without_thought

ONE_CELL = {
    "the taught fence": "```repl\nprint(1)\n```",
    "python": "text\n```python\nprint(1)\n```\nmore",
    "py": "```py\nprint(1)\n```",
    "upper case": "```Python\nprint(1)\n```",
    "python3 with words behind": "```python3 title=x\nprint(1)\n```",
    "bare": "```\nprint(1)\n```",
    "tildes": "~~~python\nprint(1)\n~~~",
    "four ticks": "````python\nprint(1)\n````",
    "indented": "  ```python\nprint(1)\n  ```",
    "left open": "```python\nprint(1)",
    "opened twice": "```python\n```python\nprint(1)\n```",
    "no fence": "print(1)",
    "thought before": "<think>so ```python\nx\n``` no</think>\n```python\nprint(1)\n```",
    "thought without its opening tag": "so\n</think>\n```python\nprint(1)\n```",
    "all inside a thought": "<think>\n```python\nprint(1)\n```\n</think>",
    "thought left open": "<think>\n```python\nprint(1)\n```",
    "bare fence beside a tagged one": "```\noutput?\n```\n```python\nprint(1)\n```",
    "another language before": '```json\n{"a": 1}\n```\n```python\nprint(1)\n```',
    "twice the same": "```python\nprint(1)\n```\n```python\nprint(1)\n```",
    "tool call": '<tool_call>{"name": "repl", "arguments": {"code": "print(1)"}}</tool_call>',
    "tool call left open": '<tool_call>\n{"name": "x", "arguments": {"code": "print(1)"}}',
    "tool call, arguments as text": (
        '<tool_call>{"arguments": "{\\"code\\": \\"print(1)\\"}"}</tool_call>'
    ),
    "tool call, parameters": '<tool_call>{"parameters": {"source": "print(1)"}}</tool_call>',
    "tool call in XML": "<tool_call><function=x><parameter=code>\nprint(1)\n</parameter>",
    "tool call with raw line ends": '<tool_call>{"arguments": {"code": "print(1)\n"}}</tool_call>',
    "JSON": '{"thought": "t", "code": "print(1)"}',
}


@pytest.mark.parametrize("text", ONE_CELL.values(), ids=ONE_CELL)
def test_one_cell_is_read_however_it_is_wrapped(text: str) -> None:
    reply = parse_reply(text)
    assert [cell.code.strip() for cell in reply.cells] == ["print(1)"]
    assert reply.final is None


def test_cells_keep_their_order() -> None:
    reply = parse_reply("a\n```repl\nx = 1\n```\nb\n```python\ny = 2\n```")
    assert [cell.code for cell in reply.cells] == ["x = 1\n", "y = 2\n"]


def test_a_forgotten_closing_fence_ends_at_the_next_opening() -> None:
    reply = parse_reply("```python\nx = 1\n```python\ny = 2\n```")
    assert [cell.code for cell in reply.cells] == ["x = 1\n", "y = 2\n"]


def test_a_fence_of_the_other_kind_does_not_close() -> None:
    assert parse_reply("~~~python\ns = '''\n```\n'''\n~~~").cells[0].code == "s = '''\n```\n'''\n"


FINALS = {
    "FINAL(Paris)": "Paris",
    'FINAL("don\'t (know)")': "don't (know)",
    "So:\nFINAL('''two\nlines''') done": "two\nlines",
    "FINAL(the (great) one) ok": "the (great) one",
    "**FINAL(42)**": "42",
    'FINAL("left open': "left open",
    "FINAL(left open\nmore": "left open",
    "```json\n{}\n```\nFINAL(7)": "7",
    "FINAL('\\N{no such name}')": "\\N{no such name}",
}


@pytest.mark.parametrize(("text", "final"), FINALS.items())
def test_final_as_text_is_an_answer(text: str, final: str) -> None:
    reply = parse_reply(text)
    assert (reply.final, reply.cells) == (final, ())


AS_CODE = {
    "FINAL_VAR(total)": 'FINAL_VAR("total")',
    'Done. \nFINAL_VAR("total")': 'FINAL_VAR("total")',
    "FINAL(max(xs))": "FINAL(max(xs))",
    "The answer:\nFINAL(f'{n} of {m}')": "FINAL(f'{n} of {m}')",
    "x = 4\nFINAL(x)": "x = 4\nFINAL(x)",
}


@pytest.mark.parametrize(("text", "code"), AS_CODE.items())
def test_a_final_that_must_be_computed_is_a_cell(text: str, code: str) -> None:
    assert [cell.code for cell in parse_reply(text).cells] == [code]


def test_final_var_behind_a_cell_runs_after_it() -> None:
    reply = parse_reply("```repl\ntotal = 1\n```\nFINAL_VAR(total)")
    assert [cell.code for cell in reply.cells] == ["total = 1\n", 'FINAL_VAR("total")']


def test_a_variable_of_the_cells_given_to_final_as_text_is_the_answer() -> None:
    reply = parse_reply("```repl\ntotal = len(context)\n```\nThat is it.\nFINAL(total)")
    assert [cell.code for cell in reply.cells] == ["total = len(context)\n", 'FINAL_VAR("total")']
    for unknown in ("FINAL(other)", "FINAL(total is 4)", "FINAL(4)", "FINAL()"):
        assert len(parse_reply(f"```repl\ntotal = 4\n```\n{unknown}").cells) == 1


TRAINED = {
    "a plan, then a block": (
        "I need to look at the context first to see how it is structured. Let me print the start "
        "of it.\n\n```repl\nprint(len(context))\nprint(context[:500])\n```\n",
        ["print(len(context))\nprint(context[:500])\n"],
        None,
    ),
    "two blocks with prose between": (
        "First the chunks:\n```repl\nchunks = context.split('\\n\\n')\n```\nThen I query each:\n"
        "```repl\nanswers = llm_query_batched(chunks)\nprint(answers)\n```",
        [
            "chunks = context.split('\\n\\n')\n",
            "answers = llm_query_batched(chunks)\nprint(answers)\n",
        ],
        None,
    ),
    "FINAL in a string of a block, and announced": (
        '```repl\nnote = """\nFINAL(no)\n"""\nprint(note)\n```\n'
        "Next I will return FINAL(answer) once I have seen it.",
        ['note = """\nFINAL(no)\n"""\nprint(note)\n'],
        None,
    ),
    "FINAL alone": (
        "Based on the chunks, three bridges were closed.\n\nFINAL(three)",
        [],
        "three",
    ),
    "FINAL over lines": ("FINAL(one\ntwo (of 3)\n)", [], "one\ntwo (of 3)"),
    "FINAL_VAR with its quotes": ('FINAL_VAR("final_answer")', ['FINAL_VAR("final_answer")'], None),
    "FINAL_VAR behind the block that makes it": (
        "```repl\nfinal_answer = llm_query('x')\nprint(final_answer)\n```\n\n"
        "FINAL_VAR(final_answer)",
        ["final_answer = llm_query('x')\nprint(final_answer)\n", 'FINAL_VAR("final_answer")'],
        None,
    ),
    "FINAL_VAR in backticks": ("`FINAL_VAR(result)`", ['FINAL_VAR("result")'], None),
    "an empty thought before": ("<think>\n\n</think>\n\nFINAL(three)", [], "three"),
    "the dict": (
        "```repl\nanswer['content'] = total\nanswer['ready'] = True\n```",
        ["answer['content'] = total\nanswer['ready'] = True\n"],
        None,
    ),
}


@pytest.mark.parametrize(("text", "cells", "final"), TRAINED.values(), ids=TRAINED)
def test_replies_as_models_trained_as_roots_write_them(
    text: str, cells: list[str], final: str | None
) -> None:
    reply = parse_reply(text)
    assert [cell.code for cell in reply.cells] == cells
    assert reply.final == final


def test_an_answer_made_up_behind_a_cell_is_not_taken() -> None:
    reply = parse_reply("```repl\nprint(1)\n```\nOutput: 1\nFINAL(1)")
    assert (len(reply.cells), reply.final) == (1, None)


NOTHING = [
    None, "", "   ", "Paris", "Paris, France", "I will look.", "name: value", "```json\n{}\n```",
    "<tool_call>not json</tool_call>", '<tool_call>{"arguments": [1]}</tool_call>',
    '{"code": 3}', "[1, 2]", "FINAL_VAR(1)", "<think>", "<think>hm</think>", "{" * 5000,
    '{"arguments": "not json"}',
]  # fmt: skip


@pytest.mark.parametrize("text", NOTHING)
def test_prose_holds_nothing(text: str | None) -> None:
    reply = parse_reply(text)
    assert (reply.cells, reply.final) == ((), None)


def test_the_thought_is_kept_apart() -> None:
    assert parse_reply("<think>hm</think>```repl\nx=1\n```").thought == "hm"
    assert parse_reply('{"thought": "why", "code": "x=1"}').thought == "why"
    assert parse_reply('{"thought": 3, "code": "x=1"}').thought == ""
    assert without_thought("<think>a</think> b ") == "b"
    assert without_thought("a <think>b") == "a"


def test_the_first_fence_is_cut_out_and_an_open_one_closed() -> None:
    assert first_fenced("```python\nx\n```\nOutput: 1") == "```python\nx\n```"
    assert first_fenced("```python\nx") == "```python\nx"
    assert first_fenced("no fence") == "no fence"
    assert close_fence("```python\nx") == "```python\nx\n```"
    assert close_fence("~~~~python\nx\n") == "~~~~python\nx\n~~~~"
    assert close_fence("```python\nx\n```") == "```python\nx\n```"
    assert close_fence("words") == "words"


PIECES = st.lists(
    st.sampled_from(
        [
            "```", "~~~", "```python\n", "```repl\n", "\n", "FINAL(", "FINAL_VAR(", ")", '"', "'",
            "<think>", "</think>", "<tool_call>", "</tool_call>", '{"code": "', '"}',
            "<parameter=code>",
            "print(1)", "x = 1", " ", "\\", "\0", "\ud800", "{", "}", "(", "[", "é",
        ]
    )
    | st.text(max_size=8),
    max_size=25,
).map("".join)  # fmt: skip


@given(PIECES)
def test_the_parser_never_raises(text: str) -> None:
    reply = parse_reply(text)
    assert not (reply.cells and reply.final is not None)
    first_fenced(text)
    close_fence(text)


@given(st.text(alphabet=st.characters(exclude_characters="<{"), max_size=60), st.text(max_size=60))
def test_fenced_code_is_a_substring_of_the_reply(before: str, code: str) -> None:
    text = f"{before}\n```python\n{code}"
    for cell in parse_reply(text).cells:
        assert cell.code in text or cell.code.startswith("FINAL")


@given(st.text(alphabet=st.characters(exclude_characters="`~<{"), min_size=1, max_size=80))
def test_a_fenced_cell_comes_out_as_it_went_in(code: str) -> None:
    if code.strip():
        assert parse_reply(f"```python\n{code}\n```").cells[0].code == f"{code}\n"
