"""What a cell can call, in a real REPL with a host that answers from a function."""

import asyncio

import pytest

from rlm_local.types import CellCall, CellReply, ContextSlice, SubcallOutcome
from tests.fakes.memory_context import EchoHost
from tests.sandbox.conftest import OpenPool, OpenRepl, Repl

BOOKS = [("a.txt", "alpha one\nalpha two\n"), ("b.txt", "beta one\n"), ("c.txt", "gamma\n")]


class FixedHost:
    """Answers every call with one reply."""

    def __init__(self, reply: CellReply) -> None:
        self.reply = reply
        self.calls: list[CellCall] = []

    async def call(self, call: CellCall) -> CellReply:
        self.calls.append(call)
        return self.reply


async def test_context_is_the_text(open_repl: OpenRepl) -> None:
    repl = await open_repl("täxt 🙂\n" * 3)
    assert (await repl("type(context).__name__, context.count('🙂')")).result == "('str', 3)"


async def test_an_empty_context_is_an_empty_text(open_repl: OpenRepl) -> None:
    repl = await open_repl("")
    assert (await repl("context, len(documents), chunks()")).result == "('', 1, [])"
    assert (await repl("peek()")).error is None


async def test_documents_have_names_and_texts(open_repl: OpenRepl) -> None:
    repl = await open_repl(documents=BOOKS)
    assert (await repl("[d.name for d in documents]")).result == "['a.txt', 'b.txt', 'c.txt']"
    assert (await repl("documents[1].text, documents[1]['text']")).result == str(
        ("beta one\n", "beta one\n")
    )
    assert (await repl("documents['c.txt']['name'], len(documents[2])")).result == "('c.txt', 6)"
    assert (await repl("'alpha' in documents[0], 'beta' in documents[0]")).result == "(True, False)"
    shown = (await repl("documents")).result
    assert shown is not None
    assert shown.startswith("3 documents:")


async def test_one_text_is_one_document(open_repl: OpenRepl) -> None:
    repl = await open_repl("only\n")
    assert (
        await repl("[(d.name, d.text) for d in documents]")
    ).result == "[('context', 'only\\n')]"


async def test_a_query_carries_its_prompt_and_gives_the_reply(open_repl: OpenRepl) -> None:
    host = EchoHost()
    repl = await open_repl(host=host)
    assert (await repl("llm_query('hello')")).result == "'<hello>'"
    assert host.calls == [CellCall("llm_query", {}, ("hello",))]


async def test_constraints_travel_with_a_query(open_repl: OpenRepl) -> None:
    host = EchoHost(lambda prompt: '{"n": 1}')
    repl = await open_repl(host=host)
    await repl("llm_query('p', choices=['a', 'b'], max_tokens=5)")
    await repl("llm_query('p', regex='[0-9]+')")
    result = await repl("llm_query('p', schema={'type': 'object'})['n'] + 1")
    assert result.result == "2"
    assert [call.args for call in host.calls] == [
        {"choices": ["a", "b"], "max_tokens": 5},
        {"regex": "[0-9]+"},
        {"schema": {"type": "object"}},
    ]


async def test_a_reply_that_is_not_whole_json_is_a_typed_failure(open_repl: OpenRepl) -> None:
    repl = await open_repl(host=EchoHost(lambda prompt: '{"n": '))
    result = await repl("r, = llm_query_batched(['p'], schema={})\nbool(r), r.text, r.reason")
    assert result.result is not None
    assert result.result.startswith("(False, '{\"n\": ', 'the reply is not of the type")
    result = await repl("llm_query('p', schema={})")
    assert result.error_type == "ReplyTypeError"


async def test_a_batch_keeps_its_order_and_its_failures_are_no_answers(open_repl: OpenRepl) -> None:
    repl = await open_repl(host=EchoHost(lambda prompt: None if prompt == "b" else prompt.upper()))
    assert (await repl("r = llm_query_batched(['a', 'b', 'c'])\nr")).result == (
        "['A', <sub-call failed: no luck>, 'C']"
    )
    assert (await repl("[x for x in r if x], r[1].reason, str(r[1])")).result == (
        "(['A', 'C'], 'no luck', '<sub-call failed: no luck>')"
    )
    error = (await repl("r[1].lower()")).error
    assert error is not None
    assert "this sub-call failed (no luck)" in error
    final = await repl("FINAL(r[1])")
    assert final.final is None
    assert final.error is not None
    assert "not an answer" in final.error


async def test_ten_thousand_prompts_are_one_call(open_repl: OpenRepl) -> None:
    host = EchoHost()
    repl = await open_repl(host=host)
    result = await repl("r = llm_query_batched([str(i) for i in range(10000)])\nlen(r), r[9999]")
    assert result.result == "(10000, '<9999>')"
    assert len(host.calls) == 1


async def test_prompts_too_long_for_one_frame_go_as_several_calls(open_repl: OpenRepl) -> None:
    host = EchoHost(lambda prompt: str(len(prompt)))
    repl = await open_repl(host=host)
    result = await repl("llm_query_batched(['x' * 5_000_000] * 4)")
    assert result.result == str(["5000000"] * 4)
    assert len(host.calls) == 4


async def test_a_prompt_longer_than_any_frame_is_an_error_in_the_cell(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    result = await repl("kept = 1\nllm_query('x' * 70_000_000)")
    assert result.error is not None
    assert "at most" in result.error
    result = await repl("llm_query('x' * 20_000_000)")
    assert result.error_type == "RuntimeError"
    assert (await repl("kept")).result == "1"


async def test_a_batch_of_one_text_is_refused_with_advice(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    error = (await repl("llm_query_batched('abc')")).error
    assert error is not None
    assert "for one prompt call llm_query" in error
    assert (await repl("llm_query(['a', 'b'])")).result == "['<a>', '<b>']"


async def test_threads_may_query_and_each_gets_its_own_answer(open_repl: OpenRepl) -> None:
    class SlowHost(EchoHost):
        async def call(self, call: CellCall) -> CellReply:
            await asyncio.sleep(0.001 * (hash(call.texts[0]) % 7))
            return await super().call(call)

    repl = await open_repl(host=SlowHost())
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(32) as pool:\n"
        "    replies = list(pool.map(llm_query, [str(i) for i in range(200)]))\n"
        "replies == [f'<{i}>' for i in range(200)]"
    )
    assert (await repl(code)).result == "True"


async def test_a_refusal_is_a_runtime_error_and_notes_are_printed(open_repl: OpenRepl) -> None:
    repl = await open_repl(host=FixedHost(CellReply(refusal="the budget is spent")))
    result = await repl("llm_query('x')")
    assert result.error is not None
    assert result.error.endswith("RuntimeError: the budget is spent")
    reply = CellReply((SubcallOutcome("ok"),), notes=("prompt 1 was cut to 4,000 characters",))
    noted = Repl(repl.worker, FixedHost(reply))
    assert (await noted("llm_query('x')")).stdout == "[note] prompt 1 was cut to 4,000 characters\n"


async def test_a_child_run_gets_its_piece_as_a_slice_of_the_mapped_file(
    open_repl: OpenRepl,
) -> None:
    host = EchoHost()
    repl = await open_repl(documents=BOOKS, host=host)
    await repl("rlm_query('q')")
    await repl("rlm_query('q', context[5:12])")
    await repl("rlm_query('q', documents[1])")
    await repl("rlm_query_batched(['p', 'q'], [context[20:30], 'text of its own'])")
    beta = (await repl("documents[1].start, documents[1].end")).result
    assert beta is not None
    start, end = map(int, beta.strip("()").split(","))
    assert host.calls == [
        CellCall("rlm_query", {"has_context": False, "slices": []}, ("q",)),
        CellCall("rlm_query", {"has_context": True, "slices": [[5, 12]]}, ("q",)),
        CellCall("rlm_query", {"has_context": True, "slices": [[start, end]]}, ("q",)),
        CellCall(
            "rlm_query",
            {"has_context": True, "slices": [[20, 30], None]},
            ("p", "q", "text of its own"),
        ),
    ]


async def test_slices_of_a_part_count_from_the_start_of_the_file(open_pool: OpenPool) -> None:
    pool = await open_pool("0123456789" + "abcdefghij")
    host = EchoHost()
    part = Repl(await pool.start(part=ContextSlice(10, 20)), host)
    assert (await part("context")).result == "'abcdefghij'"
    await part("rlm_query('q', context[2:5])")
    assert host.calls[-1].args == {"has_context": True, "slices": [[12, 15]]}


async def test_a_text_of_its_own_has_no_place_in_the_file(open_pool: OpenPool) -> None:
    pool = await open_pool("the file")
    host = EchoHost()
    own = Repl(await pool.start(text="a text of its own, with a 🙂\n" * 3), host)
    assert (await own("len(context), context[26]")).result == "(84, '🙂')"
    await own("rlm_query('q', context[2:6])")
    assert host.calls[-1] == CellCall(
        "rlm_query", {"has_context": True, "slices": [None]}, ("q", "text")
    )
    found = await own("search('own emoji')[0].document")
    assert found.result == "'context'"
    assert len(host.calls) == 1


async def test_a_long_text_of_its_own_arrives_whole(open_pool: OpenPool) -> None:
    pool = await open_pool("")
    text = "0123456789" * 1_000_000
    own = Repl(await pool.start(text=text), EchoHost())
    assert (await own("len(context), context[-3:]")).result == "(10000000, '789')"


async def test_search_asks_the_host(open_repl: OpenRepl) -> None:
    host = EchoHost()
    repl = await open_repl("0123456789", host=host)
    result = await repl(
        "h = search('who', k=3)\n[(x.document, x.start, x.score, x.text) for x in h]"
    )
    assert result.result == "[('doc', 3, 2.5, 'text')]"
    assert host.calls == [CellCall("search", {"k": 3}, ("who",))]


async def test_grep_prints_one_hit_a_line(open_repl: OpenRepl) -> None:
    repl = await open_repl("", documents=BOOKS)
    shown = (await repl("grep('ONE')")).result
    assert shown is not None
    assert shown.splitlines() == [
        "[a.txt:1] alpha one",
        "[b.txt:1] beta one",
        "(2 matching lines for 'ONE')",
    ]
    assert (await repl("print(grep('one', 'one\\nTwo one'))")).stdout.count("[context:") == 2
    assert (await repl("h = grep('two')[0]\nh.text, h['line'], context[h.start:h.start+3]")).result
    assert (await repl("grep('a(')")).error is None


async def test_chunks_cover_the_text_and_peek_shows_it(open_repl: OpenRepl) -> None:
    repl = await open_repl("line of text\n" * 100)
    assert (await repl("''.join(chunks()) == context, max(map(len, chunks()))")).result == (
        "(True, 91)"
    )
    shown = (await repl("peek(20)")).result
    assert shown is not None
    assert shown.startswith("--- characters 0 to 20 of 1,300 ---\nline of text\n")


async def test_operators_send_one_prompt_an_item(open_repl: OpenRepl) -> None:
    host = EchoHost(lambda prompt: "yes")
    repl = await open_repl(host=host)
    assert (await repl("ask_each('Is it?', ['a', 'b'])")).result == "['yes', 'yes']"
    assert (await repl("ask('Is it?', 'a')")).result == "'yes'"
    assert (await repl("classify(['a', 'b', 'c'], ['yes', 'no'])")).result == str(["yes"] * 3)
    assert host.calls[-1].args == {
        "choices": ["yes", "no"],
        "scores": True,
        "max_tokens": 11,
        "system": "Which label fits the text best?\nAnswer with one label from: yes, no.",
    }
    assert all("Is it?" in text for call in host.calls[:2] for text in call.texts)
    error = (await repl("classify(['a'], ['one'])")).error
    assert error is not None
    assert "two labels or more" in error


async def test_a_text_too_long_for_one_prompt_is_asked_in_parts(open_repl: OpenRepl) -> None:
    host = EchoHost(lambda prompt: "in part" if "needle" in prompt else "NOT FOUND")
    repl = await open_repl(("hay\n" * 2000) + "needle\n", host=host)
    result = await repl("ask('Where?', context)")
    assert "the text was read in 3 parts" in result.stdout
    assert [len(call.texts) for call in host.calls] == [3, 1]
    assert "- in part" in host.calls[1].texts[0]


FINISHES = {
    "FINAL('text')": "text",
    "FINAL(42)": "42",
    "FINAL(['a', 2, True])": "a, 2, True",
    "FINAL(('x',))": "x",
    "FINAL({'b', 'a'})": "a, b",
    "FINAL({'k': [1]})": '{"k": [1]}',
    "FINAL([{'k': 1}])": '[{"k": 1}]',
    "import datetime\nFINAL({datetime.date(2024, 1, 1): 5})": '{"2024-01-01": 5}',
    "FINAL({(1, 2): {3, 4}})": '{"1, 2": [3, 4]}',
    "FINAL([{1: {True: 2}, None: 3}])": '[{"1": {"true": 2}, "null": 3}]',
    "import enum\nclass C(enum.Enum):\n    A = 'a'\nFINAL({C.A: C.A})": '{"a": "a"}',
    "final('low')": "low",
    "v = 7\nFINAL_VAR('v')": "7",
    "v = 8\nFINAL_VAR(v)": "8",
    "FINAL_VAR('just a text')": "just a text",
    "answer = {'content': [1, 2], 'ready': True}": "1, 2",
    "answer['content'] = 'c'\nanswer['ready'] = True": "c",
    "try:\n    FINAL('past')\nexcept Exception:\n    pass\nprint('not reached')": "past",
}


@pytest.mark.parametrize(("code", "final"), FINISHES.items())
async def test_every_spelling_of_final_finishes(open_repl: OpenRepl, code: str, final: str) -> None:
    repl = await open_repl()
    result = await repl(code)
    assert result.final == final
    assert result.error is None
    assert result.stdout == ""
    assert (await repl("1")).final is None


@pytest.mark.parametrize(
    "code",
    [
        "FINAL(None)",
        "FINAL_VAR('missing')",
        "FINAL('x' * 2_000_000)",
        "FINAL(SubcallFailure('r'))",
        "FINAL({'x': SubcallFailure('r')})",
        "FINAL([[SubcallFailure('r')]])",
        "FINAL([{'x': (1, {SubcallFailure('r')})}])",
        "FINAL({1: 'a', '1': 'b'})",
        "x = []\nx.append(x)\nFINAL(x)",
    ],
)
async def test_what_is_no_answer_does_not_finish(open_repl: OpenRepl, code: str) -> None:
    result = await (await open_repl())(code)
    assert result.final is None
    assert result.error is not None


async def test_an_answer_that_is_not_ready_does_not_finish(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    assert (await repl("answer['content'] = 'half'")).final is None
    assert (await repl("answer = 'my own variable'")).final is None
    assert (await repl("answer")).result == "'my own variable'"


async def test_trained_names_come_back_and_common_names_stay_the_cells(open_repl: OpenRepl) -> None:
    repl = await open_repl("the text")
    await repl("context = llm_query = FINAL = None\nchunks = [1, 2]\ndel search")
    result = await repl("context, chunks, callable(llm_query), callable(search)")
    assert result.result == "('the text', [1, 2], True, True)"
    assert "`context` is the whole text again" in result.stdout
    assert (await repl("1")).stdout == ""


async def test_show_vars_lists_what_the_cells_defined(open_repl: OpenRepl) -> None:
    repl = await open_repl()
    assert (await repl("SHOW_VARS()")).result == "no variables yet"
    await repl("import re\nnames = ['a']\n_n = 3\ntext = 'x' * 100")
    shown = (await repl("SHOW_VARS()")).result
    assert shown is not None
    assert shown.splitlines()[:2] == ["names: list, length 1", "_n: int = 3"]
    assert shown.splitlines()[2].startswith("text: str, length 100 = 'xxx")


@pytest.mark.parametrize(
    "code",
    [
        "llm_query('a', max_tokens=0)",
        "llm_query('a', max_tokens='many')",
        "llm_query('a', regex=5)",
        "search('a b', k=0)",
        "search('a b', k=10**6)",
        "search('a b', k=None)",
    ],
)
async def test_an_argument_out_of_range_is_an_error_in_the_cell_and_keeps_variables(
    open_repl: OpenRepl, code: str
) -> None:
    repl = await open_repl("a b")
    await repl("kept = 1")
    result = await repl(code)
    assert not result.restarted
    assert result.error_type in {"ValueError", "TypeError"}
    assert (await repl("kept")).result == "1"


async def test_a_number_written_as_a_float_or_a_text_is_taken(open_repl: OpenRepl) -> None:
    host = EchoHost()
    repl = await open_repl("0123456789", host=host)
    assert (await repl("llm_query('a', max_tokens=2.0)")).error is None
    assert (await repl("search('a b', k='5')")).error is None
    assert [call.args for call in host.calls] == [{"max_tokens": 2}, {"k": 5}]


async def test_grep_takes_the_k_of_search(open_repl: OpenRepl) -> None:
    repl = await open_repl("one a\ntwo a\nthree a\n")
    assert (await repl("[hit.text for hit in grep('a', k=2)]")).result == "['one a', 'two a']"
